"""A parser of answers that is independent of the data plane."""

from dataclasses import dataclass
from ipaddress import ip_address

from harness.frames import FLAGS, checksum

_ETHERTYPES = {0x0800: 4, 0x86DD: 6}
_TAGS = {0x8100, 0x88A8}


@dataclass(frozen=True)
class Answer:
    """A parsed IP frame without options or extensions; parsing checks every length and checksum.

    Attributes:
        macs: destination and source.
        tags: the bytes of the VLAN tags.
        ends: source and destination, as text.
        tos: TOS or traffic class.
        proto: TCP, ICMP or ICMPv6.
        layer4: the layer 4 header with everything after it.
    """

    macs: tuple[bytes, bytes]
    tags: bytes
    ends: tuple[str, str]
    tos: int
    proto: int
    layer4: bytes

    @classmethod
    def read(cls, frame: bytes) -> "Answer":
        at = 12
        while _number(frame, at) in _TAGS:
            at += 4
        version, ip = _ETHERTYPES[_number(frame, at)], frame[at + 2 :]
        if version == 4:
            ends, layer4, tos, proto = ip[12:20], ip[20:], ip[1], ip[9]
            assert (ip[0], ip[8], _number(ip, 6)) == (0x45, 64, 0x4000)
            assert _number(ip, 2) == len(ip)
            assert checksum(ip[:20]) == 0
        else:
            ends, layer4, proto = ip[8:40], ip[40:], ip[6]
            tos = _number(ip, 0) >> 4 & 0xFF
            assert (ip[0] >> 4, ip[7], ip[1:4]) == (6, 64, bytes(3))
            assert _number(ip, 4) == len(layer4)
        pseudo = ends + len(layer4).to_bytes(4, "big") + proto.to_bytes(4, "big")
        summed = layer4 if proto == 1 else pseudo + layer4
        assert checksum(summed + bytes(len(summed) % 2)) == 0
        half = len(ends) // 2
        source, destination = str(ip_address(ends[:half])), str(ip_address(ends[half:]))
        macs = (frame[:6], frame[6:12])
        return cls(macs, frame[12:at], (source, destination), tos, proto, layer4)

    @property
    def ports(self) -> tuple[int, int]:
        return _number(self.layer4, 0), _number(self.layer4, 2)

    @property
    def seq(self) -> int:
        return _number(self.layer4, 4, 4)

    @property
    def ack(self) -> int:
        return _number(self.layer4, 8, 4)

    @property
    def flags(self) -> str:
        return "".join(name for name, bit in FLAGS.items() if self.layer4[13] & bit)

    @property
    def options(self) -> bytes:
        assert self.layer4[12] >> 4 == len(self.layer4) // 4
        return self.layer4[20:]

    @property
    def icmp(self) -> tuple[int, int]:
        assert self.layer4[4:8] == bytes(4)
        return self.layer4[0], self.layer4[1]

    @property
    def quoted(self) -> bytes:
        return self.layer4[8:]


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "big")
