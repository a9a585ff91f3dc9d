"""Captures of links other than Ethernet, made of Ethernet frames."""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from wirepath.pcap import CaptureWriter

_ETHERNET_BYTES = 14
_IPV4, _IPV6 = 0x0800, 0x86DD
_VERSIONS = {_IPV4: 4, _IPV6: 6}


class Link(NamedTuple):
    """A link type.

    Attributes:
        number: LINKTYPE_ of https://www.tcpdump.org/linktypes.html.
        header: gives the link header for an EtherType; None if the link cannot carry it.
    """

    number: int
    header: Callable[[int], bytes | None]


def _sll(proto: int) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"\x02\0\0\0\0\x01\x08\0", proto)


def _sll2(proto: int) -> bytes:
    return struct.pack(">HHIHBB8s", proto, 0, 7, 1, 0, 6, b"\x02\0\0\0\0\x01\x08\0")


def _family(layout: str, ipv6: int) -> Callable[[int], bytes | None]:
    def header(proto: int) -> bytes | None:
        family = {_IPV4: 2, _IPV6: ipv6}.get(proto)
        return None if family is None else struct.pack(layout, family)

    return header


def _only(*protos: int) -> Callable[[int], bytes | None]:
    return lambda proto: b"" if proto in protos else None


LINKS = {
    "null": Link(0, _family("<I", 10)),
    "null-big-endian": Link(0, _family(">I", 30)),
    "raw-12": Link(12, _only(_IPV4, _IPV6)),
    "raw-14": Link(14, _only(_IPV4, _IPV6)),
    "raw": Link(101, _only(_IPV4, _IPV6)),
    "loop": Link(108, _family(">I", 24)),
    "cooked": Link(113, _sll),
    "ipv4": Link(228, _only(_IPV4)),
    "ipv6": Link(229, _only(_IPV6)),
    "cooked-v2": Link(276, _sll2),
}
ETHERNET = Link(1, lambda _: None)


class Packet(NamedTuple):
    """A frame of any link, as `CaptureWriter.write` takes it."""

    time_ns: int
    data: bytes
    wire_bytes: int
    link: int


def ethernet(frame: bytes, wire_bytes: int | None = None, time_ns: int = 0) -> Packet:
    return Packet(time_ns, frame, len(frame) if wire_bytes is None else wire_bytes, 1)


def over(link: Link, packet: Packet) -> Packet | None:
    """Send what is in an Ethernet frame over *link*; None if it cannot carry that."""
    frame = packet.data
    if len(frame) < _ETHERNET_BYTES:
        return None
    proto, payload = int.from_bytes(frame[12:14], "big"), frame[_ETHERNET_BYTES:]
    header = link.header(proto)
    if header is None:
        return None
    if link.number in (12, 14, 101) and (not payload or payload[0] >> 4 != _VERSIONS[proto]):
        return None  # nothing else says which version it is
    wire_bytes = packet.wire_bytes - _ETHERNET_BYTES + len(header)
    return Packet(packet.time_ns, header + payload, wire_bytes, link.number)


def write(path: Path, packets: Iterable[Packet]) -> Path:
    packets = list(packets)
    links = sorted({packet.link for packet in packets})
    with CaptureWriter(path, links) as writer:
        for packet in packets:
            writer.write(*packet)
    return path
