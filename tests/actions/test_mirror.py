"""Copies of packets: which packets are copied, how often, and what is counted."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Tcp, Udp
from harness.xdp import Expected, Sent, Xdp, agree
from wirepath.actions.mirror import Mirror
from wirepath.actions.placed import Placed
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.live import counters
from wirepath.kernel.interface import Interface
from wirepath.lab.netns import Namespace
from wirepath.model import Model
from wirepath.net import Hook
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

FRAME = bytes(Eth() / IPv4() / Udp(dport=53) / bytes(300))
OWN = {"tap": "mirror_counters"}
OTHER = bytes(Eth() / IPv4() / Tcp(dport=80))


def policy(inside: str = "", *more: str, to: str = "mirror0") -> Policy:
    """Make a policy with a tap of UDP, and rules after it."""
    tap = '[[rule]]\nname = "tap"\nhook = ["tc_ingress", "egress"]\nmatch = { proto = "udp" }\n'
    return Policy.parse("\n".join([f'{tap}mirror = {{ to = "{to}" {inside} }}', *more]))


DROP = '[[rule]]\nname = "drop"\nhook = "egress"\nmatch = { proto = "udp" }\naction = "drop"\n'


@pytest.mark.parametrize(
    ("to", "kind", "remote", "number"),
    [
        ("mirror0", "device", None, 0),
        ("vxlan:192.0.2.9:42", "vxlan", "192.0.2.9", 42),
        ("vxlan:2001:db8::9:16777215", "vxlan", "2001:db8::9", 16777215),
        ("vxlan:[2001:db8::9]:0", "vxlan", "2001:db8::9", 0),
        ("erspan:192.0.2.9:1023", "erspan", "192.0.2.9", 1023),
    ],
)
def test_targets(to: str, kind: str, remote: str | None, number: int) -> None:
    read = policy(to=to)
    action = read.rules[0].action
    assert isinstance(action, Mirror)
    target = action.to
    there = str(target.remote) if target.remote else None
    assert (target.kind, there, target.number) == (kind, remote, number)
    assert Policy.from_document(read.document()) == read


def test_lowering_and_words() -> None:
    for inside, lowered, words in (
        ("", {"ifindex": 9, "one_in": 1, "snap": 0, "rule": 3}, "mirror to mirror0"),
        (
            ", one_in = 1000, snap = 96",
            {"ifindex": 9, "one_in": 1000, "snap": 96, "rule": 3},
            "mirror to mirror0, 1 in 1,000, 96 bytes",
        ),
    ):
        read = policy(inside)
        action = read.rules[0].action
        placed = Placed(slot=3, devices={"mirror0": 9})
        assert (action.lower(placed), action.describe()) == (lowered, words)
        assert Policy.from_document(read.document()) == read


@pytest.mark.kernel
@pytest.mark.parametrize("hook", ["tc_ingress", "egress"])
def test_a_replay_counts_and_sends_nothing(hook: Hook) -> None:
    rules = policy("", '[[rule]]\nname = "all"\nhook = ["tc_ingress", "egress"]\naction = "pass"\n')
    with Xdp(rules, hook=hook) as xdp:
        agree(xdp, Expected(Model(xdp.policy, hook=hook)), [Sent(FRAME), Sent(OTHER), Sent(FRAME)])
        assert xdp.counted()["tap"].packets == 2
        assert xdp.counted()["tap"].own == {}


@pytest.fixture
def mirror0() -> Iterator[Interface]:
    """Make a device that takes copies; the test runs in its network namespace."""
    host = Namespace("wp-mirror")
    host.remove()
    host.create()
    try:
        with host.entered():
            add = ["ip", "link", "add", "mirror0", "type", "veth", "peer", "name", "ids0"]
            subprocess.run(add, check=True)
            for each in ("lo", "mirror0", "ids0"):
                Path(f"/proc/sys/net/ipv6/conf/{each}/disable_ipv6").write_text("1")
                subprocess.run(["ip", "link", "set", each, "up"], check=True)
            yield Interface.of("mirror0")
    finally:
        host.remove()


def load(rules: Policy, devices: dict[str, int]) -> Generation:
    contents = read_contents(rules).members
    return Generation.load(rules, contents, sizes={"bans": 64}, devices=devices, hooks=["egress"])


def counted(generation: Generation) -> counters.RuleCount:
    return counters.rules(generation.maps, {"tap": 0}, OWN)["tap"]


def arrived() -> int:
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[2]) for line in lines if line.lstrip().startswith("ids0:"))


@pytest.mark.kernel
def test_copies_whatever_the_verdict(mirror0: Interface) -> None:
    with load(policy("", DROP), {"mirror0": mirror0.index}) as generation:
        program = generation.hooks["egress"].program
        for _ in range(5):
            ran = program.skb_run(FRAME)
            assert ran.retval == 2  # TC_ACT_SHOT
            assert ran.frame == FRAME
        program.skb_run(OTHER)
        assert counted(generation) == counters.RuleCount(
            5, 5 * len(FRAME), 0, 0, {"mirrored": 5, "mirror_failed": 0}
        )
        assert arrived() == 5


@pytest.mark.kernel
def test_copies_that_fail(mirror0: Interface) -> None:
    for devices in ({}, {"mirror0": 99999}):
        with load(policy(), devices) as generation:
            assert generation.hooks["egress"].program.skb_run(FRAME).retval == (1 << 32) - 1
            assert counted(generation).own == {"mirrored": 0, "mirror_failed": 1}
    with load(policy(), {"mirror0": mirror0.index}) as generation:
        subprocess.run(["ip", "link", "set", "mirror0", "down"], check=True)
        generation.hooks["egress"].program.skb_run(FRAME)
        assert counted(generation).own == {"mirrored": 0, "mirror_failed": 1}


@pytest.mark.kernel
def test_64_mirrors(mirror0: Interface) -> None:
    rule = '[[rule]]\nname = "r{}"\nhook = "egress"\nmirror = {{ to = "mirror0" }}\n'
    rules = Policy.parse("".join(rule.format(n) for n in range(64)))
    with load(rules, {"mirror0": mirror0.index}) as generation:
        generation.hooks["egress"].program.skb_run(FRAME)
        slots = {f"r{n}": n for n in range(64)}
        found = counters.rules(generation.maps, slots, dict.fromkeys(slots, OWN["tap"]))
        assert {count.own["mirrored"] for count in found.values()} == {1}


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """Run the test on one CPU, as each CPU samples on its own."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.kernel
@pytest.mark.parametrize("one_in", [2, 7, 100])
def test_one_of_each_block(mirror0: Interface, one_cpu: None, one_in: int) -> None:
    picked = set()
    with load(policy(f", one_in = {one_in}"), {"mirror0": mirror0.index}) as generation:
        program = generation.hooks["egress"].program
        for block in range(10):
            for nth in range(one_in):
                before = counted(generation).own["mirrored"]
                program.skb_run(FRAME)
                if counted(generation).own["mirrored"] > before:
                    picked.add(nth)
            assert counted(generation).own["mirrored"] == block + 1
    assert len(picked) > 1


@pytest.mark.kernel
def test_periodic_traffic_is_seen_too(mirror0: Interface) -> None:
    """If every tenth packet is of another kind, that kind gets its share of the copies."""
    rules = policy(
        ", one_in = 10",
        '[[rule]]\nname = "pass"\nhook = "egress"\naction = "pass"\n',
    )
    with load(rules, {"mirror0": mirror0.index}) as generation:
        program = generation.hooks["egress"].program
        special = 0
        for number in range(3000):
            before = counted(generation).own["mirrored"] if number % 10 == 0 else 0
            program.skb_run(FRAME)
            if number % 10 == 0:
                special += counted(generation).own["mirrored"] - before
        # Of 300 such packets 30 are expected; 5 standard deviations are 26.
        assert 4 <= special <= 56
        assert abs(counted(generation).own["mirrored"] - 300) <= (os.cpu_count() or 1)
