"""What a frame is, in a line: addresses, ports, protocol and length, as tcpdump shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from wirepath.frame import parse
from wirepath.net import Packet, format_address
from wirepath.policy.names import PROTOCOLS

_PROTOCOLS: Final = {number: name for name, number in reversed(PROTOCOLS.items())}
_ETHER_TYPES: Final = {0x0806: "arp", 0x0800: "ip", 0x86DD: "ip6", 0x88CC: "lldp", 0x8863: "pppoed"}
_HEADER_BYTES: Final = 14
_TAGS: Final = frozenset({0x8100, 0x88A8})
_LENGTHS: Final = 0x600  # EtherTypes begin here; below are lengths of 802.3


@dataclass(frozen=True, slots=True)
class Summary:
    """What one frame is.

    Attributes:
        time_ns: since 1970; 0 if the capture does not say.
        src, dst: addresses; None if it is not IP, or malformed.
        sport, dport: ports; None if it has none.
        proto: ``tcp``, ``arp``, or a number: of IP in decimal, an EtherType in hexadecimal; None if
            the frame is too short to tell.
        length: of the IP packet with its header, as the key ``length`` of a match has it; of other
            frames the bytes on the wire after the header of the link.
    """

    time_ns: int
    src: str | None
    dst: str | None
    sport: int | None
    dport: int | None
    proto: str | None
    length: int

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)

    @property
    def ends(self) -> str:
        """Both addresses with their ports, as ``192.0.2.1.40000 > 198.51.100.1.22``."""
        if self.src is None or self.dst is None:
            return "-"
        return f"{_end(self.src, self.sport)} > {_end(self.dst, self.dport)}"


def _end(address: str, port: int | None) -> str:
    return address if port is None else f"{address}.{port}"


def summarise(frame: bytes, time_ns: int, wire_bytes: int, added_bytes: int) -> Summary:
    """Say what an Ethernet frame is; *added_bytes* of it are not counted in *wire_bytes*."""
    found = parse(frame, wire_bytes + added_bytes, added_bytes=added_bytes)
    if not isinstance(found, Packet) or not found.family:
        length = max(0, wire_bytes + added_bytes - _HEADER_BYTES)
        return Summary(time_ns, None, None, None, None, _ether_type(frame), length)
    return Summary(
        time_ns,
        format_address(found.source),
        format_address(found.destination),
        found.sport,
        found.dport,
        _PROTOCOLS.get(found.proto, str(found.proto)),
        found.length,
    )


def _ether_type(frame: bytes) -> str | None:
    at = 12
    while (number := int.from_bytes(frame[at : at + 2])) in _TAGS:
        at += 4
    if len(frame) < at + 2:
        return None
    return "802.3" if number < _LENGTHS else _ETHER_TYPES.get(number, f"{number:#06x}")
