"""``wirepath bench`` with few packets: every contender drops and forwards what it should."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from wirepath.bench import contest, trust
from wirepath.bench.contenders import CONTENDERS
from wirepath.bench.contest import Effort
from wirepath.bench.outcome import Outcome
from wirepath.errors import KernelError

TINY = Effort(seconds=0.005, rounds=1, limit_s=0, sizes=(1, 40))


def nothing(_doing: str, _part: float) -> None:
    pass


@pytest.fixture(scope="module")
def measured() -> Outcome:
    return contest.run(TINY, nothing, quick=True)


def test_every_packet_is_counted(measured: Outcome) -> None:
    assert [each for entry in measured.entries for each in trust._counts(entry)] == []
    assert min(f.sent for entry in measured.entries for f in entry.figures.values()) > 1_000
    assert not list(Path("/run/netns").glob(f"wp-bench-{os.getpid():x}-*"))


def test_every_contender_is_measured_or_left_out_by_name(measured: Outcome) -> None:
    left_out = {left.contender for left in measured.left_out}
    assert set(measured.contenders) | left_out == {each.name for each in CONTENDERS}
    assert set(measured.contenders) & left_out == set()  # 40 addresses are too many for none
    for entry in measured.entries:
        assert list(entry.figures) == (
            ["drop_one", "drop_all", "forward"] if entry.size != 1 else ["drop_one", "forward"]
        )
        assert (entry.load_s is None) == (entry.change_s is None) == (entry.size is None)


def test_a_busy_loop_is_measured() -> None:
    """The bounds are wide, since other tests run at the same time."""
    outcome = contest.run(
        replace(TINY, seconds=0.05, contenders=CONTENDERS[:1]), nothing, quick=True
    )
    assert 0.8 < outcome.spun_ns() / outcome.spin_ns < 1.5


def test_larger_lists_are_left_out_in_words() -> None:
    some = tuple(
        each for each in CONTENDERS if each.name in {"xdp native", "nft rules", "wp rules"}
    )
    few = tuple(replace(each, most=1) if each.most == 1_000 else each for each in some)
    outcome = contest.run(replace(TINY, contenders=few), nothing, quick=True)
    assert [str(left) for left in outcome.left_out] == [
        "nft rules with 40: a packet walks all rules (0.0 ms)",
        "wp rules with 40: a policy has at most 10,000 rules",
    ]


def test_without_wirepath_there_is_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirepath.bench.contenders._WIREPATH", ("no-such-wirepath",))
    ours = tuple(each for each in CONTENDERS if each.name in {"xdp native", "wirepath"})
    with pytest.raises(KernelError, match=r"^bench: wirepath: no-such-wirepath: not installed$"):
        contest.run(replace(TINY, contenders=ours), nothing, quick=True)
    assert not list(Path("/run/netns").glob(f"wp-bench-{os.getpid():x}-*"))
