"""``fragment``, and the effect of ``[datapath] fragments`` ahead of the rules."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import (
    DestinationOptions,
    Eth,
    Fragment,
    HopByHop,
    Icmp6,
    IPv4,
    IPv6,
    Routing,
    Tcp,
    Udp,
    Vlan,
)

_KINDS = policy(rule("first", 'fragment = "first"'), rule("later", 'fragment = "later"'))
_ANY = policy(rule("fragment", "fragment = true"), rule("whole", "fragment = false"))
_WITH_PORT = policy(
    rule("first-with-port", "fragment = true, dport = 53"), rule("port", "dport = 53")
)

_LATER4 = Eth() / IPv4(proto=17, offset=1480) / bytes(100)
_LATER6 = Eth() / IPv6() / Fragment(offset=1448, next=17) / bytes(100)

_ROWS: list[Row] = [
    ("whole", Eth() / IPv4() / Udp(), None),
    ("whole6", Eth() / IPv6() / Udp(), None),
    ("first", Eth() / IPv4(more=True) / Udp(length=3000) / bytes(1464), "first"),
    ("first6", Eth() / IPv6() / Fragment(more=True) / Udp(length=3000) / bytes(1440), "first"),
    ("first-vlan", Eth() / Vlan() / IPv4(more=True) / Tcp(), "first"),
    ("middle", Eth() / IPv4(proto=17, offset=8, more=True) / bytes(8), "later"),
    ("middle6", Eth() / IPv6() / Fragment(offset=8, more=True, next=6) / bytes(8), "later"),
    ("last", _LATER4, "later"),
    ("last6", _LATER6, "later"),
    ("offset-highest", Eth() / IPv4(proto=6, offset=65528) / bytes(1), "later"),
    ("offset-highest6", Eth() / IPv6() / Fragment(offset=65528, next=6) / bytes(1), "later"),
    ("atomic", Eth() / IPv6() / Fragment() / Udp(), None),
    ("behind-routing", Eth() / IPv6() / Routing() / Fragment(offset=8, next=6), "later"),
    (
        "first-ahead-of-options",
        Eth() / IPv6() / Fragment(more=True) / DestinationOptions() / Udp(length=2000),
        "first",
    ),
    # RFC 8200 section 4.5: after the header of a later fragment comes payload, not a header.
    ("later-next-is-extension", Eth() / IPv6() / Fragment(offset=8, next=0) / b"x", "later"),
    ("later-empty", Eth() / IPv4(proto=6, offset=8), "later"),
    (
        "two-headers-first-then-later",
        Eth() / IPv6() / Fragment(more=True) / Fragment(offset=8, next=17),
        "later",
    ),
    (
        "two-headers-first-then-atomic",
        Eth() / IPv6() / Fragment(more=True) / Fragment() / Udp(length=900),
        "first",
    ),
    (
        "eight-extensions-then-later",
        Eth()
        / IPv6()
        / HopByHop()
        / Routing()
        / Routing()
        / Routing()
        / Routing()
        / Routing()
        / Routing()
        / Fragment(offset=8, next=60),
        "later",
    ),
]

_ANY_ROWS: list[Row] = [
    ("whole", Eth() / IPv4() / Tcp(), "whole"),
    ("atomic", Eth() / IPv6() / Fragment() / Tcp(), "whole"),
    ("first", Eth() / IPv4(more=True) / Tcp(), "fragment"),
    ("later", _LATER4, "fragment"),
    ("later6", _LATER6, "fragment"),
    ("icmpv6-first", Eth() / IPv6() / Fragment(more=True) / Icmp6(), "fragment"),
]

_PORT_ROWS: list[Row] = [
    ("first", Eth() / IPv4(more=True) / Udp(dport=53), "first-with-port"),
    ("whole", Eth() / IPv4() / Udp(dport=53), "port"),
    ("later-looks-like-it", Eth() / IPv4(proto=17, offset=8) / Udp(dport=53), None),
    ("later6-looks-like-it", Eth() / IPv6() / Fragment(offset=8) / Udp(dport=53), None),
]

_DROPPED = policy('[datapath]\nfragments = "drop"\n', rule("udp", 'proto = "udp"', "pass"))
_DROP_ALL = policy('[datapath]\nfragments = "drop"\ndefault = "drop"\n')

CASES: list[Case] = [
    *decided("fragment", _KINDS, _ROWS),
    *decided("fragment-any", _ANY, _ANY_ROWS),
    *decided("fragment-port", _WITH_PORT, _PORT_ROWS),
    Case("fragments-drop-later", _DROPPED, bytes(_LATER4), "drop", "fragment"),
    Case("fragments-drop-later6", _DROPPED, bytes(_LATER6), "drop", "fragment"),
    Case(
        "fragments-drop-first",
        _DROPPED,
        bytes(Eth() / IPv4(more=True) / Udp(length=2000)),
        "pass",
        "rule",
        "udp",
    ),
    Case("fragments-drop-whole", _DROPPED, bytes(Eth() / IPv6() / Udp()), "pass", "rule", "udp"),
    Case(
        "fragments-drop-atomic",
        _DROPPED,
        bytes(Eth() / IPv6() / Fragment() / Udp()),
        "pass",
        "rule",
        "udp",
    ),
    Case("fragments-drop-all-later", _DROP_ALL, bytes(_LATER4), "drop", "fragment"),
    Case("fragments-drop-all-whole", _DROP_ALL, bytes(Eth() / IPv4() / Udp()), "drop", "default"),
]
