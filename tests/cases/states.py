"""``ct`` without tracked connections: packets that would begin one, or cannot belong to any."""

from dataclasses import replace
from itertools import combinations

from cases.case import Case, Row, decided, policy, rule
from harness.frames import (
    Ah,
    Eth,
    Fragment,
    Frame,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Proto,
    Tcp,
    Udp,
    Vlan,
)

_EACH = policy(
    rule("begins", 'ct = "new"'),
    rule("lies", 'ct = "invalid"'),
    rule("never", 'ct = ["established", "related"]'),
)

# Every combination of FIN, SYN, RST, ACK and URG; these three may accompany any of them.
_BEGIN = {"S", "SU", "A", "AU"}


def _flags() -> list[Row]:
    rows: list[Row] = []
    for size in range(6):
        for some in map("".join, combinations("FSRAU", size)):
            rule = "begins" if some in _BEGIN else "lies"
            rows += [
                (f"flags-{some or 'none'}", Eth() / IPv4() / Tcp(flags=some), rule),
                (f"flags-{some}PEC", Eth() / IPv6() / Tcp(flags=some + "PEC"), rule),
            ]
    return rows


# Types by protocol; all others are invalid.
_REQUESTS = {"icmp": {8, 13, 15, 17}, "icmp6": {128, 139}}
_UNKNOWN = {"icmp": {0, 14, 16, 18}, "icmp6": {129, 140, *range(130, 137), 143}}


def _type(name: str, kind: int) -> str | None:
    if kind in _UNKNOWN[name]:
        return None
    return "begins" if kind in _REQUESTS[name] else "lies"


def _types() -> list[Row]:
    return [
        row
        for kind in (*range(21), *range(125, 145), 255)
        for row in (
            (f"icmp-{kind}", Eth() / IPv4() / Icmp(kind), _type("icmp", kind)),
            (f"icmp6-{kind}", Eth() / IPv6() / Icmp6(kind), _type("icmp6", kind)),
            (f"icmp-{kind}-in-ipv6", Eth() / IPv6() / Icmp(kind), "lies"),
            (f"icmp6-{kind}-in-ipv4", Eth() / IPv4() / Icmp6(kind), "lies"),
        )
    ]


_ME, _ME6 = "192.0.2.1", "2001:db8::1"  # the destination of frames


def _error(quote: Frame | Layer | bytes, kind: int = 3) -> Frame:
    return Eth() / IPv4(dst=_ME) / Icmp(kind) / bytes(quote)


def _error6(quote: Frame | Layer | bytes, kind: int = 1) -> Frame:
    return Eth() / IPv6(dst=_ME6) / Icmp6(kind) / bytes(quote)


_PING = IPv4(src=_ME, dst="198.51.100.9") / Icmp()
_PING6 = IPv6(src=_ME6) / Icmp6()

# Quoted packets: connections of TCP and UDP are not known here, those of other protocols never.
_QUOTES: list[Row] = [
    ("udp", _error(IPv4(src=_ME) / Udp()), "lies"),
    ("tcp", _error(IPv4(src=_ME) / Tcp()), "lies"),
    ("udp6", _error6(IPv6(src=_ME6) / Udp()), "lies"),
    ("ping", _error(_PING), None),
    ("ping-in-vlan", Eth() / Vlan() / IPv4(dst=_ME) / Icmp(11) / bytes(_PING), None),
    ("ping6", _error6(_PING6), None),
    ("ping6-too-big", _error6(_PING6, 2), None),
    ("ping6-unassigned", _error6(_PING6, 127), None),
    *((f"ping-{kind}", _error(_PING, kind), None) for kind in (3, 4, 5, 11, 12)),
    ("ping-no-error", _error(_PING, 6), "lies"),
    ("gre", _error(IPv4(src=_ME) / Proto(47)), None),
    ("head-alone", _error(bytes(_PING)[:20]), None),
    ("head-cut", _error(bytes(_PING)[:19]), "lies"),
    ("head-alone6", _error6(bytes(_PING6)[:40]), None),
    ("head-cut6", _error6(bytes(_PING6)[:39]), "lies"),
    ("padding-is-none", Eth() / IPv4(length=47) / Icmp(3) / bytes(_PING), "lies"),
    ("of-another", _error(IPv4(src="192.0.2.2") / Icmp()), "lies"),
    ("of-another6", _error6(IPv6(src="2001:db8::2") / Icmp6()), "lies"),
    ("options", _error(IPv4(src=_ME, options=bytes(40)) / Icmp()), None),
    ("options-cut", _error(bytes(IPv4(src=_ME, options=bytes(40)) / Icmp())[:59]), "lies"),
    ("no-ihl", _error(IPv4(src=_ME, ihl=4) / Icmp()), "lies"),
    ("no-version", _error(IPv4(src=_ME, version=6) / Icmp()), "lies"),
    ("no-version6", _error6(IPv6(src=_ME6, version=4) / Icmp6()), "lies"),
    ("first-fragment", _error(IPv4(src=_ME, more=True) / Icmp()), None),
    ("later-fragment", _error(IPv4(src=_ME, offset=8) / Icmp()), "lies"),
    ("extension", _error6(IPv6(src=_ME6) / Fragment(offset=8) / bytes(8)), None),
]

_OTHERS: list[Row] = [
    ("udp", Eth() / IPv4() / Udp(), "begins"),
    ("udp6", Eth() / IPv6() / Udp(), "begins"),
    ("gre", Eth() / IPv4() / Proto(47), None),
    ("sctp6", Eth() / IPv6() / Proto(132), None),
    ("behind-ah", Eth() / IPv6() / Ah() / Tcp(), "begins"),
    ("first-fragment", Eth() / IPv4(more=True) / Udp(length=900) / bytes(80), "begins"),
    ("later-fragment", Eth() / IPv4(proto=17, offset=8) / Udp(), None),
    ("later-fragment6", Eth() / IPv6() / Fragment(offset=8) / Tcp(), None),
]

# Where nothing is tracked, a packet has the same state in every zone.
_ZONES = policy(
    rule("begins", 'ct = "new", ct_zone = [7, 65535]'),
    rule("lies", 'ct = "invalid", ct_zone = 65535'),
    rule("never", 'ct = ["established", "related"], ct_zone = 7'),
)
_ZONES_AND_NONE = policy(
    rule("begins", 'ct = "new"'),
    rule("lies", 'ct = ["new", "invalid"], ct_zone = 0'),
)

_ERROR = bytes(_error(IPv4(src=_ME, options=bytes(40)) / Icmp()))
_ERROR6 = bytes(_error6(_PING6))


def _cut(name: str, frame: bytes, rows: dict[int, str | None]) -> list[Case]:
    # By the number of bytes that a snap length left.
    return [
        replace(case, wire_bytes=len(frame))
        for case in decided(
            f"ct-{name}", _EACH, [(f"{size}", frame[:size], rule) for size, rule in rows.items()]
        )
    ]


CASES: list[Case] = [
    *decided("ct", _EACH, _flags()),
    *decided("ct", _EACH, _types()),
    *decided("ct-quoted", _EACH, _QUOTES),
    *decided("ct", _EACH, _OTHERS),
    *decided("ct-zones", _ZONES, [*_flags(), *_OTHERS]),
    *decided("ct-zones-and-none", _ZONES_AND_NONE, [*_types(), *_QUOTES]),
    # A quote that a snap length cut off is not a quote.
    *_cut("cut", _ERROR, {14 + 28 + 60: None, 14 + 28 + 59: "lies", 14 + 28: "lies"}),
    *_cut("cut6", _ERROR6, {14 + 48 + 40: None, 14 + 48 + 39: "lies"}),
]
