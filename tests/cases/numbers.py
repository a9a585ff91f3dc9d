"""``vlan``, ``length``, ``ttl`` and ``dscp``."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import Arp, Eth, Frame, HopByHop, IPv4, IPv6, Proto, ServiceVlan, Udp, Vlan

_VLAN = policy(
    rule("ten", "vlan = 10"),
    rule("range", 'vlan = ["100-199", 4095]'),
    rule("zero", "vlan = 0"),
)
_TAGGED = policy(rule("tagged", 'vlan = "0-4095"'))

_VLAN_ROWS: list[Row] = [
    ("ten", Eth() / Vlan(10) / IPv4() / Udp(), "ten"),
    ("ten6", Eth() / Vlan(10) / IPv6() / Udp(), "ten"),
    ("ten-with-priority", Eth() / Vlan(10, pcp=7) / IPv4() / Udp(), "ten"),
    ("outermost", Eth() / ServiceVlan(10) / Vlan(100) / IPv4() / Udp(), "ten"),
    ("inner-unread", Eth() / ServiceVlan(11) / Vlan(10) / IPv4() / Udp(), None),
    ("low", Eth() / Vlan(100) / IPv4() / Udp(), "range"),
    ("high", Eth() / Vlan(199) / IPv6() / Udp(), "range"),
    ("above", Eth() / Vlan(200) / IPv4() / Udp(), None),
    ("highest", Eth() / Vlan(4095) / IPv4() / Udp(), "range"),
    ("zero", Eth() / Vlan(0, pcp=3) / IPv4() / Udp(), "zero"),
    ("untagged-is-not-zero", Eth() / IPv4() / Udp(), None),
]


def _long(size: int) -> Frame:
    """Make an IPv4 packet of *size* bytes."""
    return Eth() / IPv4() / Proto(253, bytes(size - 20))


def _long6(size: int) -> Frame:
    return Eth() / IPv6() / Proto(253, bytes(size - 40))


_LENGTH = policy(
    rule("tiny", 'length = "0-39"'),
    rule("exact", "length = [60, 1500]"),
    rule("jumbo", 'length = "1501-65535"'),
)

_LENGTH_ROWS: list[Row] = [
    ("tiny", _long(20), "tiny"),
    ("tiny-high", _long(39), "tiny"),
    ("tiny-but-padded", Eth() / IPv4(length=28) / Udp(length=8) / bytes(18), "tiny"),
    ("forty", _long(40), None),
    ("forty6", _long6(40), None),
    ("exact", _long(60), "exact"),
    ("exact6", _long6(60), "exact"),
    ("exact-with-extension", Eth() / IPv6() / HopByHop() / Proto(253, bytes(12)), "exact"),
    ("exact-in-vlan", Eth() / Vlan() / IPv4() / Proto(253, bytes(40)), "exact"),
    ("exact-with-options", Eth() / IPv4(options=bytes(8)) / Proto(253, bytes(32)), "exact"),
    ("sixty-one", _long(61), None),
    ("mtu", _long(1500), "exact"),
    ("mtu6", _long6(1500), "exact"),
    ("below-mtu", _long6(1499), None),
    ("jumbo", _long(9000), "jumbo"),
]

_TTL = policy(
    rule("expired", 'ttl = "0-1"'),
    rule("gtsm", "ttl = 255"),
    rule("usual", "ttl = [64, 128]"),
)

_TTL_ROWS: list[Row] = [
    ("zero", Eth() / IPv4(ttl=0) / Udp(), "expired"),
    ("one6", Eth() / IPv6(hops=1) / Udp(), "expired"),
    ("two", Eth() / IPv4(ttl=2) / Udp(), None),
    ("highest", Eth() / IPv4(ttl=255) / Udp(), "gtsm"),
    ("highest6", Eth() / Vlan() / IPv6(hops=255) / Udp(), "gtsm"),
    ("254", Eth() / IPv6(hops=254) / Udp(), None),
    ("64", Eth() / IPv4(ttl=64) / Udp(), "usual"),
    ("128", Eth() / IPv6(hops=128) / Udp(), "usual"),
]

_DSCP = policy(
    rule("voice", 'dscp = ["EF", "VA"]'),
    rule("control", 'dscp = ["CS6", "CS7"]'),
    rule("bulk", 'dscp = ["AF11", "AF12", "AF13"]'),
    rule("scavenger", 'dscp = "LE"'),
    rule("video", 'dscp = "af41"'),
    rule("number", 'dscp = [63, "20-21"]'),
)

_DSCP_ROWS: list[Row] = [
    (f"{name}{version}", Eth() / ip / Udp(), by)
    for name, dscp, by in [
        ("ef", 46, "voice"),
        ("va", 44, "voice"),
        ("cs6", 48, "control"),
        ("cs7", 56, "control"),
        ("af11", 10, "bulk"),
        ("af13", 14, "bulk"),
        ("between-af", 11, None),
        ("le", 1, "scavenger"),
        ("af41", 34, "video"),
        ("63", 63, "number"),
        ("20", 20, "number"),
        ("22", 22, None),
        ("0", 0, None),
    ]
    for version, ip in (("", IPv4(tos=dscp << 2)), ("-v6", IPv6(tos=dscp << 2)))
]
_DSCP_ROWS += [
    ("ecn-unread", Eth() / IPv4(tos=46 << 2 | 3) / Udp(), "voice"),
    ("ecn-unread-v6", Eth() / IPv6(tos=46 << 2 | 3) / Udp(), "voice"),
]

CASES: list[Case] = [
    *decided("vlan", _VLAN, _VLAN_ROWS),
    *decided(
        "vlan-any",
        _TAGGED,
        [
            ("tagged", Eth() / Vlan(0) / IPv4() / Udp(), "tagged"),
            ("untagged", Eth() / IPv6() / Udp(), None),
        ],
    ),
    Case("vlan-arp", _TAGGED, bytes(Eth() / Vlan(5) / Arp()), "pass", "not_ip"),
    *decided("length", _LENGTH, _LENGTH_ROWS),
    *decided("ttl", _TTL, _TTL_ROWS),
    *decided("dscp", _DSCP, _DSCP_ROWS),
]
