"""Mirrors: the cost of copying all packets, compared with tc mirred, and of few copies."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from cases.tc import Way
from results import Table, costs
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC, past, through, wire
from wirepath.kernel.tcx import Direction
from wirepath.lab.traffic import from_sources, random_sources, udp

_WAYS: Final[Sequence[Way]] = (
    ("egress", "through a bridge", through),
    ("tc_ingress", "on to a closed port", wire),
    ("tc_ingress", "dropped right after it", past),
)
_SOURCES: Final = 100_000
_TO: Final = "mirror0"
_FAR: Final = "mirror1"  # where copies arrive and are dropped
_GOAL_ALL: Final = 1.2
_GOAL_FEW: Final = 1.1
_RULE: Final = '[[rule]]\nname = "tap"\nhook = "{hook}"\nmatch = {{ proto = "udp" }}\n{action}\n'
_MIRROR: Final = 'mirror = {{ to = "{to}", one_in = {one_in} }}'
_MIRRED: Final = f"u32 match ip protocol 17 0xff action mirred egress mirror dev {_TO}"


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure copies of every packet and of one in 1,000, at both hooks of TC."""
    for hook, way, wires in _WAYS:
        every = _subject(directory, "mirror of all", hook, _MIRROR.format(to=_TO, one_in=1))
        few = _subject(directory, "one in 1,000", hook, _MIRROR.format(to=_TO, one_in=1_000))
        none = _subject(directory, "a rule that counts", hook, "")
        for subjects, goals in (
            ([_mirred(hook), every, none], {every.name: _GOAL_ALL}),
            ([none, few], {few.name: _GOAL_FEW}),
        ):
            sent = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(_SOURCES))
            measured = compare(subjects, sent, repetitions=repetitions, wires=wires)
            title = f"{hook}, {way}, {_SOURCES:,} sources, against {subjects[0].name}"
            yield costs(title, measured, goals)


def _subject(directory: Path, name: str, hook: Direction, action: str) -> Subject:
    policy = directory / f"{name}-{hook}.toml"
    policy.write_text(_RULE.format(hook=hook, action=action))
    return Subject(name, partial(_with_mirror, partial(subject.attach, policy)))


# wirepath always has a program at ingress, so tc mirred gets a bare one too.
def _mirred(hook: Direction) -> Subject:
    bare = program(BARE, "bare_pass")

    @contextmanager
    def attach(ifname: str) -> Iterator[None]:
        with bare.attach(ifname), peers.tc_filters([_MIRRED], hook, ifname):
            yield

    return Subject("tc mirred", partial(_with_mirror, attach))


@contextmanager
def _with_mirror(
    attach: Callable[[str], AbstractContextManager[object]], ifname: str
) -> Iterator[None]:
    with ExitStack() as stack:
        made = ["ip", "link", "add", _TO, "type", "veth", "peer", "name", _FAR]
        subprocess.run(made, check=True)
        stack.callback(subprocess.run, ["ip", "link", "del", _TO], check=True)
        for end in (_TO, _FAR):
            subprocess.run(["ip", "link", "set", end, "up"], check=True)
        stack.enter_context(attach(ifname))
        yield
