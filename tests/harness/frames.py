"""Frames to feed a datapath, composed with ``/``: ``Eth() / Vlan(5) / IPv4() / Tcp(dport=80)``.

Lengths and next-header numbers are filled in unless given; give them to lie. Addresses are from
the documentation ranges (RFC 5737, RFC 3849). Only IPv4 headers get a checksum.
"""

# ruff: noqa: ARG002 - every layer is told what follows, and most do not care
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}


class Layer:
    """One header; ``number`` is the number by which the layer below refers to it."""

    number = 59  # IPv6's "no next header"

    def build(self, payload: bytes, following: int) -> bytes:
        """Write the header with its payload; *following* is the next layer's number."""
        raise NotImplementedError

    def __truediv__(self, other: "Layer | Frame | bytes") -> "Frame":
        return Frame((self,)) / other

    def __bytes__(self) -> bytes:
        return bytes(Frame((self,)))


@dataclass(frozen=True)
class Frame:
    """Layers, outermost first."""

    layers: tuple[Layer, ...]

    def __truediv__(self, other: "Layer | Frame | bytes") -> "Frame":
        if isinstance(other, Frame):
            return Frame(self.layers + other.layers)
        return Frame((*self.layers, Raw(other) if isinstance(other, bytes) else other))

    def __bytes__(self) -> bytes:
        payload, following = b"", Layer.number
        for layer in reversed(self.layers):
            payload = layer.build(payload, following)
            following = layer.number
        return payload


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def checksum(header: bytes) -> int:
    """Compute the Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, len(header), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


@dataclass(frozen=True)
class Raw(Layer):
    data: bytes = b""

    def build(self, payload: bytes, following: int) -> bytes:
        return self.data + payload


@dataclass(frozen=True)
class Eth(Layer):
    type: int | None = None
    dst: bytes = b"\x02\x00\x00\x00\x00\x02"
    src: bytes = b"\x02\x00\x00\x00\x00\x01"

    def build(self, payload: bytes, following: int) -> bytes:
        return self.dst + self.src + _u16(following if self.type is None else self.type) + payload


@dataclass(frozen=True)
class Vlan(Layer):
    vid: int = 1
    type: int | None = None
    pcp: int = 0

    number = 0x8100

    def build(self, payload: bytes, following: int) -> bytes:
        kind = following if self.type is None else self.type
        return _u16(self.pcp << 13 | self.vid) + _u16(kind) + payload


@dataclass(frozen=True)
class ServiceVlan(Vlan):
    """The outer tag of 802.1ad."""

    number = 0x88A8


@dataclass(frozen=True)
class Arp(Layer):
    number = 0x0806

    def build(self, payload: bytes, following: int) -> bytes:
        return bytes.fromhex("0001080006040001") + bytes(20) + payload


@dataclass(frozen=True)
class IPv4(Layer):
    src: str = "198.51.100.1"
    dst: str = "192.0.2.1"
    proto: int | None = None
    ttl: int = 64
    tos: int = 0
    offset: int = 0  # bytes, a multiple of 8
    more: bool = False
    options: bytes = b""  # a multiple of 4 bytes
    version: int = 4
    ihl: int | None = None
    length: int | None = None

    number = 0x0800

    def build(self, payload: bytes, following: int) -> bytes:
        header_bytes = 20 + len(self.options)
        ihl = header_bytes // 4 if self.ihl is None else self.ihl
        length = header_bytes + len(payload) if self.length is None else self.length
        proto = following & 0xFF if self.proto is None else self.proto
        fragment = self.offset // 8 | (0x2000 if self.more else 0)
        header = bytearray(
            bytes([self.version << 4 | ihl, self.tos])
            + _u16(length)
            + _u16(0x1234)
            + _u16(fragment)
            + bytes([self.ttl, proto, 0, 0])
            + IPv4Address(self.src).packed
            + IPv4Address(self.dst).packed
            + self.options
        )
        header[10:12] = _u16(checksum(bytes(header)))
        return bytes(header) + payload


@dataclass(frozen=True)
class IPv6(Layer):
    src: str = "2001:db8:1::1"
    dst: str = "2001:db8::1"
    next: int | None = None
    hops: int = 64
    tos: int = 0
    version: int = 6
    length: int | None = None

    number = 0x86DD

    def build(self, payload: bytes, following: int) -> bytes:
        length = len(payload) if self.length is None else self.length
        first = self.version << 28 | self.tos << 20 | 0xABCDE
        return (
            first.to_bytes(4, "big")
            + _u16(length)
            + bytes([following & 0xFF if self.next is None else self.next, self.hops])
            + IPv6Address(self.src).packed
            + IPv6Address(self.dst).packed
            + payload
        )


@dataclass(frozen=True)
class Extension(Layer):
    """An IPv6 extension header of (len + 1) * 8 bytes, filled up with zeros."""

    len: int = 0
    next: int | None = None

    def build(self, payload: bytes, following: int) -> bytes:
        follow = following & 0xFF if self.next is None else self.next
        return bytes([follow, self.len]) + bytes(self.len * 8 + 6) + payload


@dataclass(frozen=True)
class HopByHop(Extension):
    number = 0


@dataclass(frozen=True)
class Routing(Extension):
    number = 43


@dataclass(frozen=True)
class DestinationOptions(Extension):
    number = 60


@dataclass(frozen=True)
class Mobility(Extension):
    number = 135


@dataclass(frozen=True)
class Hip(Extension):
    number = 139


@dataclass(frozen=True)
class Shim6(Extension):
    number = 140


@dataclass(frozen=True)
class Fragment(Layer):
    offset: int = 0  # bytes, a multiple of 8
    more: bool = False
    next: int | None = None
    reserved: int = 0

    number = 44

    def build(self, payload: bytes, following: int) -> bytes:
        follow = following & 0xFF if self.next is None else self.next
        return bytes([follow, self.reserved]) + _u16(self.offset | self.more) + bytes(4) + payload


@dataclass(frozen=True)
class Ah(Layer):
    """An Authentication Header of (len + 2) * 4 bytes."""

    len: int = 4
    next: int | None = None

    number = 51

    def build(self, payload: bytes, following: int) -> bytes:
        follow = following & 0xFF if self.next is None else self.next
        return bytes([follow, self.len]) + bytes(self.len * 4 + 6) + payload


@dataclass(frozen=True)
class Tcp(Layer):
    sport: int = 40000
    dport: int = 80
    flags: str = "S"
    options: bytes = b""  # a multiple of 4 bytes
    doff: int | None = None
    seq: int = 0
    ack: int = 0

    number = 6

    def build(self, payload: bytes, following: int) -> bytes:
        doff = 5 + len(self.options) // 4 if self.doff is None else self.doff
        flags = sum(FLAGS[f] for f in self.flags)
        ports = _u16(self.sport) + _u16(self.dport)
        numbers = self.seq.to_bytes(4, "big") + self.ack.to_bytes(4, "big")
        return ports + numbers + bytes([doff << 4, flags]) + bytes(6) + self.options + payload


@dataclass(frozen=True)
class Udp(Layer):
    sport: int = 40000
    dport: int = 53
    length: int | None = None

    number = 17

    def build(self, payload: bytes, following: int) -> bytes:
        length = 8 + len(payload) if self.length is None else self.length
        return _u16(self.sport) + _u16(self.dport) + _u16(length) + bytes(2) + payload


@dataclass(frozen=True)
class Icmp(Layer):
    type: int = 8
    code: int = 0

    number = 1

    def build(self, payload: bytes, following: int) -> bytes:
        return bytes([self.type, self.code]) + bytes(6) + payload


@dataclass(frozen=True)
class Icmp6(Icmp):
    type: int = 128

    number = 58


@dataclass(frozen=True)
class Proto(Layer):
    """The bytes of any other protocol."""

    proto: int = 47
    data: bytes = field(default=bytes(16))

    @property
    def number(self) -> int:  # type: ignore[override]
        return self.proto

    def build(self, payload: bytes, following: int) -> bytes:
        return self.data + payload


def cut(frame: Frame | Layer, size: int) -> bytes:
    """Truncate a frame as a snap length of *size* bytes does."""
    return bytes(frame)[:size]
