"""``[datapath] essentials``: what passes although nothing lists it, and its near misses."""

from cases.case import Case, policy, rule
from harness.frames import Arp, Eth, Fragment, Frame, Icmp, Icmp6, IPv4, IPv6, Proto, Tcp, Udp, Vlan
from wirepath.net import Ban, Prefix, Reason

_LINK = "fe80::1"
_DROP = '[datapath]\ndefault = "drop"\n'
_OFF = '[datapath]\ndefault = "drop"\nessentials = false\n'
_ON = policy("[datapath]\nessentials = true\n", rule("all"))
_SECOND = 1_000_000_000


def _icmp6(kind: int, hops: int, src: str = _LINK) -> Frame:
    return Eth() / IPv6(src=src, hops=hops) / Icmp6(kind) / bytes(24)


def _dhcp6(sport: int, dport: int, src: str = _LINK) -> Frame:
    return Eth() / IPv6(src=src) / Udp(sport=sport, dport=dport) / bytes(40)


_DISCOVERY = (
    _icmp6(133, 255, "::"),
    _icmp6(134, 255),
    _icmp6(135, 255, "2001:db8::7"),
    _icmp6(136, 255, "2001:db8::7"),
    _icmp6(137, 255),
    Eth() / Vlan() / IPv6(src=_LINK, hops=255) / Icmp6(135) / bytes(24),
)
_ROUTED = tuple(_icmp6(kind, 254) for kind in range(133, 138))
_MEMBERSHIP = (
    *(_icmp6(kind, 1) for kind in (130, 131, 132, 143)),
    _icmp6(143, 1, "::"),
    Eth() / IPv4(ttl=1) / Proto(2) / bytes(8),
)
_NO_MEMBERSHIP = (
    _icmp6(130, 2),
    _icmp6(130, 1, "2001:db8::7"),
    _icmp6(130, 1, "fec0::1"),
    Eth() / IPv4(ttl=2) / Proto(2) / bytes(8),
)
_TOO_BIG = (
    _icmp6(2, 61, "2001:db8::7"),
    Eth() / IPv4(ttl=61) / Icmp(3, code=4) / bytes(24),
)
_NOT_TOO_BIG = (
    *(Eth() / IPv4() / Icmp(3, code=code) / bytes(24) for code in (0, 1, 3, 5, 13)),
    Eth() / IPv4() / Icmp(2, code=4) / bytes(24),
    Eth() / IPv4() / Icmp(8) / bytes(24),
    *(_icmp6(kind, 255) for kind in (1, 3, 4, 128, 129, 138, 144)),
    Eth() / IPv6(src=_LINK) / Fragment(offset=8, next=58) / bytes(24),
    Eth() / IPv4(proto=1, offset=8) / bytes(24),
    Eth() / IPv6() / Fragment(more=True) / Icmp6(2) / bytes(1400),
    Eth() / IPv6(hops=255) / Fragment(more=True) / Icmp6(135) / bytes(1400),
    Eth() / IPv4(ttl=1, proto=2, offset=8) / bytes(8),
)
_DHCP = (
    Eth() / IPv4(src="192.0.2.1") / Udp(sport=67, dport=68) / bytes(240),
    _dhcp6(547, 546),
)
_NO_DHCP = (
    Eth() / IPv4() / Udp(sport=68, dport=67) / bytes(240),
    Eth() / IPv4() / Udp(sport=67, dport=67) / bytes(240),
    Eth() / IPv4() / Tcp(sport=67, dport=68),
    Eth() / IPv4(proto=17, offset=8) / bytes(24),
    Eth() / IPv4() / Udp(sport=547, dport=546) / bytes(40),
    _dhcp6(547, 546, "2001:db8::7"),
    _dhcp6(546, 547),
    _dhcp6(67, 68),
)
_PASS = {
    "discovery": _DISCOVERY,
    "membership": _MEMBERSHIP,
    "too-big": _TOO_BIG,
    "dhcp": _DHCP,
}
_MISS = {
    "routed": _ROUTED,
    "no-membership": _NO_MEMBERSHIP,
    "not-too-big": _NOT_TOO_BIG,
    "no-dhcp": _NO_DHCP,
}


def _passing(
    name: str, text: str, reason: Reason, groups: dict[str, tuple[Frame, ...]]
) -> list[Case]:
    return [
        Case(f"essentials-{name}-{group}-{n}", text, bytes(frame), "pass", reason)
        for group, frames in groups.items()
        for n, frame in enumerate(frames)
    ]


def _dropping(name: str, text: str, groups: dict[str, tuple[Frame, ...]]) -> list[Case]:
    return [
        Case(f"essentials-{name}-{group}-{n}", text, bytes(frame), "drop", "default")
        for group, frames in groups.items()
        for n, frame in enumerate(frames)
    ]


_SOLICITATION = bytes(_icmp6(135, 255, "2001:db8::7"))
_BANNED = (Ban(Prefix.parse("2001:db8::7"), 10 * _SECOND),)

CASES = [
    *_passing("drop", _DROP, "essential", _PASS),
    *_dropping("drop", _DROP, _MISS),
    Case("essentials-drop-arp", _DROP, bytes(Eth() / Arp()), "pass", "not_ip"),
    *_dropping("off", _OFF, _PASS),
    *_passing("pass", "", "default", _PASS),
    *_passing("on", _ON, "essential", _PASS),
    Case("essentials-ahead-of-bans", _DROP, _SOLICITATION, "pass", "essential", bans=_BANNED),
    Case(
        "essentials-after-never-block",
        '[datapath]\ndefault = "drop"\nnever_block = ["2001:db8::7"]\n',
        _SOLICITATION,
        "pass",
        "never_block",
    ),
]
