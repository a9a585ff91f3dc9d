"""Scratch memory for the current packet: returned after each, and never used by two at once."""

import os
from collections.abc import Iterator

import pytest

from harness.frames import Eth, Frame, IPv4, Tcp, Udp
from wirepath.datapath.generation.load import Generation
from wirepath.kernel.maps import Map
from wirepath.kernel.program import XdpAction
from wirepath.net import HOOKS, Hook
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

POLICY = Policy.parse("""
[[rule]]
name = "dropped"
hook = ["ingress", "tc_ingress", "egress"]
match = { proto = "udp" }
action = "drop"

[[rule]]
name = "refused"
match = { proto = "tcp", dport = 23 }
reject = true
""")
PASSED = Eth() / IPv4() / Tcp(dport=80)
FRAMES: tuple[Frame, ...] = (
    PASSED,
    Eth() / IPv4() / Udp(),
    Eth() / IPv4() / Tcp(dport=23),
    Eth() / bytes(4),
)
SHOT, NEXT = 2, 0xFFFFFFFF


@pytest.fixture
def loaded() -> Iterator[Generation]:
    """Load the programs, and stay on the first CPU, whose values an assignment to a map sets."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        with Generation.load(
            POLICY, read_contents(POLICY).members, sizes={"bans": 16}
        ) as generation:
            yield generation
    finally:
        os.sched_setaffinity(0, everywhere)


def run(generation: Generation, hook: Hook, frame: Frame) -> int:
    program = generation.hooks[hook].program
    test = program.test_run if hook == "ingress" else program.skb_run
    return test(bytes(frame)).retval


def scratches(generation: Generation, hook: Hook) -> Map:
    return generation.hooks[hook].loaded.maps["scratches"]


def take(memory: Map, number: int) -> None:
    memory[number] = memory[number][0] | {"taken": 1}


@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_given_back_whatever_the_verdict(loaded: Generation, hook: Hook) -> None:
    memory = scratches(loaded, hook)
    for frame in FRAMES:
        run(loaded, hook, frame)
        assert not any(
            each["taken"] for number in range(memory.max_entries) for each in memory[number]
        )


@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_taken_is_left_alone(loaded: Generation, hook: Hook) -> None:
    memory = scratches(loaded, hook)
    passed = XdpAction.PASS if hook == "ingress" else NEXT
    for number in range(memory.max_entries - 1):
        take(memory, number)
        before = memory[number]
        assert run(loaded, hook, PASSED) == passed
        assert memory[number] == before
        assert memory[number + 1][0]["pkt"]["dport"] == 80


@pytest.mark.parametrize("hook", HOOKS)
def test_without_memory_a_packet_is_dropped(loaded: Generation, hook: Hook) -> None:
    memory = scratches(loaded, hook)
    for number in range(memory.max_entries):
        take(memory, number)
    dropped = XdpAction.ABORTED if hook == "ingress" else SHOT
    assert run(loaded, hook, PASSED) == dropped
