"""Limits at the hooks of TC: bits of packets before segmentation, and departure times."""

# ruff: noqa: S311 - a seed, so that it fails again
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from harness.frames import Eth, Frame, IPv4, IPv6, Tcp, Udp, Vlan
from harness.xdp import Xdp
from wirepath.actions.limit import GSO_BITS, HORIZON_NS, Limit
from wirepath.errors import PolicyError
from wirepath.frame import parse
from wirepath.model import Decision, Model
from wirepath.net import Hook, Packet
from wirepath.policy import Policy
from wirepath.policy.notes import notes

S = 1_000_000_000
_SHOT = 2  # TC_ACT_SHOT of linux/pkt_cls.h
_CAPTURED = 3_000  # the most bytes of a frame that a test run accepts
_HEADERS = {6: 54, 17: 42}  # bytes of the headers of a segment in IPv4, by protocol


def policy(limit: str, hook: Hook | list[Hook] = "egress", *, match: str = "") -> Policy:
    hooks = f'"{hook}"' if isinstance(hook, str) else str(hook)
    return Policy.parse(
        f'[[rule]]\nname = "cap"\nhook = {hooks}\nmatch = {{ {match} }}\nlimit = {{ {limit} }}\n'
    )


@dataclass(frozen=True)
class Skb:
    """A packet as TC sees it.

    Attributes:
        frame: its first bytes.
        bytes: its whole length.
        segments: how many it will be cut into; 0 if it will not be cut.
    """

    frame: bytes
    bytes: int
    segments: int = 0

    def packet(self) -> Packet:
        """Parse the packet with its length on the wire."""
        packet = parse(self.frame, self.bytes)
        assert isinstance(packet, Packet)
        more = max(0, self.segments - 1) * _HEADERS.get(packet.proto, 0)
        frame_bytes, segments = packet.frame_bytes + more, max(1, self.segments)
        return replace(packet, frame_bytes=frame_bytes, segments=segments)


def merged(layers: Any, payload: int, segments: int) -> Skb:
    """Make a packet of *payload* bytes that will be cut into *segments*."""
    whole = bytes(Eth() / layers / bytes(payload))
    return Skb(whole[:_CAPTURED], len(whole), segments)


class Both:
    """A policy on the model and the program, which must agree to the nanosecond."""

    def __init__(self, xdp: Xdp) -> None:
        self.model = Model(xdp.policy, hook=xdp.hook)
        self.program = xdp.generation.program

    def judge(self, skb: Skb, now_ns: int) -> Decision:
        said = self.model.decide(skb.packet(), now_ns)
        did = self.program.skb_run(skb.frame, tstamp=now_ns, mark=skb.bytes, gso_segs=skb.segments)
        assert (did.retval == _SHOT) == (said.verdict.verdict == "drop"), (skb, now_ns, said)
        if said.verdict.verdict == "pass":
            assert did.tstamp == (said.departs_ns or now_ns), (skb, now_ns)
        return said


@contextmanager
def both(of: Policy, hook: Hook = "egress") -> Iterator[Both]:
    with Xdp(of, hook=hook) as xdp:
        yield Both(xdp)


_TCP = IPv4(src="10.0.0.1", dst="10.0.0.2") / Tcp(flags="A")
_UDP = IPv4(src="10.0.0.1", dst="10.0.0.2") / Udp()


@pytest.mark.kernel
@pytest.mark.parametrize("hook", ["tc_ingress", "egress"])
@pytest.mark.parametrize("layers", [_TCP, _UDP], ids=["tcp", "udp"])
def test_each_segment_has_headers_of_its_own(hook: Hook, layers: Frame) -> None:
    """A merged packet passes if the burst is exactly its bytes on the wire, but not a byte less."""
    payload, segments = 10 * 1448, 10
    skb = merged(layers, payload, segments)
    wire = skb.packet().frame_bytes
    headers = len(bytes(Eth() / layers))
    assert wire == segments * (headers + 1448)
    for burst, passes in ((wire, True), (wire - 1, False)):
        limit = f'rate = "1mbit", per = "dst", burst = "{burst}byte"'
        with both(policy(limit, hook), hook) as judges:
            assert (judges.judge(skb, S).verdict.verdict == "pass") == passes


@pytest.mark.kernel
def test_a_tag_out_of_band_is_not_counted_twice() -> None:
    """In a test run tags are in the bytes, and count there."""
    skb = merged(Vlan() / _TCP, 1000, 0)
    limit = f'rate = "1mbit", per = "rule", burst = "{max(1514, skb.bytes)}byte"'
    with both(policy(limit)) as judges:
        assert judges.judge(skb, S).verdict.verdict == "pass"


def _by_chance(random: Random, now: int) -> tuple[Skb, int]:
    now += random.choice((0, 0, 1, 1000, S // 1000, S // 100, S // 10, random.choice((1, 3 * S))))
    host = random.choice(("10.0.0.2", "10.0.0.3", "2001:db8::3"))
    if ":" in host:
        return merged(IPv6(src="2001:db8::1", dst=host) / Udp(), random.randrange(1400), 0), now
    segments = random.choice((0, 1, 2, 5, 44))
    l4 = random.choice((Tcp(flags="A"), Udp()))
    payload = random.randrange(1, 1448) * max(1, segments)
    return merged(IPv4(src="10.0.0.1", dst=host) / l4, payload, segments), now


_LIMITS = (
    'rate = "10mbit", per = "dst", burst = "20kbyte"',
    'rate = "3mbit", per = "src+dport", burst = "100kbyte", exact = true',
    'rate = "100/s", per = "dst", burst = 7',
    'rate = "1gbit", per = "rule"',
)


@pytest.mark.kernel
@pytest.mark.parametrize("hook", ["tc_ingress", "egress"])
@pytest.mark.parametrize("limit", _LIMITS)
def test_packets_in_time(hook: Hook, limit: str) -> None:
    random, now = Random(limit), S
    with both(policy(limit, hook), hook) as judges:
        for _ in range(400):
            skb, now = _by_chance(random, now)
            judges.judge(skb, now)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "limit",
    [
        'rate = "10mbit", per = "dst", burst = "20kbyte", shape = true',
        'rate = "1mbit", per = "rule", burst = "1514byte", shape = true',
        'rate = "5mbit", per = "src+dst", exact = true, burst = "70kbyte", shape = true',
    ],
)
def test_shaped_packets_leave_to_the_nanosecond(seed: int, limit: str) -> None:
    """Some packets would wait longer than the horizon, and are dropped."""
    random, now = Random(seed), S * random_start(seed)
    seen = set()
    with both(policy(limit)) as judges:
        for _ in range(400):
            skb, now = _by_chance(random, now)
            said = judges.judge(skb, now)
            assert said.departs_ns <= now + HORIZON_NS
            seen.add((said.verdict.verdict, said.departs_ns > 0))
    assert ("pass", True) in seen
    assert ("pass", False) in seen


def random_start(seed: int) -> int:
    return 1 + seed * 100_000


@pytest.mark.kernel
def test_what_would_wait_for_too_long_is_dropped() -> None:
    """A packet takes a second: the first leaves at once, two wait, and a third is dropped."""
    limit = 'rate = "12112bit", per = "rule", burst = "1514byte", shape = true'
    skb = merged(_UDP, 1472, 0)
    assert skb.bytes == 1514
    with both(policy(limit)) as judges:
        said = [judges.judge(skb, S) for _ in range(4)]
        assert [each.departs_ns for each in said[:3]] == [0, 2 * S, 3 * S]
        assert said[3].verdict.reason == "limit_exceeded"
        assert judges.judge(skb, S + 1).verdict.reason == "limit_exceeded"
        assert judges.judge(skb, 2 * S).departs_ns == 4 * S


@pytest.mark.kernel
def test_the_later_of_two_times_holds() -> None:
    text = "".join(
        f'[[rule]]\nname = "{name}"\nhook = "egress"\n'
        f'limit = {{ rate = "{rate}", per = "rule", burst = "1514byte", shape = true }}\n'
        for name, rate in (("slow", "2mbit"), ("fast", "3mbit"))
    )
    skb = merged(_UDP, 1472, 0)
    with both(Policy.parse(text)) as judges:
        assert [judges.judge(skb, S).departs_ns for _ in range(3)] == [
            0, S + 1514 * 4000, S + 2 * 1514 * 4000,
        ]  # fmt: skip


def _wrong(limit: str, hook: Hook | list[Hook]) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        policy(limit, hook)
    return [f"{problem.key}: {problem.message}" for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("limit", "hook", "said"),
    [
        ('rate = "5/s", per = "src", ban = "5min"', "egress", "it would ban our own addresses"),
        (
            'rate = "5/s", per = "src", ban = "5min"',
            ["ingress", "egress"],
            "it would ban our own addresses",
        ),
        ('rate = "5/s", per = "cgroup"', "ingress", '"cgroup" is for egress'),
        ('rate = "5/s", per = "dst+cgroup"', "tc_ingress", '"dst+cgroup" is for egress'),
        ('rate = "5mbit", per = "dst", shape = true', "tc_ingress", "only what leaves can wait"),
        (
            'rate = "5mbit", per = "dst", shape = true',
            ["tc_ingress", "egress"],
            "only what leaves can wait",
        ),
        ('rate = "5/s", per = "dst", shape = true', "egress", "a rate in packets is not shaped"),
    ],
)
def test_what_does_not_work_there(limit: str, hook: Hook | list[Hook], said: str) -> None:
    [problem] = _wrong(limit, hook)
    assert problem.startswith("rule.cap.limit.")
    assert said in problem


def test_a_ban_is_for_what_comes_in() -> None:
    limit = policy('rate = "5/s", per = "src", ban = "5min"', "tc_ingress").rules[0].action
    assert isinstance(limit, Limit)
    assert limit.ban_s == 300


@pytest.mark.parametrize(
    ("rate", "bits"),
    [("100mbit", 100_000_000), ("64kbit", 8 * 128 * 1024), ("2mbit", 2_000_000)],
)
def test_the_burst_that_is_left_out(rate: str, bits: int) -> None:
    limit = policy(f'rate = "{rate}", per = "dst"').rules[0].action
    assert isinstance(limit, Limit)
    assert limit.burst == bits


def _notes(limit: str, hook: Hook) -> list[str]:
    return [note.message for note in notes(policy(limit, hook), {})]


def test_a_burst_that_starves_tcp_is_noted() -> None:
    small = 'rate = "100mbit", per = "dst", burst = "60kbyte"'
    [note] = _notes(small, "egress")
    assert note == (
        "less than one packet of 64 KiB before segmentation: TCP starves"
        ' (write at least "2500kbyte")'
    )
    assert _notes(small, "tc_ingress")
    assert not _notes(small, "ingress")
    enough = small.replace('"60kbyte"', f'"{GSO_BITS}bit"')
    assert not _notes(enough, "egress")
    assert not _notes('rate = "1mbit", per = "dst"', "egress")
    assert not _notes('rate = "1/s", per = "dst"', "egress")


@pytest.mark.parametrize(
    "limit",
    [
        'rate = "10mbit", per = "dst+cgroup"',
        'rate = "10mbit", per = "cgroup", shape = true, exact = true',
    ],
)
def test_a_document_and_back(limit: str) -> None:
    made = policy(limit)
    assert Policy.from_document(made.document()) == made
