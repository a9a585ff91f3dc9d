"""The state of a packet without a known connection: the twin of ``bpf/track/track.h``.

The model knows no connections, since netfilter keeps them in the kernel. In a replay there are none
either, and the program judges by the same rules.

Source: net/netfilter/nf_conntrack_proto_tcp.c, ``tcp_new``; nf_conntrack_proto_icmp.c and icmpv6.c.
"""

from typing import Final

from wirepath.net import Ct

_ICMP: Final = 1
_TCP: Final = 6
_UDP: Final = 17
_ICMPV6: Final = 58

_FIN, _SYN, _RST, _PSH, _ACK, _URG = (1 << bit for bit in range(6))
_VALID: Final = frozenset(
    {_SYN, _SYN | _URG, _SYN | _ACK, _RST, _RST | _ACK, _FIN | _ACK, _FIN | _ACK | _URG, _ACK}
    | {_ACK | _URG}
)

# ICMP types by protocol: errors, which quote a packet; requests; and types that are untracked
# because they are answers or because conntrack ignores them.
_ERRORS: Final = {_ICMP: frozenset({3, 4, 5, 11, 12}), _ICMPV6: frozenset(range(128))}
_REQUESTS: Final = {_ICMP: frozenset({8, 13, 15, 17}), _ICMPV6: frozenset({128, 139})}
_UNTRACKED: Final = {
    _ICMP: frozenset({0, 14, 16, 18}),
    _ICMPV6: frozenset({129, 140, *range(130, 137), 143}),
}
_FAMILIES: Final = {_ICMP: 4, _ICMPV6: 6}

STATES_OF_UDP: Final = frozenset[Ct]({"new", "established", "related", "untracked"})
"""The states that a UDP datagram may be in, when netfilter knows its connection or does not."""

_IPV4: Final = 4
_IPV4_BYTES: Final = 20
_IPV6_BYTES: Final = 40
QUOTE_BYTES: Final = 64
"""Bytes of a quote that are read: an IPv4 header with options, and ports."""


def tcp(flags: int) -> Ct:
    """Give the state of a TCP segment: it begins a connection, continues one, or is invalid."""
    judged = flags & (_FIN | _SYN | _RST | _ACK | _URG)
    if judged not in _VALID:
        return "invalid"
    return "new" if judged & ~_URG in (_SYN, _ACK) else "invalid"


def states_of_tcp(flags: int) -> frozenset[Ct]:
    """Give the states that a segment may be in, when netfilter knows its connection or does not."""
    if flags & (_FIN | _SYN | _RST | _ACK | _URG) not in _VALID:
        return frozenset({"invalid"})
    return STATES_OF_UDP | {tcp(flags)}


def udp() -> Ct:
    """Give the state of a UDP datagram."""
    return "new"


def icmp(family: int, proto: int, kind: int, destination: int, quote: bytes) -> Ct:
    """Give the state of an ICMP or ICMPv6 message.

    Args:
        family: of the packet.
        proto: ICMP or ICMPv6.
        kind: the type of the message.
        destination: of the packet; an error goes to the sender of the packet that it quotes.
        quote: the captured bytes after the 8 bytes of the ICMP header.
    """
    if family != _FAMILIES[proto]:
        return "invalid"
    if kind in _ERRORS[proto]:
        return _quoted(family, destination, quote)
    if kind in _REQUESTS[proto]:
        return "new"
    return "untracked" if kind in _UNTRACKED[proto] else "invalid"


def states_of_icmp(family: int, proto: int, kind: int) -> frozenset[Ct]:
    """Give the states that a message may be in; the arguments are those of `icmp`."""
    if family == _FAMILIES[proto] and kind in _ERRORS[proto]:
        return frozenset({"related", "invalid", "untracked"})
    return frozenset({icmp(family, proto, kind, 0, b"")})


def _quoted(family: int, destination: int, quote: bytes) -> Ct:
    whole = _quoted_ipv4(quote) if family == _IPV4 else _quoted_ipv6(quote)
    if whole is None:
        return "invalid"
    source, proto = whole
    # With or without ports: since nothing is tracked, no connection matches the quote.
    if source != destination or proto in (_TCP, _UDP):
        return "invalid"
    return "untracked"


# The source and protocol of a quoted packet; None if the quote is invalid.
def _quoted_ipv4(quote: bytes) -> tuple[int, int] | None:
    if len(quote) < _IPV4_BYTES:
        return None
    header = (quote[0] & 0x0F) * 4
    later = int.from_bytes(quote[6:8], "big") & 0x1FFF
    if quote[0] >> 4 != _IPV4 or not _IPV4_BYTES <= header <= len(quote) or later:
        return None
    return 0xFFFF << 32 | int.from_bytes(quote[12:16], "big"), quote[9]


def _quoted_ipv6(quote: bytes) -> tuple[int, int] | None:
    if len(quote) < _IPV6_BYTES or quote[0] >> 4 != _FAMILIES[_ICMPV6]:
        return None
    return int.from_bytes(quote[8:24], "big"), quote[6]
