"""Names for numbers, which a policy may use: protocols, TCP flags, ICMP types."""

from typing import Final

# https://www.iana.org/assignments/protocol-numbers
PROTOCOLS: Final = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ospf": 89,
    "pim": 103,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "udplite": 136,
}

ICMP: Final = PROTOCOLS["icmp"]
ICMPV6: Final = PROTOCOLS["icmpv6"]
TCP: Final = PROTOCOLS["tcp"]
UDP: Final = PROTOCOLS["udp"]

# RFC 9293 section 3.1, by bit.
TCP_FLAGS: Final = {
    "fin": 1,
    "syn": 2,
    "rst": 4,
    "psh": 8,
    "ack": 16,
    "urg": 32,
    "ece": 64,
    "cwr": 128,
}

# (ICMP, ICMPv6); RFC 792, RFC 1256, RFC 4443, RFC 4861.
ICMP_TYPES: Final[dict[str, tuple[int | None, int | None]]] = {
    "echo-reply": (0, 129),
    "unreachable": (3, 1),
    "redirect": (5, 137),
    "echo-request": (8, 128),
    "router-advertisement": (9, 134),
    "router-solicitation": (10, 133),
    "time-exceeded": (11, 3),
    "parameter-problem": (12, 4),
    "timestamp": (13, None),
    "packet-too-big": (None, 2),
    "neighbour-solicitation": (None, 135),
    "neighbour-advertisement": (None, 136),
}
