"""A command killed at any step leaves the old or the new policy, the same at every hook."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import pytest

from harness.hooked import MODES, NOTHING, check_nothing, end, policy, served, serving
from harness.living import child, kill
from harness.pair import IFNAME, Pair
from harness.stopping import stop_at
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.errors import KernelError, RequestError
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.clsact import Filter
from wirepath.kernel.links import XdpLink
from wirepath.kernel.tcx import TcxLink
from wirepath.net import HOOKS, Hook

_STEPS: tuple[tuple[type, str], ...] = (
    (XdpLink, "attach"),
    (XdpLink, "pin"),
    (XdpLink, "update"),
    (XdpLink, "detach"),
    (TcxLink, "attach"),
    (TcxLink, "pin"),
    (TcxLink, "update"),
    (TcxLink, "detach"),
    (Filter, "attach"),
    (Filter, "update"),
    (Filter, "detach"),
    (Pins, "publish"),
)
_REMOVAL: tuple[tuple[type, str], ...] = ((Path, "rename"), (Path, "rmdir"))

ALL = HOOKS
OUT: tuple[Hook, ...] = ("ingress", "egress")
IN: tuple[Hook, ...] = ("ingress", "tc_ingress")


def killed(work: Callable[[], object], nth: int) -> bool:
    """Do *work* in a process that is killed before the *nth* step; return whether there was one."""

    def doomed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, nth, lambda: os.kill(os.getpid(), signal.SIGKILL), (*_STEPS, *_REMOVAL))
            work()
        os._exit(0)

    status = os.waitpid(child(doomed), 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


def up(tc: Tc) -> None:
    Datapath.up(IFNAME, policy("odd"), tc=tc)


def down() -> None:
    with Datapath.open(IFNAME) as datapath:
        datapath.down()


@pytest.mark.parametrize("tc", MODES)
def test_killed_in_the_middle_of_applies(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    random = Random(1)  # noqa: S311 - a seed
    Datapath.up(IFNAME, policy("odd"), tc=tc)

    def apply_for_ever() -> None:
        with Datapath.open(IFNAME) as datapath:
            while True:
                datapath.apply(policy("even", ["egress"]))
                datapath.apply(policy("odd"))

    for _ in range(5):
        pid = child(apply_for_ever)
        time.sleep(random.uniform(0.1, 0.9))
        kill(pid)
        with Datapath.open(IFNAME) as datapath:
            assert datapath.status().warnings == ()
            expected = served("odd") if "ingress" in datapath.manifest.counters else served(
                "even", ["egress"]
            )  # fmt: skip
            assert serving(hosts) == expected
            datapath.apply(policy("odd"))
    end(bpffs)


@pytest.mark.parametrize(
    ("tc", "before", "after"),
    [("tcx", ALL, ALL), ("tcx", OUT, IN), ("clsact", OUT, IN)],
    ids=["same", "others", "others-clsact"],
)
def test_an_apply_is_killed(
    hosts: Pair, bpffs: Path, tc: Tc, before: tuple[Hook, ...], after: tuple[Hook, ...]
) -> None:
    old, new = policy("odd", before), policy("even", after)
    Datapath.up(IFNAME, old, tc=tc)

    def apply() -> None:
        with Datapath.open(IFNAME) as datapath:
            datapath.apply(new)

    found = set()
    for nth in count(1):
        was_killed = killed(apply, nth)
        with Datapath.open(IFNAME) as datapath:
            assert datapath.status().warnings == ()
            now = datapath.policy
            assert now in (old, new)
            expected = served("odd", before) if now == old else served("even", after)
            assert serving(hosts) == expected, nth
            found.add(now == old)
            datapath.apply(old)
            if not was_killed:
                break
    assert found == {True, False}
    assert serving(hosts) == served("odd", before)
    end(bpffs)


@pytest.mark.parametrize("tc", MODES)
def test_an_up_is_killed(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    found = set()
    for nth in count(1):
        was_killed = killed(lambda: up(tc), nth)
        is_up = bool(Datapath.names())
        assert serving(hosts) == (served("odd") if is_up else NOTHING), nth
        found.add(is_up)
        if not is_up:
            up(tc)
        with Datapath.open(IFNAME) as datapath:
            assert datapath.status().warnings == ()
        end(bpffs)
        if not was_killed:
            break
    assert found == {True, False}


@pytest.mark.parametrize("tc", MODES)
def test_a_down_is_killed(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    found = set()
    for nth in count(1):
        up(tc)
        was_killed = killed(down, nth)
        is_up = bool(Datapath.names())
        found.add(is_up)
        if is_up:
            with Datapath.open(IFNAME) as datapath:
                assert datapath.status().warnings == ()
            assert serving(hosts) == served("odd"), nth
            end(bpffs)
        else:
            with pytest.raises(RequestError, match="not up"):
                Datapath.open(IFNAME)
            check_nothing(bpffs)
            assert serving(hosts) == NOTHING, nth
        if not was_killed:
            break
    assert found == {True, False}


@pytest.mark.parametrize("tc", MODES)
def test_an_apply_fails(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    """One generation serves at every hook: the old one, unless only removing it was left."""
    old, new = policy("odd", OUT), policy("even", IN)

    def fail() -> None:
        raise KernelError("do what a test forbids")

    Datapath.up(IFNAME, old, tc=tc)
    for nth in count(1):
        with pytest.MonkeyPatch.context() as patch, Datapath.open(IFNAME) as datapath:
            stop_at(patch, nth, fail, _STEPS)
            with suppress(KernelError):
                datapath.apply(new)
                break
        with Datapath.open(IFNAME) as datapath:
            assert datapath.status().warnings == ()
            expected = served("odd", OUT) if datapath.policy == old else served("even", IN)
            assert serving(hosts) == expected, nth
            datapath.apply(old)
    end(bpffs)
