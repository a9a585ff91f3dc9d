"""``icmp_type``: a number matches both protocols, a name only the protocol that has it."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import Eth, Fragment, HopByHop, Icmp, Icmp6, IPv4, IPv6, Tcp, Udp, Vlan

_NAMES = policy(
    rule("ping", 'icmp_type = "echo-request"'),
    rule("pong", 'icmp_type = "echo-reply"'),
    rule("errors", 'icmp_type = ["unreachable", "time-exceeded", "parameter-problem"]'),
    rule("size", 'icmp_type = "packet-too-big"'),
    rule("discovery", 'icmp_type = ["neighbour-solicitation", "neighbour-advertisement"]'),
    rule("router", 'icmp_type = ["router-solicitation", "router-advertisement"]'),
    rule("redirect", 'icmp_type = "redirect"'),
    rule("clock", 'icmp_type = "timestamp"'),
)

# number: (ICMP rule, ICMPv6 rule)
_TYPES: dict[int, tuple[str | None, str | None]] = {
    0: ("pong", None),
    1: (None, "errors"),
    2: (None, "size"),
    3: ("errors", "errors"),  # destination unreachable and time exceeded
    4: (None, "errors"),
    5: ("redirect", None),
    8: ("ping", None),
    9: ("router", None),
    10: ("router", None),
    11: ("errors", None),
    12: ("errors", None),
    13: ("clock", None),
    14: (None, None),
    128: (None, "ping"),
    129: (None, "pong"),
    133: (None, "router"),
    134: (None, "router"),
    135: (None, "discovery"),
    136: (None, "discovery"),
    137: (None, "redirect"),
    255: (None, None),
}

_NUMBERS = policy(
    rule("eight", "icmp_type = 8"),
    rule("range", 'icmp_type = "128-129"'),
    rule("list", 'icmp_type = [0, "13-18", 255]'),
    rule("mixed", 'icmp_type = ["redirect", 200]'),
)

_NUMBER_ROWS: list[Row] = [
    ("8", Eth() / IPv4() / Icmp(8), "eight"),
    ("8-in-icmpv6", Eth() / IPv6() / Icmp6(8), "eight"),
    ("128", Eth() / IPv6() / Icmp6(128), "range"),
    ("129-in-icmp", Eth() / IPv4() / Icmp(129), "range"),
    ("130", Eth() / IPv6() / Icmp6(130), None),
    ("127", Eth() / IPv6() / Icmp6(127), None),
    ("0", Eth() / IPv4() / Icmp(0), "list"),
    ("18", Eth() / IPv4() / Icmp(18), "list"),
    ("255", Eth() / IPv6() / Icmp6(255), "list"),
    ("5", Eth() / IPv4() / Icmp(5), "mixed"),
    ("137", Eth() / IPv6() / Icmp6(137), "mixed"),
    ("5-in-icmpv6", Eth() / IPv6() / Icmp6(5), None),
    ("200-in-both", Eth() / IPv4() / Icmp(200), "mixed"),
    ("200-in-icmpv6", Eth() / IPv6() / Icmp6(200), "mixed"),
    ("tcp-has-none", Eth() / IPv4() / Tcp(), None),
    ("udp-has-none", Eth() / IPv6() / Udp(), None),
    ("later-fragment-has-none", Eth() / IPv4(proto=1, offset=8) / bytes([8] * 8), None),
    ("later-fragment-has-none6", Eth() / IPv6() / Fragment(offset=8, next=58) / bytes(8), None),
    ("first-fragment", Eth() / IPv4(more=True) / Icmp(8), "eight"),
    ("vlan-extension", Eth() / Vlan() / IPv6() / HopByHop() / Icmp6(128), "range"),
]

# The protocol decides which names match, not the IP version.
_CROSSED: list[Row] = [
    ("icmp-in-ipv6", Eth() / IPv6() / Icmp(8), "ping"),
    ("icmpv6-in-ipv4", Eth() / IPv4() / Icmp6(128), "ping"),
    ("icmp-in-ipv6-128", Eth() / IPv6() / Icmp(128), None),
    ("icmpv6-in-ipv4-8", Eth() / IPv4() / Icmp6(8), None),
]

_ONE_SIDE = policy(
    rule("only-v4", 'proto = "icmp", icmp_type = ["echo-request", "echo-reply"]'),
    rule("only-v6", 'proto = "icmpv6", icmp_type = 128'),
)

CASES: list[Case] = [
    *decided(
        "icmp-name",
        _NAMES,
        [
            row
            for number, (icmp, icmpv6) in _TYPES.items()
            for row in (
                (f"{number}", Eth() / IPv4() / Icmp(number), icmp),
                (f"{number}-icmpv6", Eth() / IPv6() / Icmp6(number), icmpv6),
            )
        ],
    ),
    *decided("icmp-number", _NUMBERS, _NUMBER_ROWS),
    *decided("icmp-crossed", _NAMES, _CROSSED),
    *decided(
        "icmp-proto",
        _ONE_SIDE,
        [
            ("ping", Eth() / IPv4() / Icmp(8), "only-v4"),
            ("ping6", Eth() / IPv6() / Icmp6(128), "only-v6"),
            ("pong6", Eth() / IPv6() / Icmp6(129), None),
            ("icmp-128", Eth() / IPv4() / Icmp(128), None),
        ],
    ),
]
