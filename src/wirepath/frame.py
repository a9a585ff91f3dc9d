"""Parsing of frames into :class:`Packet`: the twin of ``bpf/packet/parse.h``, in plain Python.

Each header must pass two checks. If the lengths on the wire do not allow it, the frame is malformed
(a fault). If it was not captured, parsing stops, and the remaining fields stay absent.
"""

from typing import Any, Final

from wirepath import track
from wirepath.net import Datagram, Fault, Link, Packet

_ETH_BYTES: Final = 14
_ETH_IPV4: Final = 0x0800
_ETH_IPV6: Final = 0x86DD
_ETH_ARP: Final = 0x0806
_ETH_VLAN: Final = frozenset({0x8100, 0x88A8})
_VLAN_DEPTH: Final = 2  # 802.1ad: one service tag, one customer tag
_VLAN_BYTES: Final = 4

_MAPPED: Final = 0xFFFF  # the upper 96 bits of an IPv4 address in IPv6 form
_IPV4: Final = 4
_IPV6: Final = 6
_IPV4_BYTES: Final = 20
_IPV6_BYTES: Final = 40
_ONES: Final = 0xFFFF  # the sum of a header with its checksum, RFC 1071
_LENGTH_MAX: Final = 0xFFFF
_EXTENSION_DEPTH: Final = 8  # most headers; one more is malformed
_EXTENSION_BYTES: Final = 8  # of the shortest header, RFC 8200 section 4

_ICMP: Final = 1
_TCP: Final = 6
_UDP: Final = 17
_HOP_BY_HOP: Final = 0
_FRAGMENT: Final = 44
_AH: Final = 51  # RFC 4302; its length is in units of 4 bytes
_ICMPV6: Final = 58
# Hop-by-hop, routing, fragment, AH, destination options (RFC 8200), mobility (RFC 6275),
# HIP (RFC 7401), shim6 (RFC 5533).
_EXTENSIONS: Final = frozenset({_HOP_BY_HOP, 43, _FRAGMENT, _AH, 60, 135, 139, 140})

_TCP_BYTES: Final = 20
_UDP_BYTES: Final = 8
_ICMP_BYTES: Final = 8


class _Malformed(Exception):  # noqa: N818 - not an error of ours
    """The frame has wrong lengths, or ends inside a header."""

    def __init__(self, fault: Fault) -> None:
        self.fault: Fault = fault


class _Unseen(Exception):  # noqa: N818 - not an error of ours
    """The header is on the wire but was not captured."""


class _Cursor:
    """A position in a frame.

    Attributes:
        left: bytes left in this layer, by the lengths on the wire.
    """

    def __init__(self, frame: bytes, wire_bytes: int) -> None:
        self._frame = frame
        self._at = 0
        self.left = wire_bytes

    def peek(self, size: int, fault: Fault) -> bytes:
        """Return the next *size* bytes; raise if they are not allowed or not captured."""
        if self.left < size:
            raise _Malformed(fault)
        header = self._frame[self._at : self._at + size]
        if len(header) < size:
            raise _Unseen
        return header

    def rest(self, size: int) -> bytes:
        """Return the captured part of the next *size* bytes."""
        return self._frame[self._at : self._at + size]

    def take(self, size: int, fault: Fault) -> bytes:
        """Return the next *size* bytes and move past them."""
        header = self.peek(size, fault)
        self._at += size
        self.left -= size
        return header


def parse(
    frame: bytes,
    wire_bytes: int | None = None,
    *,
    link: Link = "ethernet",
    added_bytes: int = 0,
) -> Packet | Fault:
    """Parse one frame.

    Args:
        frame: as captured, from the destination address on.
        wire_bytes: length on the wire, if the capture cut the frame; ``len(frame)`` if None.
        link: the headers it begins with.
        added_bytes: how many of those on the wire are not to be counted.

    Returns:
        The packet, or the fault if the frame is malformed.
    """
    wire = len(frame) if wire_bytes is None else wire_bytes
    cursor = _Cursor(frame, wire)
    seen: dict[str, Any] = {}  # fields of Packet that were parsed
    try:
        ethertype = _ethernet(cursor, seen) if link == "ethernet" else _version(cursor)
        if ethertype == _ETH_IPV4:
            _ipv4(cursor, seen)
            _layer4(cursor, seen)
        elif ethertype == _ETH_IPV6:
            _ipv6(cursor, seen)
            _extensions(cursor, seen)
            _layer4(cursor, seen)
        else:
            at = 0 if link == "ethernet" else _ETH_BYTES
            seen["misread"] = ethertype != _ETH_ARP and _is_ip(frame[at:], wire - at)
    except _Malformed as malformed:
        return malformed.fault
    except _Unseen:
        pass  # rules judge it by the fields that were captured
    return Packet(frame_bytes=wire - added_bytes, **seen)


def _number(header: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(header[at : at + size], "big")


def _ethernet(cursor: _Cursor, seen: dict[str, Any]) -> int:
    # Moves past the VLAN tags; returns the EtherType after them.
    ethernet = cursor.take(_ETH_BYTES, "ethernet")
    seen["to_group"] = bool(ethernet[0] & 1)
    ethertype = _number(ethernet, 12)
    for depth in range(_VLAN_DEPTH + 1):
        if ethertype not in _ETH_VLAN:
            break
        if depth == _VLAN_DEPTH:
            raise _Malformed("vlan_depth")
        tag = cursor.take(_VLAN_BYTES, "ethernet")
        seen.setdefault("vlan", _number(tag, 0) & 0x0FFF)
        ethertype = _number(tag, 2)
    return ethertype


def _version(cursor: _Cursor) -> int:
    # Without link-layer headers the version tells the protocol; returns its EtherType.
    [first] = cursor.peek(1, "ipv4_header")
    return {_IPV4: _ETH_IPV4, _IPV6: _ETH_IPV6}.get(first >> 4, 0)


# Whether a frame that is not IP begins with an IP header all the same, beyond chance.
def _is_ip(header: bytes, wire: int) -> bool:
    if len(header) < _IPV4_BYTES:
        return False
    total = sum(_number(header, at) for at in range(0, _IPV4_BYTES, 2))
    if header[0] == _IPV4 << 4 | _IPV4_BYTES // 4 and (total & _ONES) + (total >> 16) == _ONES:
        return _IPV4_BYTES <= _number(header, 2) <= wire
    return (
        header[0] >> 4 == _IPV6
        and _number(header, 4) + _IPV6_BYTES == wire
        and header[6] in (_TCP, _UDP, _ICMPV6)
        and header[7] != 0
    )


def _ipv4(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 791 section 3.1.
    there = cursor.left
    ip = cursor.peek(_IPV4_BYTES, "ipv4_header")
    header_bytes = (ip[0] & 0x0F) * 4
    if ip[0] >> 4 != _IPV4 or header_bytes < _IPV4_BYTES:
        raise _Malformed("ipv4_header")
    cursor.take(header_bytes, "ipv4_header")
    total = _number(ip, 2)
    if not header_bytes <= total <= there:
        raise _Malformed("ipv4_length")
    cursor.left = total - header_bytes
    fragment = _number(ip, 6)
    seen.update(
        family=_IPV4,
        source=_MAPPED << 32 | _number(ip, 12, 4),
        destination=_MAPPED << 32 | _number(ip, 16, 4),
        proto=ip[9],
        length=total,
        ttl=ip[8],
        dscp=ip[1] >> 2,
        fragment="later" if fragment & 0x1FFF else "first" if fragment & 0x2000 else "none",
    )


def _ipv6(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 8200 section 3.
    ip = cursor.take(_IPV6_BYTES, "ipv6_header")
    if ip[0] >> 4 != _IPV6:
        raise _Malformed("ipv6_header")
    payload = _number(ip, 4)
    if payload == 0 and ip[6] == _HOP_BY_HOP:
        payload = cursor.left  # a jumbogram; its length is in an option (RFC 2675)
    if payload > cursor.left:
        raise _Malformed("ipv6_length")
    cursor.left = payload
    source, destination = _number(ip, 8, 16), _number(ip, 24, 16)
    if _MAPPED in (source >> 32, destination >> 32):
        raise _Malformed("mapped_address")
    seen.update(
        family=_IPV6,
        source=source,
        destination=destination,
        proto=ip[6],
        length=min(_IPV6_BYTES + payload, _LENGTH_MAX),
        ttl=ip[7],
        dscp=_number(ip, 0) >> 6 & 0x3F,
        fragment="none",
    )


def _extensions(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 8200 section 4.  Only whole headers count.
    for depth in range(_EXTENSION_DEPTH + 1):
        kind = seen["proto"]
        if kind not in _EXTENSIONS or seen["fragment"] == "later":
            return
        if depth == _EXTENSION_DEPTH:
            raise _Malformed("extension_depth")
        start = cursor.peek(_EXTENSION_BYTES, "extension_header")
        cursor.take(_extension_bytes(kind, start[1]), "extension_header")
        seen["proto"] = start[0]
        if kind == _FRAGMENT:
            # Offset 0 without the M flag is an atomic fragment: a whole packet (RFC 6946).
            offset = _number(start, 2)
            if offset & 0xFFF8:
                seen["fragment"] = "later"
            elif offset & 1:
                seen["fragment"] = "first"


def _extension_bytes(kind: int, length: int) -> int:
    if kind == _FRAGMENT:
        return _EXTENSION_BYTES  # its second byte is reserved
    if kind == _AH:
        return (length + 2) * 4
    return (length + 1) * 8


def _layer4(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # A first fragment must hold its whole L4 header (RFC 1858, RFC 7112).
    if seen["fragment"] == "later":
        return
    if seen["proto"] == _TCP:
        _tcp(cursor, seen)
    elif seen["proto"] == _UDP:
        _udp(cursor, seen)
    elif seen["proto"] in (_ICMP, _ICMPV6):
        _icmp(cursor, seen)


def _tcp(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 9293 section 3.1.
    there = cursor.left
    tcp = cursor.take(_TCP_BYTES, "tcp_header")
    if not _TCP_BYTES <= (tcp[12] >> 4) * 4 <= there:
        raise _Malformed("tcp_header")
    seen.update(
        sport=_number(tcp, 0),
        dport=_number(tcp, 2),
        tcp_flags=tcp[13],
        tcp_seq=_number(tcp, 4, 4),
        ct=track.tcp(tcp[13]),
    )


def _udp(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 768; a first fragment has the length of the whole datagram.
    there = cursor.left
    udp = cursor.take(_UDP_BYTES, "udp_header")
    length = _number(udp, 4)
    if length < _UDP_BYTES or (length > there and seen["fragment"] == "none"):
        raise _Malformed("udp_length")
    datagram = Datagram(length - _UDP_BYTES, cursor.left, cursor.rest(cursor.left))
    seen.update(sport=_number(udp, 0), dport=_number(udp, 2), datagram=datagram, ct=track.udp())


def _icmp(cursor: _Cursor, seen: dict[str, Any]) -> None:
    # RFC 792, RFC 4443: an error quotes the packet that caused it.
    icmp = cursor.take(_ICMP_BYTES, "icmp_header")
    kind = seen["icmp_type"] = icmp[0]
    seen["icmp_code"] = icmp[1]
    quote = cursor.rest(min(cursor.left, track.QUOTE_BYTES))
    seen["ct"] = track.icmp(seen["family"], seen["proto"], kind, seen["destination"], quote)


def marked(frame: bytes, dscp: int) -> bytes:
    """Return *frame* with another DSCP, if it is an Ethernet frame with a whole IP header.

    ECN and the flow label stay; RFC 1624 gives the checksum.
    """
    at, tags = 12, 0
    while tags < _VLAN_DEPTH and int.from_bytes(frame[at : at + 2]) in _ETH_VLAN:
        at, tags = at + _VLAN_BYTES, tags + 1
    kind, at = int.from_bytes(frame[at : at + 2]), at + 2
    if kind not in (_ETH_IPV4, _ETH_IPV6) or len(frame) < at + _IPV4_BYTES:
        return frame
    written = bytearray(frame)
    old = int.from_bytes(frame[at : at + 2])
    shift = 2 if kind == _ETH_IPV4 else 6
    new = old & ~(0x3F << shift) | dscp << shift
    written[at : at + 2] = new.to_bytes(2)
    if kind == _ETH_IPV4:
        place = slice(at + 10, at + 12)
        total = (~int.from_bytes(frame[place]) & _LENGTH_MAX) + (~old & _LENGTH_MAX) + new
        while total > _LENGTH_MAX:
            total = (total & _LENGTH_MAX) + (total >> 16)
        written[place] = (~total & _LENGTH_MAX).to_bytes(2)
    return bytes(written)
