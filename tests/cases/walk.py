"""The order of the walk: first match, counting rules, defaults, many rules."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import Arp, Eth, IPv4, IPv6, Tcp, Udp

_EMPTY = ""
_DROP = '[datapath]\ndefault = "drop"\n'

_ORDER = policy(
    rule("count-all", action=None),
    rule("friend", 'src = "198.51.100.1"', "pass"),
    rule("count-rest", 'src = "198.51.100.0/24"', None),
    rule("net", 'src = "198.51.100.0/24"'),
    rule("never-reached", 'src = "198.51.100.2"', "pass"),
    rule("count-behind", action=None),
)

_MANY = policy(*(rule(f"p{port}", f"dport = {port}") for port in range(1000, 1300)))
_SAME = policy(rule("a", "dport = 80"), rule("b", "dport = 80"), rule("c", "dport = 80", "pass"))
_LAST = policy(*(rule(f"no{i}", f'dst = "10.0.{i}.0/24"') for i in range(70)), rule("last"))

_WIDE = policy(
    rule("narrow", 'src = "10.1.0.0/16", dport = 80', "pass"),
    rule("wide", 'src = "10.0.0.0/8"'),
    rule("web", "dport = 80", "pass"),
)
_WIDE_ROWS: list[Row] = [
    ("wide", Eth() / IPv4(src="10.2.0.1") / Tcp(dport=80), "wide"),
    ("wide-other-port", Eth() / IPv4(src="10.1.0.1") / Tcp(dport=81), "wide"),
    ("outside", Eth() / IPv4(src="11.1.0.1") / Tcp(dport=81), None),
]


def _from(address: str) -> bytes:
    return bytes(Eth() / IPv4(src=address) / Udp())


CASES: list[Case] = [
    Case("walk-no-policy", _EMPTY, _from("198.51.100.1"), "pass", "default"),
    Case("walk-no-policy-arp", _EMPTY, bytes(Eth() / Arp()), "pass", "not_ip"),
    Case("walk-default-drop", _DROP, _from("198.51.100.1"), "drop", "default"),
    Case("walk-default-drop-6", _DROP, bytes(Eth() / IPv6() / Udp()), "drop", "default"),
    Case("walk-default-drop-is-not-for-arp", _DROP, bytes(Eth() / Arp()), "pass", "not_ip"),
    Case("walk-first-match", _ORDER, _from("198.51.100.1"), "pass", "rule", "friend"),
    Case("walk-second-match", _ORDER, _from("198.51.100.2"), "drop", "rule", "net"),
    Case("walk-counted-only", _ORDER, _from("198.51.101.1"), "pass", "default"),
    Case("walk-lowest-of-equals", _SAME, bytes(Eth() / IPv6() / Tcp()), "drop", "rule", "a"),
    Case("walk-last-of-many", _LAST, _from("198.51.101.1"), "drop", "rule", "last"),
    Case(
        "walk-narrow-first",
        _WIDE,
        bytes(Eth() / IPv4(src="10.1.0.1") / Tcp(dport=80)),
        "pass",
        "rule",
        "narrow",
    ),
    Case(
        "walk-pass-behind",
        _WIDE,
        bytes(Eth() / IPv4(src="11.1.0.1") / Tcp(dport=80)),
        "pass",
        "rule",
        "web",
    ),
    *decided("walk-wide", _WIDE, _WIDE_ROWS),
    *decided(
        "walk-many",
        _MANY,
        [
            (
                f"{port}",
                Eth() / IPv4() / Udp(dport=port),
                f"p{port}" if 1000 <= port < 1300 else None,
            )
            for port in (999, 1000, 1063, 1064, 1127, 1128, 1255, 1256, 1299, 1300)
        ],
    ),
]
