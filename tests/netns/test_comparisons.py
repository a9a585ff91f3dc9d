"""Comparisons of filters: what is missing is left out, signals leave nothing."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wirepath.bench import peers
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.tools import Lacking, run
from wirepath.bench.wire import ADDRESS, BEYOND, MAC, routed, wire
from wirepath.lab.flood import Flood
from wirepath.lab.netns import Namespace
from wirepath.lab.traffic import from_sources, random_sources, udp, written_out

NAMES = Path("/run/netns")


def mine() -> list[str]:
    return [path.name for path in NAMES.glob(f"wp-bench-{os.getpid():x}-*")]


@contextmanager
def impossible(_ifname: str) -> Iterator[None]:
    run(["no-such-filter"])
    yield


def test_what_is_missing_is_left_out_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(100))
    subjects = [program(BARE, "bare_drop"), Subject("other", impossible)]
    [cost] = compare(subjects, traffic, repetitions=1, seconds=0.01)
    assert cost.name == "bare_drop"
    assert cost.ratios == [1.0]
    assert capsys.readouterr().out == "left out: other: no-such-filter: not installed\n"
    with pytest.raises(Lacking):
        compare(subjects[1:], traffic, repetitions=1, seconds=0.01)
    assert not mine()


def test_a_refused_filter_leaves_nothing() -> None:
    with wire("refused") as made, made.receiver.entered():
        with pytest.raises(Lacking, match=r"^tc: "), peers.tc_filters(["none"], "egress", "wp0"):
            pass
        assert "clsact" not in run(["tc", "qdisc", "show", "dev", "wp0"])


def test_packets_are_routed_on() -> None:
    traffic = written_out(udp(BEYOND, 9, mac=MAC), random_sources(100, seed=3))
    with routed("on") as made, Flood(made.sender, "wp0", traffic) as flood:
        flood.run(packets=200)
        assert made.counts() == (200, 200, 0)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_cleanup_waits(
    number: signal.Signals, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread, such as that of a progress bar, may get the signal."""

    def removed(namespace: Namespace, remove: object = Namespace.remove) -> None:
        os.kill(os.getpid(), number)
        assert callable(remove)
        remove(namespace)

    monkeypatch.setattr(Namespace, "remove", removed)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    if threads > 1:
        other.start()
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)), wire("cleanup"):
            assert len(mine()) == 2
    finally:
        done.set()
    assert not mine()
