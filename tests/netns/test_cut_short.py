"""An up or apply that fails or is killed at any step: it has happened wholly or not at all."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from inspect import getattr_static
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.living import ONE, OPPOSITE, PORTS, check_whole, child, end, left, serving
from harness.numbered import send
from harness.pair import IFNAME, Pair
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.live import counters
from wirepath.datapath.steps import STEPS, Publish
from wirepath.errors import AttachError, KernelError, RequestError
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program
from wirepath.policy import Policy


class Step(NamedTuple):
    """A place to stop at: right before or right after the nth call of a method."""

    owner: type
    method: str
    nth: int = 1
    when: str = "before"

    def __str__(self) -> str:
        return f"{self.when}-{self.owner.__name__}.{self.method}-{self.nth}"

    def stop(self, patch: pytest.MonkeyPatch, stop: Callable[[], None]) -> None:
        """Call *stop* at that place."""
        original = getattr(self.owner, self.method)
        bound = isinstance(getattr_static(self.owner, self.method), classmethod)
        calls = iter(range(1, 1000))

        def stopping(*args: Any, **options: Any) -> Any:
            now = next(calls) == self.nth
            if now and self.when == "before":
                stop()
            result = original(*args[bound:], **options)
            if now and self.when == "after":
                stop()
            return result

        patch.setattr(self.owner, self.method, classmethod(stopping) if bound else stopping)


_DO = [Step(type(step), "do") for step in STEPS]
_UNDO = [Step(type(step), "undo") for step in STEPS]
_FINISH = [Step(type(step), "finish") for step in STEPS]
# Inside those methods, where something is half done.
_INSIDE = [
    Step(Generation, "load"),
    Step(Map, "pin", 2),
    Step(Map, "pin", 9),
    Step(Program, "pin", when="after"),
    Step(XdpLink, "pin"),
    Step(Pins, "publish", when="after"),
]
UP = [*_DO, *_INSIDE]
APPLY = [*_DO, *_INSIDE, Step(XdpLink, "update", when="after")]
DOWN = [*_DO, *_FINISH, Step(XdpLink, "detach", when="after"), Step(Pins, "retire", when="after")]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _fail() -> None:
    raise KernelError("do what a test forbids")


def killed(work: Callable[[], object], step: Step) -> None:
    """Do *work* in a process that is killed at *step*."""

    def doomed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            step.stop(patch, _die)
            work()

    assert os.waitpid(child(doomed), 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("step", [*APPLY, *_FINISH], ids=str)
def test_an_apply_is_killed(hosts: Pair, bpffs: Path, step: Step) -> None:
    """One of the two policies serves, and all of it."""
    Datapath.up(IFNAME, ONE)

    def apply() -> None:
        with Datapath.open(IFNAME) as datapath:
            datapath.apply(OPPOSITE)

    killed(apply, step)
    check_whole(hosts, bpffs)
    end(bpffs)


def test_a_new_rule_begins_at_zero_also_after_a_killed_apply(hosts: Pair, bpffs: Path) -> None:
    """A new rule starts at zero, and stays right, whatever its slot has counted for other rules."""
    other = Policy.parse('[[rule]]\nname = "other"\nmatch = { proto = "udp" }\n')
    with Datapath.up(IFNAME, ONE) as datapath:
        serving(hosts)
        slots = set(datapath.manifest.counters.values())
        datapath.apply(Policy.parse(""))

    def apply() -> None:
        with Datapath.open(IFNAME) as datapath:
            datapath.apply(other)

    killed(apply, Step(Pins, "publish"))
    with Datapath.open(IFNAME) as datapath:
        datapath.apply(other)
        assert set(datapath.manifest.counters.values()) < slots
        assert datapath.counters().rules == {"other": counters.RuleCount(0, 0, 0)}
        send(hosts.far, PORTS)
        datapath.apply(other)
        assert datapath.counters().rules["other"].packets == 3 * len(PORTS)
    end(bpffs)


_SET = """
[set.{0}]
prefixes = ["198.51.100.2"]
counters = true
[[rule]]
name = "{0}"
match = {{ src = "@{0}" }}
"""


def test_a_new_set_begins_at_zero_also_after_a_killed_apply(hosts: Pair, bpffs: Path) -> None:
    """The counters of the prefixes of a new set start at zero too."""
    Datapath.up(IFNAME, Policy.parse(_SET.format("old")))
    serving(hosts)

    def apply() -> None:
        with Datapath.open(IFNAME) as datapath:
            assert [count.packets for count in datapath.sets.counters("old")] == [3 * len(PORTS)]
            datapath.apply(Policy.parse(""))

    killed(apply, Step(Pins, "publish", when="after"))
    with Datapath.open(IFNAME) as datapath:
        datapath.apply(Policy.parse(_SET.format("new")))
        assert [count.packets for count in datapath.sets.counters("new")] == [0]
    end(bpffs)


@pytest.mark.parametrize("step", [*UP, Step(XdpLink, "attach", when="after"), *_FINISH], ids=str)
def test_an_up_is_killed(hosts: Pair, bpffs: Path, step: Step) -> None:
    """The policy is up or not, and the next `up` says so or works."""
    killed(lambda: Datapath.up(IFNAME, ONE), step)
    if Interface.of(IFNAME).xdp_id:
        with pytest.raises(AttachError, match="wirepath is up there"):
            Datapath.up(IFNAME, OPPOSITE)
    else:
        Datapath.up(IFNAME, ONE)
    assert serving(hosts) == "odd"
    check_whole(hosts, bpffs)
    end(bpffs)


@pytest.mark.parametrize("step", DOWN, ids=str)
def test_a_down_is_killed(hosts: Pair, bpffs: Path, step: Step) -> None:
    """The next command finishes a `down` that was killed."""
    Datapath.up(IFNAME, ONE)

    def down() -> None:
        with Datapath.open(IFNAME) as datapath:
            datapath.down()

    killed(down, step)
    with suppress(RequestError):  # it is already down
        down()
    assert not Interface.of(IFNAME).xdp_id
    assert not left(bpffs)


@pytest.mark.parametrize("step", _UNDO, ids=str)
def test_an_undo_is_killed(hosts: Pair, bpffs: Path, step: Step) -> None:
    """The next command undoes the rest of an apply that failed."""
    Datapath.up(IFNAME, ONE)

    def apply() -> None:
        with pytest.MonkeyPatch.context() as patch, Datapath.open(IFNAME) as datapath:
            patch.setattr(Publish, "do", lambda *_: _fail())
            datapath.apply(OPPOSITE)

    killed(apply, step)
    assert serving(hosts) in ("odd", "even")
    check_whole(hosts, bpffs)
    end(bpffs)


_COMMITTED = [
    Step(XdpLink, "update", when="after"),
    Step(Publish, "do"),
    Step(Pins, "publish", when="after"),
]


def stopped(steps: list[Step]) -> list[tuple[Step, Callable[[], None]]]:
    """Give *steps* with what stops each so that all is undone: no interrupt after the commit."""
    interrupted = [(step, _interrupt) for step in steps if step not in _COMMITTED]
    return [*((step, _fail) for step in steps), *interrupted]


@pytest.mark.parametrize("step", _COMMITTED, ids=str)
def test_an_interrupt_after_the_commit_undoes_nothing(
    hosts: Pair, bpffs: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Datapath.up(IFNAME, ONE) as datapath:
        with monkeypatch.context() as patch:
            step.stop(patch, _interrupt)
            with pytest.raises(KeyboardInterrupt):
                datapath.apply(OPPOSITE)
        assert datapath.status().warnings == ()
        assert serving(hosts) == "even"
    check_whole(hosts, bpffs)
    end(bpffs)


@pytest.mark.parametrize(("step", "stop"), stopped(APPLY))
def test_an_apply_fails(
    hosts: Pair, bpffs: Path, step: Step, stop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old generation continues to serve, and nothing of the new one is left."""
    with Datapath.up(IFNAME, ONE) as datapath:
        program, pins = datapath.status().program_id, left(bpffs)
        with monkeypatch.context() as patch:
            step.stop(patch, stop)
            with pytest.raises((KernelError, KeyboardInterrupt)):
                datapath.apply(OPPOSITE)
        assert serving(hosts) == "odd"
        assert Interface.of(IFNAME).xdp_id == datapath.attachments()["ingress"].running == program
        assert left(bpffs) == pins
        assert datapath.status().warnings == ()
        datapath.apply(OPPOSITE)
        assert serving(hosts) == "even"
    end(bpffs)


@pytest.mark.parametrize(("step", "stop"), stopped(UP))
def test_an_up_fails(
    hosts: Pair, bpffs: Path, step: Step, stop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        step.stop(patch, stop)
        with pytest.raises((KernelError, KeyboardInterrupt)):
            Datapath.up(IFNAME, ONE)
    assert not Interface.of(IFNAME).xdp_id
    assert not left(bpffs)
    with pytest.raises(RequestError, match="not up"):
        Datapath.open(IFNAME)
