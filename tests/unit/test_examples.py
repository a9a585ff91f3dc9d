"""The policies in ``examples/`` do what their comments say."""

from pathlib import Path

import pytest

from harness.frames import Eth, Fragment, Frame, Icmp, Icmp6, IPv4, IPv6, Layer, Tcp, Udp
from harness.wireguard import COOKIE, DATA, INITIATION, RESPONSE, message, proved
from harness.xdp import SECRET, Expected, Sent, Xdp, agree
from wirepath.actions.challenge import cookie, slice_of
from wirepath.actions.wireguard import WireGuard
from wirepath.frame import parse
from wirepath.model import Model, PrefixSet
from wirepath.net import Packet, Verdict
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy
from wirepath.quantities import SECOND_NS

EXAMPLES = Path(__file__).parents[2] / "examples"

_WG_KEY = next(
    rule.action.public_key or b""
    for rule in Policy.load(EXAMPLES / "wireguard.toml").rules
    if isinstance(rule.action, WireGuard)
)
_WG = IPv4(src="203.0.113.9") / Udp(dport=51820)
_AT_EDGE = IPv4(src="9.9.9.9") / Udp(dport=51820)

_SSH = Tcp(dport=22)


def proof(source: Layer) -> Frame:
    """Make the RST with which *source* answers the challenge of its SYN at second 0."""
    packet = parse(bytes(Eth() / source / _SSH))
    assert isinstance(packet, Packet)
    return source / Tcp(dport=22, flags="R", seq=cookie(packet, SECRET[:2], slice_of(0)))


Row = tuple[Frame | Layer, str, str | None]

# Packets that leave under examples/qos-marks.toml, and the rule whose mark they have.
MARKS: list[tuple[Frame | Layer, str | None]] = [
    (IPv4() / Udp(sport=5060, dport=5060), "calls"),
    (IPv6() / Tcp(sport=40000, dport=5061), "calls"),
    (IPv4() / Udp(sport=16384, dport=50000) / bytes(172), "sound"),
    (IPv4() / Udp(sport=53, dport=16384), None),
    (IPv4() / Tcp(sport=22, dport=40000, flags="PA") / bytes(48), "ssh"),
    (IPv6() / Tcp(dport=22), "ssh"),
    (IPv4(tos=8 << 2) / Tcp(sport=22, flags="A") / bytes(1448), "copies-over-ssh"),
    (IPv6() / Tcp(sport=443, dport=40000, flags="A") / bytes(1400), "web"),
    (IPv4() / Udp(dport=443) / bytes(1200), "web"),
    (IPv4() / Tcp(dport=9090, flags="A") / bytes(1448), "bulk"),
    (IPv4() / Icmp(), None),
    (IPv4(proto=17, offset=1480) / bytes(100), None),
]

# By file: a packet, its verdict, and the rule (or the reason) that decides.
CASES: dict[str, list[Row]] = {
    "block-list": [
        (IPv4(src="198.51.100.7") / Udp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.66") / Tcp(), "drop", "known-bad"),
        (IPv6(src="2001:db8:bad::1") / Tcp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.67") / Tcp(), "pass", "default"),
        (IPv4(src="192.0.2.5") / Tcp(), "pass", "never_block"),
    ],
    "server": [
        (IPv4(src="192.0.2.10") / Tcp(flags=""), "pass", "never_block"),
        (IPv4(src="203.0.113.9") / Tcp(dport=80, flags="SF"), "drop", "tcp-nonsense"),
        (IPv4(src="203.0.113.9") / Tcp(dport=80, flags="F"), "drop", "tcp-nonsense"),
        (IPv6(src="2001:db8:0:1::7") / Tcp(dport=22), "pass", "ssh"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22), "drop", "ssh-others"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22, flags="A"), "drop", "ssh-others"),
        (IPv6(src="2001:db8:2::9") / Tcp(dport=443), "pass", "web"),
        (IPv4(src="203.0.113.9") / Udp(dport=443), "pass", "quic"),
        (IPv4(src="203.0.113.9") / Tcp(sport=443, dport=40000, flags="SA"), "pass", "tcp-answers"),
        (IPv4(src="203.0.113.9") / Tcp(dport=8080), "drop", "default"),
        (IPv4(src="192.0.2.53") / Udp(sport=53, dport=40000), "pass", "dns-answers"),
        (IPv4(src="203.0.113.9") / Udp(sport=53, dport=40000), "drop", "default"),
        (IPv4() / Udp(sport=123, dport=40000) / bytes(48), "pass", "time-answers"),
        (IPv4() / Udp(sport=123, dport=123) / bytes(48), "pass", "time-answers"),
        (IPv6() / Udp(sport=123, dport=40000) / bytes(48), "pass", "time-answers"),
        (IPv4() / Udp(sport=123, dport=40000) / bytes(440), "drop", "default"),
        (IPv4() / Icmp(type=3, code=4), "pass", "essential"),
        (IPv4() / Icmp(type=3), "pass", "icmp"),
        (IPv4() / Icmp(type=13), "drop", "default"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "essential"),
        (IPv4(src="192.0.2.53", offset=1480) / bytes(100), "pass", "fragments-of-answers"),
        (
            IPv6(src="2001:db8:0:1::53") / Fragment(offset=1448) / bytes(100),
            "pass",
            "fragments-of-answers",
        ),
        (IPv4(src="203.0.113.9", offset=1480) / bytes(100), "drop", "default"),
    ],
    "exceptions": [
        (IPv4(src="198.51.100.70") / Tcp(), "pass", "partners"),
        (IPv4(src="198.51.100.80") / Tcp(), "drop", "known-bad"),
        (IPv6(src="2001:db8:bad:1::1") / Udp(), "pass", "partners"),
        (IPv6(src="2001:db8:bad:2::1") / Udp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.4") / Tcp(dport=5902), "drop", "hosting-to-login"),
        (IPv4(src="203.0.113.201") / Tcp(dport=22), "pass", "default"),
        (IPv4(src="203.0.113.4") / Tcp(dport=80), "pass", "default"),
    ],
    "bogons": [
        (IPv4(src="10.1.2.3") / Udp(), "drop", "bogons"),
        (IPv4(src="203.0.113.1") / Udp(), "drop", "bogons"),
        (IPv4(src="9.9.9.9") / Udp(), "pass", "default"),
        (IPv6(src="2001:db8::1") / Udp(), "drop", "bogons"),
        (IPv6(src="2620:fe::fe") / Udp(), "pass", "default"),
        (IPv6(src="fd00::1") / Udp(), "drop", "not-allocated"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "link-local"),
        (IPv6(src="::", dst="ff02::1:ff00:1") / Icmp6(type=135), "pass", "no-address-yet"),
        (IPv6(src="::", dst="2001:db8::1") / Icmp6(type=135), "drop", "not-allocated"),
    ],
    "wireguard": [
        (_WG / proved(INITIATION, _WG_KEY), "pass", "wireguard"),
        (_WG / proved(INITIATION, _WG_KEY), "drop", "guard"),
        (_WG / proved(INITIATION, bytes(32)), "drop", "guard"),
        (_WG / proved(RESPONSE, _WG_KEY), "pass", "wireguard"),
        (_WG / message(COOKIE), "pass", "wireguard"),
        (_WG / message(DATA, 1452), "pass", "wireguard"),
        (_WG / b"GET / HTTP/1.1", "drop", "guard"),
        (IPv6(src="2001:db8:2::9") / Udp(dport=51820) / message(DATA), "pass", "wireguard"),
        (IPv4(src="192.0.2.10") / Tcp(dport=22), "pass", "never_block"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22), "drop", "default"),
        (IPv4() / Icmp(type=3, code=4), "pass", "essential"),
        (IPv4() / Icmp(type=3), "pass", "icmp"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "essential"),
    ],
    "syn-flood": [
        (IPv4(src="192.0.2.7") / Tcp(dport=80), "pass", "never_block"),
        (IPv4() / Tcp(dport=80, flags="SF"), "drop", "tcp-nonsense"),
        *[(IPv4(src=f"203.0.113.{n}") / Tcp(dport=80), "pass", "default") for n in range(50)] * 20,
        (IPv4(src="198.51.100.1") / Tcp(dport=80), "tx", "prove-yourself"),
        (IPv4(src="198.51.100.1") / Tcp(dport=80, flags="A"), "pass", "default"),
        (IPv4(src="198.51.100.1") / Tcp(dport=80, flags="R"), "pass", "default"),
        (IPv6() / Tcp(dport=22), "tx", "closed"),
        (IPv4() / Udp(dport=80), "pass", "default"),
    ],
    "web-tap": [
        (IPv4() / Tcp(dport=80), "pass", "default"),
        (IPv6() / Tcp(sport=443, dport=40000, flags="A"), "pass", "default"),
        (IPv4() / Tcp(dport=22), "pass", "default"),
        (IPv4() / Udp(dport=443), "pass", "default"),
    ],
    "ssh-bruteforce": [
        (IPv4(src="192.0.2.9") / Tcp(dport=22), "pass", "never_block"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22), "tx", "ssh-proof"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22, flags="A"), "pass", "default"),
        (proof(IPv4(src="203.0.113.9")), "drop", "ssh-proof"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22), "pass", "default"),
    ],
    "udp-amplification": [
        (IPv4(src="192.0.2.53") / Udp(sport=53, dport=40000), "pass", "dns-answers"),
        (IPv6(src="2001:db8:0:1::123") / Udp(sport=123, dport=40000), "pass", "time-answers"),
        (IPv4(src="192.0.2.53", proto=17, offset=1480) / bytes(9), "pass", "fragments-of-answers"),
        *(
            (IPv4(src="203.0.113.9") / Udp(sport=port, dport=443), "drop", "reflectors")
            for port in (7, 19, 111, 389, 1900, 3702, 11211, 47808)
        ),
        (IPv6(src="2001:db8:5::9") / Udp(sport=11211), "drop", "reflectors"),
        (IPv4(src="203.0.113.9") / Tcp(sport=11211), "pass", "default"),
        (IPv4(src="203.0.113.9") / Udp(sport=53), "pass", "default"),
        (IPv4(src="203.0.113.9") / Udp(sport=123), "pass", "default"),
        (IPv4(src="203.0.113.9", proto=17, offset=1480) / bytes(9), "pass", "default"),
        (IPv4(src="203.0.113.9") / Udp(sport=40000, dport=443), "pass", "default"),
    ],
    "icmp-limit": [
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "neighbours"),
        (IPv6(src="2001:db8:5::9", hops=63) / Icmp6(type=136), "drop", "no-neighbours"),
        (IPv4(proto=1, more=True) / Icmp(), "drop", "in-pieces"),
        (IPv6() / Fragment(offset=1448, next=58) / bytes(100), "drop", "in-pieces"),
        (IPv4() / Icmp(type=5), "drop", "not-wanted"),
        (IPv4() / Icmp(type=3, code=4), "pass", "default"),
        (IPv6() / Icmp6(type=2), "pass", "default"),
        (IPv4() / Icmp(), "pass", "default"),
        (IPv4() / Icmp(type=0), "pass", "default"),
        (IPv4() / Udp(), "pass", "default"),
    ],
    "fragment-flood": [
        (IPv4(proto=6, offset=8) / bytes(16), "drop", "tcp"),
        (IPv4(proto=6, more=True) / Tcp() / bytes(1400), "drop", "tcp"),
        (IPv4(proto=6, more=True) / bytes(16), "drop", "malformed"),
        (IPv4(proto=17, more=True) / Udp(length=900) / bytes(40), "drop", "tiny"),
        (IPv6() / Fragment(more=True) / Udp(length=900) / bytes(40), "drop", "tiny"),
        (IPv4(src="192.0.2.53", proto=17, offset=1480) / bytes(100), "pass", "of-resolvers"),
        (IPv4(proto=17, more=True) / Udp(length=2000) / bytes(1472), "pass", "default"),
        (IPv4(proto=17, offset=1480) / bytes(520), "pass", "default"),
        (IPv4() / Tcp(), "pass", "default"),
    ],
    "tcp-flags": [
        (IPv4(src="198.51.100.1", dst="198.51.100.1") / Tcp(sport=80), "drop", "own-addresses"),
        *(
            (IPv4(src="203.0.113.9") / Tcp(flags=flags), "drop", "impossible-flags")
            for flags in ("", "SF", "SR", "F", "FPU", "FPUA", "SFA", "FR", "SFRPAU")
        ),
        *(
            (IPv4(src="203.0.113.9") / Tcp(flags=flags), "pass", "default")
            for flags in ("S", "SA", "A", "PA", "FA", "FPA", "R", "RA", "SEC", "AU")
        ),
        (IPv4(src="203.0.113.9") / Tcp(doff=4), "drop", "malformed"),
        (IPv6(src="2001:db8:5::9") / Tcp(dport=0), "drop", "port-zero"),
        (IPv4(src="203.0.113.9") / Tcp(sport=0), "drop", "port-zero"),
        (IPv4(src="203.0.113.9") / Udp(dport=0), "drop", "udp-port-zero"),
        (IPv4(src="203.0.113.9") / Udp(sport=0), "pass", "default"),
    ],
    "edge": [
        (IPv4(src="192.0.2.9") / Tcp(flags=""), "pass", "never_block"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "essential"),
        (IPv4(src="192.0.2.53") / Udp(sport=53, dport=40000), "pass", "dns-answers"),
        (IPv4(src="192.0.2.123") / Udp(sport=123, dport=40000), "pass", "time-answers"),
        (IPv4(src="192.0.2.53", proto=17, offset=1480) / bytes(9), "pass", "fragments-of-answers"),
        (IPv4(src="198.51.100.1") / Tcp(dport=443), "drop", "own-addresses"),
        (IPv6(src="2001:db8:bad::1") / Tcp(flags="A"), "drop", "known-bad"),
        (IPv4(src="10.1.2.3") / Tcp(dport=443), "drop", "bogons"),
        (IPv6(src="fd00::1") / Tcp(dport=443), "drop", "not-allocated"),
        (IPv4(src="9.9.9.9") / Tcp(flags="SF"), "drop", "impossible-flags"),
        (IPv4(src="9.9.9.9") / Udp(dport=0), "drop", "port-zero"),
        (IPv4(src="9.9.9.9", proto=6, offset=8) / bytes(16), "drop", "tcp-fragments"),
        (IPv4(src="9.9.9.9") / Tcp(sport=443, dport=40000, flags="SA"), "pass", "established"),
        (IPv4(src="9.9.9.9") / Tcp(dport=22, flags="R"), "pass", "established"),
        (IPv4(src="9.9.9.9") / Udp(sport=53, dport=443), "drop", "reflectors"),
        (IPv4(src="9.9.9.9") / Udp(sport=11211, dport=443), "drop", "reflectors"),
        (IPv4(src="9.9.9.9", proto=1, offset=1480) / bytes(9), "drop", "icmp-in-pieces"),
        (IPv4(src="9.9.9.9") / Icmp(), "pass", "icmp"),
        (IPv4(src="9.9.9.9") / Icmp(type=3, code=4), "pass", "essential"),
        (IPv4(src="9.9.9.9") / Icmp(type=3), "pass", "icmp"),
        (IPv4(src="9.9.9.9") / Icmp(type=5), "drop", "default"),
        (IPv4(src="9.9.9.9") / Tcp(dport=22), "tx", "ssh-proof"),
        (proof(IPv4(src="9.9.9.9")), "drop", "ssh-proof"),
        (IPv4(src="9.9.9.9") / Tcp(dport=22), "pass", "services"),
        (IPv6(src="2620:fe::9") / Tcp(dport=443), "pass", "services"),
        (IPv4(src="9.9.9.9") / Tcp(dport=8080), "drop", "default"),
        (IPv4(src="9.9.9.9") / Udp(dport=443), "pass", "quic-and-wireguard"),
        (_WG / proved(INITIATION, _WG_KEY), "drop", "bogons"),
        (_AT_EDGE / proved(INITIATION, _WG_KEY), "pass", "quic-and-wireguard"),
        (_AT_EDGE / message(DATA), "pass", "quic-and-wireguard"),
        (_AT_EDGE / proved(INITIATION, bytes(32)), "drop", "wireguard-guard"),
        (_AT_EDGE / bytes(148), "drop", "wireguard-guard"),
        (IPv4(src="9.9.9.9") / Udp(dport=5000), "drop", "default"),
        (IPv4(src="9.9.9.9", proto=17, offset=1480) / bytes(9), "drop", "default"),
    ],
    "egress-cap": [
        (IPv4(dst="203.0.113.9") / Tcp(), "pass", "default"),
        (IPv4(dst="192.0.2.20") / Tcp(), "pass", "never_block"),
    ],
    "tenant-caps": [
        (IPv4(src="198.51.100.7") / Tcp(), "pass", "default"),
        (IPv6(src="2001:db8:b::7") / Udp(), "pass", "default"),
        (IPv4(src="203.0.113.7") / Tcp(), "pass", "default"),
    ],
    "qos-marks": [(layers, "pass", "default") for layers, _ in MARKS],
    # In a replay no packet belongs to a connection.
    "new-connections": [
        (IPv4(src="192.0.2.9") / Tcp(flags="R"), "pass", "never_block"),
        (IPv4() / Tcp(flags="SA"), "drop", "of-nothing"),
        (IPv6() / Tcp(flags="R"), "drop", "of-nothing"),
        (IPv4() / Icmp(type=3) / bytes(IPv4(src="192.0.2.1") / Udp()), "drop", "of-nothing"),
        (IPv4() / Tcp(), "pass", "default"),
        (IPv6() / Udp(), "pass", "default"),
        (IPv4() / Icmp(), "pass", "default"),
        (IPv4() / Icmp(type=0), "pass", "default"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "default"),
    ],
}

Moment = tuple[float, Row, int]


def many(at_s: float, row: Row, times: int = 1) -> Moment:
    return at_s, row, times


def from_each(net: str, count: int, layers: Layer, times: int, decided: str) -> list[Moment]:
    """Make packets from each of the first *count* hosts of a /24."""
    return [
        many(0, (IPv4(src=f"{net}.{host}") / layers, "pass", decided), times)
        for host in range(1, count + 1)
    ]


_PING = Icmp()
_A_FRAGMENT = IPv4(src="203.0.113.9", proto=17, offset=1480) / bytes(1480)

_FULL = Udp() / bytes(1472)
_TO_ONE, _TO_ANOTHER = IPv4(dst="203.0.113.9") / _FULL, IPv4(dst="203.0.113.10") / _FULL
_GOLD, _TENANT = IPv4(src="198.51.100.7") / _FULL, IPv4(src="198.51.100.77") / _FULL

# By file: the time, a packet as above, and how many of it at once.
FLOODS: dict[str, list[Moment]] = {
    "ssh-bruteforce": [
        many(0, (IPv4(src="203.0.113.66") / _SSH, "tx", "ssh-proof"), 99),
        many(0, (IPv4(src="203.0.113.66") / Udp(), "pass", "default")),
        *(
            many(0, (proof(source), "drop", "ssh-proof"))
            for source in (
                *(IPv4(src=f"203.0.113.{n}") for n in (9, 10)),
                *(IPv6(src=f"2001:db8:{n}::1") for n in (5, 6)),
            )
        ),
        *(many(n, (IPv4(src="203.0.113.9") / _SSH, "pass", "default")) for n in range(5)),
        many(5, (IPv4(src="203.0.113.9") / Tcp(dport=22, flags="A"), "pass", "default"), 99),
        many(5, (IPv4(src="203.0.113.9") / _SSH, "drop", "ssh-bruteforce")),
        many(6, (IPv4(src="203.0.113.9") / Udp(), "drop", "ssh-bruteforce"), 99),
        many(6, (IPv4(src="203.0.113.10") / _SSH, "pass", "default")),
        many(304, (IPv4(src="203.0.113.9") / _SSH, "drop", "ssh-bruteforce")),
        many(305, (IPv4(src="203.0.113.9") / _SSH, "pass", "default"), 5),
        many(6, (IPv6(src="2001:db8:5::1") / _SSH, "pass", "default"), 5),
        many(6, (IPv6(src="2001:db8:5::2") / _SSH, "drop", "ssh-bruteforce")),
        many(6, (IPv6(src="2001:db8:6::1") / _SSH, "pass", "default")),
        many(6, (IPv4(src="192.0.2.9") / _SSH, "pass", "never_block"), 99),
    ],
    "udp-amplification": [
        many(0, (IPv4(src="203.0.113.9") / Udp(sport=53), "pass", "default"), 60),
        many(0, (IPv4(src="203.0.113.8") / Udp(sport=53), "pass", "default"), 40),
        many(0, (IPv4(src="203.0.113.7") / Udp(sport=53), "drop", "dns-reflected"), 9),
        many(0, (IPv4(src="192.0.2.53") / Udp(sport=53), "pass", "dns-answers"), 99),
        many(0, (IPv4(src="203.0.113.7", dst="192.0.2.2") / Udp(sport=53), "pass", "default")),
        many(0.01, (IPv4(src="203.0.113.7") / Udp(sport=53), "pass", "default")),
        many(0, (IPv4(src="203.0.113.9") / Udp(sport=123), "pass", "default"), 100),
        many(0, (IPv4(src="203.0.113.9") / Udp(sport=123), "drop", "time-reflected"), 9),
        many(0, (_A_FRAGMENT, "pass", "default"), 128_000 // 1514),
        many(0, (_A_FRAGMENT, "drop", "fragments"), 9),
        many(1, (_A_FRAGMENT, "pass", "default"), 9),
    ],
    "icmp-limit": [
        many(0, (IPv4(src="203.0.113.9") / _PING, "pass", "default"), 10),
        many(0, (IPv4(src="203.0.113.9") / _PING, "drop", "pings-of-one"), 99),
        *from_each("198.51.100", 99, _PING, 10, "default"),
        many(0, (IPv4(src="203.0.113.10") / _PING, "drop", "pings-of-all"), 9),
        many(0, (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "neighbours"), 99),
        many(0, (IPv4(src="203.0.113.9") / Icmp(type=3), "pass", "default"), 100),
        many(0, (IPv4(src="203.0.113.9") / Icmp(type=11), "drop", "errors"), 9),
        many(0.1, (IPv4(src="203.0.113.9") / _PING, "pass", "default")),
    ],
    "fragment-flood": [
        many(0, (_A_FRAGMENT, "pass", "default"), 100),
        many(0, (_A_FRAGMENT, "drop", "of-one-source"), 99),
        *(
            many(0, (IPv4(src=f"203.0.113.{n}", proto=17, offset=8) / bytes(99), "pass", "default"))
            for n in range(10, 29)
            for _ in range(100)
        ),
        many(
            0,
            (IPv4(src="203.0.113.30", proto=17, offset=8) / bytes(9), "drop", "to-one-destination"),
        ),
        many(0, (IPv4(src="192.0.2.53", proto=17, offset=8) / bytes(9), "pass", "of-resolvers")),
        many(0, (IPv4(src="203.0.113.9") / Udp(), "pass", "default"), 99),
    ],
    "new-connections": [
        many(0, (IPv4() / Tcp(dport=443), "pass", "default"), 50),
        many(0, (IPv4() / Tcp(dport=443), "drop", "new-connections"), 9),
        many(0, (IPv4() / Udp(), "drop", "new-connections")),
        many(0, (IPv4() / Icmp(), "pass", "default"), 99),
        many(0, (IPv4(src="203.0.113.9") / Udp(), "pass", "default"), 50),
        many(0.1, (IPv4() / Tcp(dport=443), "pass", "default"), 5),
        many(0.1, (IPv4() / Tcp(dport=443), "drop", "new-connections")),
    ],
    "egress-cap": [
        many(0, (_TO_ONE, "pass", "default"), 12_500_000 // 1514),
        many(0, (_TO_ONE, "drop", "cap")),
        many(0, (_TO_ANOTHER, "pass", "default")),
        many(1, (_TO_ONE, "pass", "default"), 99),
        many(1, (IPv4(dst="192.0.2.20") / _FULL, "pass", "never_block"), 99),
    ],
    "tenant-caps": [
        many(0, (_TENANT, "pass", "default"), 2_500_000 // 1514),
        many(0, (_TENANT, "drop", "each"), 9),
        many(0, (_GOLD, "pass", "default"), 9_999),
        many(0, (IPv4(src="203.0.113.7") / _FULL, "pass", "default"), 9),
    ],
    "edge": [
        many(0, (IPv4(src="9.9.9.7") / _SSH, "tx", "ssh-proof"), 99),
        many(0, (proof(IPv4(src="9.9.9.9")), "drop", "ssh-proof")),
        many(0, (IPv4(src="9.9.9.9") / _SSH, "pass", "services"), 5),
        many(0, (IPv4(src="9.9.9.9") / _SSH, "drop", "ssh-bruteforce")),
        many(1, (IPv4(src="9.9.9.9") / Tcp(dport=443), "drop", "ssh-bruteforce")),
        many(300, (IPv4(src="9.9.9.9") / Tcp(dport=443), "pass", "services"), 100),
        many(300, (IPv4(src="9.9.9.9") / Tcp(dport=443), "drop", "syn-flood"), 99),
        many(300, (IPv4(src="9.9.9.9") / Tcp(dport=443, flags="A"), "pass", "established"), 99),
        many(300, (IPv4(src="9.9.9.8") / Icmp(), "pass", "icmp"), 10),
        many(300, (IPv4(src="9.9.9.8") / Icmp(), "drop", "pings-of-one"), 9),
        many(300, (IPv4(src="9.9.9.8") / Icmp(type=3), "pass", "icmp"), 100),
        many(300, (IPv4(src="9.9.9.8") / Icmp(type=3), "drop", "icmp-errors"), 9),
        *(
            many(
                300, (_AT_EDGE / proved(INITIATION, _WG_KEY, seed=n), "pass", "quic-and-wireguard")
            )
            for n in range(20)
        ),
        many(300, (_AT_EDGE / proved(INITIATION, _WG_KEY, seed=20), "drop", "wireguard-guard")),
        many(300, (_AT_EDGE / message(DATA, 1000), "pass", "quic-and-wireguard"), 99),
        *(
            many(400, (IPv4(src=f"9.9.8.{n}") / Tcp(dport=443), "pass", "services"), 100)
            for n in range(10)
        ),
        many(400, (IPv4(src="9.9.8.77") / Tcp(dport=443), "tx", "prove-yourself"), 9),
        many(400, (IPv4(src="9.9.8.1") / Tcp(dport=443, flags="A"), "pass", "established"), 9),
    ],
}


def model(name: str) -> Model:
    """Make the model of an example at the hook of its rules."""
    policy = Policy.load(EXAMPLES / f"{name}.toml")
    contents = {set_name: PrefixSet() for set_name in policy.sets}
    for prefix, number in read_contents(policy).members:
        contents[list(contents)[number]].add(prefix)
    return Model(policy, contents, hook=policy.hooks[-1], secret=SECRET[:2])


def test_every_example_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == set(CASES)


def told(found: Verdict) -> tuple[str, str]:
    return found.verdict, found.rule or found.reason


@pytest.mark.parametrize("name", CASES)
def test_example(name: str) -> None:
    judge = model(name)
    for layers, *expected in CASES[name]:
        assert told(judge.decide(bytes(Eth() / layers)).verdict) == tuple(expected), layers


@pytest.mark.parametrize("name", FLOODS)
def test_floods(name: str) -> None:
    judge = model(name)
    for at_s, (layers, *expected), times in FLOODS[name]:
        for nth in range(times):
            found = judge.decide(bytes(Eth() / layers), round(at_s * SECOND_NS)).verdict
            assert told(found) == tuple(expected), (nth, at_s, layers)


@pytest.mark.kernel
@pytest.mark.parametrize("name", CASES)
def test_example_in_the_kernel(name: str) -> None:
    """The program judges the same packets and floods, and counts the same for each rule."""
    expected = Expected(model(name))
    with Xdp(expected.model.policy, hook=expected.model.hook) as xdp:
        frames = [Sent(bytes(Eth() / layers)) for layers, *_ in CASES[name]]
        agree(xdp, expected, frames)
    expected = Expected(model(name))
    with Xdp(expected.model.policy, hook=expected.model.hook) as xdp:
        floods = [
            Sent(bytes(Eth() / layers), now_ns=round(at_s * SECOND_NS))
            for at_s, (layers, *_), times in FLOODS.get(name, [])
            for _ in range(times)
        ]
        agree(xdp, expected, floods)


@pytest.mark.parametrize("name", CASES)
def test_every_rule_has_its_packet(name: str) -> None:
    judge = model(name)
    matched = {
        rule for layers, *_ in CASES[name] for rule in judge.decide(bytes(Eth() / layers)).matched
    }
    assert matched == {rule.name for rule in Policy.load(EXAMPLES / f"{name}.toml").rules}


def test_the_last_mark_is_the_one_that_is_meant() -> None:
    judge = model("qos-marks")
    for layers, rule in MARKS:
        matched = judge.decide(bytes(Eth() / layers)).matched
        assert (matched[-1] if matched else None) == rule, layers
