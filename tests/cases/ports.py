"""``sport``, ``dport``, ``port``, ``proto`` and ``tcp_flags``."""

from cases.case import Case, Row, decided, policy, rule
from harness.frames import (
    Eth,
    Fragment,
    Frame,
    HopByHop,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Proto,
    Tcp,
    Udp,
    Vlan,
)

_PORTS = policy(
    rule("ssh", "dport = 22"),
    rule("several", 'dport = [80, 443, "8000-8080", "0-1", 65535]'),
    rule("from-dns", "sport = 53"),
    rule("either", "port = [123, 5060]"),
    rule("pair", 'sport = "1000-1999", dport = "2000-2999"'),
    rule("three", "sport = 7, dport = 9, port = 9"),
)


def _tcp(sport: int, dport: int) -> Frame:
    return Eth() / IPv4() / Tcp(sport=sport, dport=dport)


def _udp6(sport: int, dport: int) -> Frame:
    return Eth() / IPv6() / Udp(sport=sport, dport=dport)


_PORT_ROWS: list[Row] = [
    ("dport", _tcp(40000, 22), "ssh"),
    ("dport-udp6", _udp6(40000, 22), "ssh"),
    ("dport-vlan", Eth() / Vlan() / IPv6() / HopByHop() / Tcp(dport=22), "ssh"),
    ("dport-in-sport", _tcp(22, 40000), None),
    ("list", _tcp(40000, 443), "several"),
    ("range-low", _tcp(40000, 8000), "several"),
    ("range-high", _udp6(40000, 8080), "several"),
    ("range-below", _tcp(40000, 7999), None),
    ("range-above", _udp6(40000, 8081), None),
    ("zero", _tcp(40000, 0), "several"),
    ("one", _udp6(40000, 1), "several"),
    ("two", _tcp(40000, 2), None),
    ("highest", _tcp(40000, 65535), "several"),
    ("almost-highest", _tcp(40000, 65534), None),
    ("sport", _udp6(53, 40000), "from-dns"),
    ("sport-in-dport", _udp6(40000, 53), None),
    ("either-as-source", _udp6(123, 40000), "either"),
    ("either-as-destination", _tcp(40000, 5060), "either"),
    ("either-as-both", _udp6(123, 123), "either"),
    ("pair", _tcp(1500, 2500), "pair"),
    ("pair-turned", _tcp(2500, 1500), None),
    ("pair-half", _tcp(1500, 3000), None),
    ("three", _tcp(7, 9), "three"),
    ("three-turned", _tcp(9, 7), None),
    ("icmp-has-none", Eth() / IPv4() / Icmp(), None),
    ("gre-has-none", Eth() / IPv4() / Proto(47, bytes(16)), None),
    ("sctp-unread", Eth() / IPv6() / Proto(132, b"\x00\x16" * 8), None),
    ("later-fragment-has-none", Eth() / IPv4(proto=6, offset=64) / (b"\x00\x16" * 12), None),
]

_ANY_PORT = policy(rule("any-port", 'sport = "0-65535"'))
_NOT_ZERO = policy(rule("dport-0", "dport = 0"), rule("sport-0", "sport = 0"))
_ABSENT: list[Row] = [
    ("tcp", _tcp(0, 0), "any-port"),
    ("udp", _udp6(65535, 1), "any-port"),
    ("icmp", Eth() / IPv4() / Icmp(), None),
    ("proto", Eth() / IPv6() / Proto(253), None),
    ("later", Eth() / IPv6() / Fragment(offset=8, next=6) / bytes(20), None),
]

_PROTO = policy(
    rule("tcp", 'proto = "tcp"'),
    rule("icmps", 'proto = ["icmp", "icmpv6"]'),
    rule("tunnels", 'proto = ["gre", "ipip", "ipv6", 115]'),
    rule("routing", 'proto = ["ospf", "vrrp", "pim", "igmp"]'),
    rule("ipsec", 'proto = ["esp", "ah"]'),
    rule("other-l4", 'proto = ["sctp", "dccp", "udplite"]'),
    rule("reserved", "proto = 255"),
    rule("hop-by-hop", 'proto = 0, src = "0.0.0.0/0"'),
)

_PROTO_ROWS: list[Row] = [
    ("tcp", Eth() / IPv4() / Tcp(), "tcp"),
    ("tcp6", Eth() / IPv6() / Tcp(), "tcp"),
    ("tcp-behind-extension", Eth() / IPv6() / HopByHop() / Tcp(), "tcp"),
    ("tcp-later-fragment", Eth() / IPv4(proto=6, offset=1480) / bytes(4), "tcp"),
    ("tcp-later-fragment6", Eth() / IPv6() / Fragment(offset=1480, next=6) / bytes(4), "tcp"),
    ("udp", Eth() / IPv4() / Udp(), None),
    ("icmp", Eth() / IPv4() / Icmp(), "icmps"),
    ("icmpv6", Eth() / IPv6() / Icmp6(), "icmps"),
    ("gre", Eth() / IPv6() / Proto(47), "tunnels"),
    ("ipip", Eth() / IPv4() / Proto(4), "tunnels"),
    ("6in4", Eth() / IPv4() / Proto(41), "tunnels"),
    ("l2tp", Eth() / IPv4() / Proto(115), "tunnels"),
    ("ospf", Eth() / IPv4() / Proto(89), "routing"),
    ("vrrp", Eth() / IPv6() / Proto(112), "routing"),
    ("pim", Eth() / Vlan() / IPv4() / Proto(103), "routing"),
    ("igmp", Eth() / IPv4(options=bytes(4)) / Proto(2), "routing"),
    ("esp", Eth() / IPv6() / Proto(50), "ipsec"),
    ("ah-ipv4", Eth() / IPv4() / Proto(51), "ipsec"),
    ("sctp", Eth() / IPv4() / Proto(132), "other-l4"),
    ("dccp", Eth() / IPv4() / Proto(33), "other-l4"),
    ("udplite", Eth() / IPv6() / Proto(136), "other-l4"),
    ("highest", Eth() / IPv4() / Proto(255), "reserved"),
    ("hop-by-hop-number-in-ipv4", Eth() / IPv4() / Proto(0), "hop-by-hop"),
    ("no-next-header", Eth() / IPv6(next=59), None),
    ("unnamed", Eth() / IPv4() / Proto(200), None),
]

_FLAGS = policy(
    rule("new", 'tcp_flags = "syn"'),
    rule("answer", 'tcp_flags = "syn+ack"'),
    rule("xmas", 'tcp_flags = "fin+psh+urg+!ack"'),
    rule("null", 'tcp_flags = "null"'),
    rule("end", 'tcp_flags = ["rst", "fin+!ack"]'),
    rule("ece-alone", 'tcp_flags = "ece+!cwr+!ack"'),
)


def _flags(flags: str) -> Frame:
    return Eth() / IPv4() / Tcp(flags=flags)


_FLAG_ROWS: list[Row] = [
    ("syn", _flags("S"), "new"),
    ("syn6", Eth() / IPv6() / Tcp(flags="S"), "new"),
    ("syn-first-fragment", Eth() / IPv4(more=True) / Tcp(flags="S"), "new"),
    ("syn-ecn", _flags("SEC"), "new"),
    ("syn-fin", _flags("SF"), "new"),
    ("syn-ack", _flags("SA"), "answer"),
    ("ack", _flags("A"), None),
    ("ack-psh", _flags("AP"), None),
    ("fin-ack", _flags("FA"), None),
    ("fin", _flags("F"), "end"),
    ("rst", _flags("R"), "end"),
    ("rst-ack", _flags("RA"), "end"),
    ("xmas", _flags("FPU"), "xmas"),
    ("xmas-ack", _flags("FPUA"), None),
    ("null", _flags(""), "null"),
    ("null-but-ecn", _flags("EC"), "null"),
    ("ece-ack", _flags("EA"), None),
    ("all", _flags("FSRPAUEC"), "answer"),
    ("udp-has-none", Eth() / IPv4() / Udp(), None),
    ("icmp-has-none", Eth() / IPv6() / Icmp6(), None),
    ("later-fragment-has-none", Eth() / IPv4(proto=6, offset=8) / bytes(20), None),
]

_TOGETHER = policy(
    rule("ssh-new", 'proto = "tcp", dport = 22, tcp_flags = "syn"'),
    rule("ssh", 'proto = "tcp", dport = 22, src = "198.51.100.0/24"'),
    rule("dns", 'proto = "udp", port = 53'),
)

_TOGETHER_ROWS: list[Row] = [
    ("new", _tcp(40000, 22), "ssh-new"),
    ("old", Eth() / IPv4() / Tcp(dport=22, flags="A"), "ssh"),
    ("old-elsewhere", Eth() / IPv4(src="198.51.101.1") / Tcp(dport=22, flags="A"), None),
    ("udp-22", Eth() / IPv4() / Udp(dport=22), None),
    ("dns-answer", _udp6(53, 40000), "dns"),
    ("dns-tcp", _tcp(40000, 53), None),
]

CASES: list[Case] = [
    *decided("port", _PORTS, _PORT_ROWS),
    *decided("port-any", _ANY_PORT, _ABSENT),
    *decided(
        "port-zero",
        _NOT_ZERO,
        [
            ("dport", _tcp(5, 0), "dport-0"),
            ("sport", _tcp(0, 5), "sport-0"),
            ("absent-is-not-zero", Eth() / IPv4() / Icmp(), None),
            ("later-is-not-zero", Eth() / IPv4(proto=17, offset=8) / bytes(8), None),
        ],
    ),
    *decided("proto", _PROTO, _PROTO_ROWS),
    *decided("flags", _FLAGS, _FLAG_ROWS),
    *decided("together", _TOGETHER, _TOGETHER_ROWS),
]
