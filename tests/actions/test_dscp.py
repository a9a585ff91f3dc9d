"""Marks: every byte of packets that leave with a new DSCP, at every hook."""

# ruff: noqa: S311 - a seed, so that it fails again
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import Random

import numpy as np
import pytest
from scapy.layers import inet as scapy
from scapy.layers.inet6 import IPv6 as ScapyIPv6
from scapy.layers.l2 import Ether

from harness.chance import Aim, Maker, Shooter
from harness.frames import (
    Ah,
    Arp,
    DestinationOptions,
    Eth,
    Fragment,
    Frame,
    HopByHop,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Proto,
    Routing,
    ServiceVlan,
    Tcp,
    Udp,
    Vlan,
    checksum,
)
from harness.xdp import Expected, Sent, Xdp, agree
from wirepath.actions.count import Count
from wirepath.actions.dscp import Dscp
from wirepath.actions.placed import Placed
from wirepath.model import Model
from wirepath.net import DSCPS, HOOKS, Hook
from wirepath.policy import Policy

_SKB_PASS = (1 << 32) - 1
_XDP_PASS = 2
_ECNS = range(4)

# The hop limit of a packet decides its new DSCP, for packets of every kind.
_ALL_VALUES = "".join(
    f'[[rule]]\nname = "m{n}"\nmatch = {{ ttl = {n} }}\ndscp = {n}\n' for n in range(64)
)
_UNDER = [
    Eth(),
    Eth() / Vlan(5, pcp=3),
    Eth() / ServiceVlan(7) / Vlan(9),
]


def ips(tos: int, ttl: int) -> list[Frame]:
    """Make packets of every kind: with options, extensions, fragments, of any protocol."""
    v4 = partial(IPv4, tos=tos, ttl=ttl)
    v6 = partial(IPv6, tos=tos, hops=ttl)
    return [
        v4() / Tcp() / b"payload",
        v4() / Udp() / b"odd",
        v4() / Icmp(),
        v4() / Proto(47),
        v4() / Proto(253, b""),
        v4(options=b"\x94\x04\x00\x00") / Udp(),
        v4(options=b"\x01" * 40) / Tcp(),
        v4(more=True) / Udp() / bytes(64),
        v4(proto=17, offset=1480) / bytes(64),
        v4(src="255.255.255.254", dst="255.255.255.255") / Udp(),
        v4() / Udp() / bytes(1800),
        v6() / Tcp() / b"payload",
        v6() / Udp() / b"odd",
        v6() / Icmp6(),
        v6() / Proto(47),
        v6() / HopByHop(1) / DestinationOptions() / Tcp(),
        v6() / Routing() / Ah() / Udp(),
        v6() / Fragment(more=True) / Udp() / bytes(64),
        v6() / Fragment(offset=1448, next=17) / bytes(64),
    ]


def expected(frame: bytes, dscp: int) -> bytes:
    """Write the same frame with *dscp* by scapy."""
    packet = Ether(frame)
    if scapy.IP in packet:
        ip = packet[scapy.IP]
        ip.tos = dscp << 2 | ip.tos & 3
        del ip.chksum
    else:
        packet[ScapyIPv6].tc = dscp << 2 | packet[ScapyIPv6].tc & 3
    return bytes(packet)


def stamped(frame: bytes, dscp: int) -> bytes:
    """Write the same frame with a new DSCP byte by byte, for frames that scapy would repair."""
    at = 12
    while frame[at : at + 2] in (b"\x81\0", b"\x88\xa8"):
        at += 4
    ip = bytearray(frame[at + 2 :])
    if ip[0] >> 4 == 6:
        ip[0:2] = (int.from_bytes(ip[0:2], "big") & 0xF03F | dscp << 6).to_bytes(2, "big")
    else:
        ip[1] = dscp << 2 | ip[1] & 3
        ip[10:12] = bytes(2)
        ip[10:12] = checksum(bytes(ip[: (ip[0] & 15) * 4])).to_bytes(2, "big")
    return frame[: at + 2] + bytes(ip)


class Marker:
    """A policy at one hook; returns the bytes of a frame that passes."""

    def __init__(self, policy: Policy, hook: Hook) -> None:
        self.hook = hook
        self.xdp = Xdp(policy, hook=hook)

    def __call__(self, frame: bytes, wire_bytes: int = 0, **known: int) -> bytes:
        program = self.xdp.generation.program
        if self.hook == "ingress":
            trace = np.zeros(1, np.dtype(self.xdp.generation.btf.ctype("struct trace").dtype))
            trace["wire_bytes"] = wire_bytes or len(frame)
            run = program.test_run(frame, metadata=trace.tobytes())
            assert run.retval == _XDP_PASS
            return run.frame
        skb = program.skb_run(frame, mark=wire_bytes or len(frame), **known)
        assert skb.retval == _SKB_PASS
        return skb.frame


@pytest.fixture(scope="module", params=HOOKS)
def marked(request: pytest.FixtureRequest) -> Iterator[Marker]:
    marker = Marker(Policy.parse(_ALL_VALUES), request.param)
    yield marker
    marker.xdp.close()


@pytest.mark.kernel
@pytest.mark.parametrize("under", _UNDER, ids=range(len(_UNDER)))
@pytest.mark.parametrize("kind", range(len(ips(0, 0))))
def test_bytes_of_all_kinds(marked: Marker, under: Layer, kind: int) -> None:
    for ecn in _ECNS:
        for before, after in ((0, 46), (46, 0), (63, 8), (10, 63), (21, 42), (46, 46)):
            frame = bytes(under / ips(before << 2 | ecn, after)[kind])
            assert marked(frame) == expected(frame, after)


@pytest.mark.kernel
@pytest.mark.parametrize("ip", [IPv4, IPv6])
def test_every_value_and_ecn(marked: Marker, ip: type[IPv4 | IPv6]) -> None:
    for after in range(64):
        for ecn in _ECNS:
            for before in (0, 34, 63 - after):
                tos = before << 2 | ecn
                layer = IPv4(tos=tos, ttl=after) if ip is IPv4 else IPv6(tos=tos, hops=after)
                frame = bytes(Eth() / layer / Udp() / b"payload")
                assert marked(frame) == expected(frame, after)


@pytest.mark.kernel
def test_the_checksum_has_one_zero(marked: Marker) -> None:
    """RFC 1624 section 3: where the sum is 0xffff, the checksum is 0, never 0xffff."""
    # With the checksum in place of a zero in the source address, the sum is 0xffff.
    low = bytes(IPv4("198.51.0.0", ttl=46, tos=46 << 2) / Udp())[10:12]
    zero = f"198.51.{low[0]}.{low[1]}"
    frame = bytes(Eth() / IPv4(zero, ttl=46) / Udp())
    assert marked(frame)[24:26] == b"\0\0"
    assert marked(frame) == expected(frame, 46)


@pytest.mark.kernel
@pytest.mark.parametrize("ip", [IPv4(ttl=46, tos=2), IPv6(hops=46, tos=2)], ids=["v4", "v6"])
def test_large_packets(marked: Marker, ip: Layer) -> None:
    """Packets in several buffers at XDP, and of several segments at TC."""
    size = 6000 if marked.hook == "ingress" else 2800
    known = {} if marked.hook == "ingress" else {"gso_segs": 2}
    frame = bytes(Eth() / ip / Tcp(flags="A") / bytes(size))
    assert marked(frame, **known) == expected(frame, 46)


@pytest.mark.kernel
def test_what_is_left_alone(marked: Marker) -> None:
    """Padding, frames that are not IP, and unmatched packets stay unchanged."""
    frame = bytes(Eth() / IPv4(ttl=46) / Udp())
    padding = b"padding of a short frame"
    assert marked(frame + padding) == expected(frame, 46) + padding
    assert marked(bytes(Eth() / Arp())) == bytes(Eth() / Arp())
    no_rule = bytes(Eth() / IPv4(ttl=64) / Udp())
    assert marked(no_rule) == no_rule
    assert marked(frame, wire_bytes=len(frame) + 100) == expected(frame, 46)  # truncated


_LAST_WINS = """
[[rule]]
name = "voice"
match = { proto = "udp", dport = 5060 }
dscp = "CS5"

[[rule]]
name = "as-it-came"
match = { dscp = "CS5" }
dscp = "LE"

[[rule]]
name = "sip"
match = { dport = 5060, length = "0-100" }
dscp = 46

[[rule]]
name = "closed"
match = { dport = 23 }
action = "drop"

[[rule]]
name = "telnet-is-gone"
match = { dport = 23 }
dscp = "EF"

[[rule]]
name = "open"
match = { proto = "tcp", dport = 22 }
action = "pass"

[[rule]]
name = "all"
dscp = "AF11"
match = { proto = "tcp" }
"""
_WALKS = [
    (IPv4() / Udp(dport=5060), 46, ["voice", "sip"]),
    (IPv4() / Udp(dport=5060) / bytes(100), 40, ["voice"]),
    (IPv4(tos=40 << 2) / Udp(dport=5061), 1, ["as-it-came"]),
    (IPv6(tos=40 << 2) / Udp(dport=5060), 46, ["voice", "as-it-came", "sip"]),
    (IPv6() / Tcp(dport=23), None, ["closed"]),
    (IPv4(tos=8) / Tcp(dport=22), 2, ["open"]),
    (IPv4() / Tcp(dport=443), 10, ["all"]),
    (IPv4(tos=12) / Icmp(), 3, []),
]


@pytest.mark.kernel
@pytest.mark.parametrize("hook", HOOKS)
def test_walks(hook: Hook) -> None:
    """Matches see the original DSCP, the last mark wins, rules after a verdict have no effect."""
    marker = Marker(Policy.parse(_LAST_WINS), hook)
    try:
        judge = Expected(Model(marker.xdp.policy, hook=hook))
        agree(marker.xdp, judge, [Sent(bytes(Eth() / packet)) for packet, *_ in _WALKS])
        for packet, dscp, matched in _WALKS:
            frame = bytes(Eth() / packet)
            decision = judge.model.decide(frame)
            assert list(decision.matched) == matched
            assert (decision.verdict.verdict == "drop") == (dscp is None)
            if dscp is not None:
                assert marker(frame) == expected(frame, dscp)
    finally:
        marker.xdp.close()


@pytest.mark.kernel
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("seed", range(4))
def test_by_chance(seed: int, hook: Hook) -> None:
    """Random policies of many rules, in which all rules without a verdict mark."""
    random = Random(seed)
    policy = Maker(random, deciding=0.3).policy(rules=60)
    rules = tuple(
        replace(rule, action=Dscp(random.randrange(64))) if isinstance(rule.action, Count) else rule
        for rule in policy.rules
    )
    marker = Marker(replace(policy, rules=rules), hook)
    try:
        shooter = Shooter(random, Aim.at(policy))
        frames = [frame for _ in range(400) if 54 < len(frame := bytes(shooter.frame())) < 2000]
        judge = Expected(Model(marker.xdp.policy, hook=hook))
        agree(marker.xdp, judge, [Sent(frame) for frame in frames])
        marks = {rule.name: rule.action for rule in rules}
        written = 0
        for frame in frames:
            decision = judge.model.decide(frame)
            if decision.verdict.verdict == "pass":
                said = [a.value for n in decision.matched if isinstance(a := marks[n], Dscp)]
                assert marker(frame) == (stamped(frame, said[-1]) if said else frame)
                written += bool(said)
        assert written
    finally:
        marker.xdp.close()


@pytest.mark.kernel
def test_answers_are_not_marked() -> None:
    """An answer is a new packet, not one that the rule matched."""
    rest = '[[rule]]\nname = "no"\nmatch = { proto = "tcp" }\nreject = true\n'
    mark = '[[rule]]\nname = "mark"\ndscp = "EF"\n'
    frame = bytes(Eth() / IPv4() / Tcp())
    frames = []
    for text in (rest, mark + rest):
        with Xdp(Policy.parse(text)) as xdp:
            frames.append(xdp.generation.program.test_run(frame))
    assert frames[0] == frames[1]


@pytest.mark.parametrize("value", [*range(64), *DSCPS, *(name.upper() for name in DSCPS)])
def test_read_and_told(value: int | str) -> None:
    shown = f'"{value}"' if isinstance(value, str) else value
    policy = Policy.parse(f'[[rule]]\nname = "a"\ndscp = {shown}\n')
    number = DSCPS[value.lower()] if isinstance(value, str) else value
    action = policy.rules[0].action
    assert action.lower(Placed()) == {"value": number}
    name = next((name.upper() for name, n in DSCPS.items() if n == number), number)
    assert action.describe() == f"dscp {name}"
    assert Policy.from_document(policy.document()) == policy
