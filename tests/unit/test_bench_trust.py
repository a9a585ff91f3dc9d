"""A measurement checks itself: each check can fail, and says why."""

from dataclasses import replace

import pytest

from wirepath.bench import trust
from wirepath.bench.outcome import Entry, Figure, LeftOut, Outcome
from wirepath.bench.path import Slice
from wirepath.cli import bench_screen

SENT = 1_000


def figure(*ns: float, forwards: bool = False, deferred_s: float | None = 0.0) -> Figure:
    seconds = SENT * max(ns) / 1e9
    runs = [[Slice(each, SENT, SENT, deferred_s, seconds)] for each in ns]
    sent = SENT * len(ns)
    return Figure(runs, sent, sent, sent if forwards else 0)


def outcome() -> Outcome:
    bare = Entry("xdp native", "bare", None, figures={"drop_one": figure(100, 101)})
    other = Entry("nft raw", "a set", 1, 0.1, 0.01, 2 * SENT)
    other.figures = {"drop_one": figure(500, 510), "forward": figure(900, 950, forwards=True)}
    many = replace(other, size=1_000, dropped=4 * SENT)
    many.figures = {**other.figures, "drop_all": figure(600, 610)}
    return Outcome(2_000, 1, quick=True, entries=[bare, other, many], spin=figure(2_150, 2_200))


def test_figures_to_be_trusted() -> None:
    assert trust.doubts(outcome()) == []
    assert trust.notes(outcome()) == []
    assert trust.most_disagreement(outcome()) == pytest.approx(950 / 900 - 1)


@pytest.mark.parametrize(("ns", "told"), [(2_320, "2,220"), (1_880, "1,780")])
def test_the_busy_loop(ns: float, told: str) -> None:
    measured = outcome()
    measured.spin = figure(ns, ns)
    assert trust.doubts(measured) == [f"a busy loop of 2,000 ns came out as {told} ns"]


@pytest.mark.parametrize("by", [-1, 1])
def test_the_contenders_own_counters(by: int) -> None:
    measured = outcome()
    measured.entries[1].dropped = 2 * SENT + by
    assert trust.doubts(measured) == [f"nft raw with 1: dropped {2_000 + by:,} packets of 2,000"]


def test_the_counters_of_interfaces() -> None:
    measured = outcome()
    measured.entries[0].figures["drop_one"].forwarded = 3
    measured.entries[1].figures["forward"].forwarded -= 5
    measured.entries[2].figures["forward"] = figure(900, 950, forwards=True)
    assert trust.doubts(measured) == [
        "xdp native: dropped 1,997 packets of 2,000",
        "nft raw with 1: forwarded 1,995 packets of 2,000",
    ]


def test_packets_that_the_ring_had_no_room_for() -> None:
    measured = outcome()
    for lost in (50, 150):  # few are counted, and no doubt
        lossy = measured.entries[0].figures["drop_one"]
        lossy.overflowed, lossy.arrived = lost, 2 * SENT - lost
        doubt = [] if lost == 50 else ["xdp native, drop_one: 8% of the packets were lost"]
        assert trust.doubts(measured) == doubt


def test_two_runs() -> None:
    measured = outcome()
    measured.entries[2].figures["drop_all"] = figure(600, 700)
    assert trust.doubts(measured) == ["nft raw with 1,000, drop_all: two runs differ by 17%"]


def test_ksoftirqd_is_told_of() -> None:
    measured = outcome()
    used = 0.5 * SENT * 100e-9
    measured.entries[0].figures["drop_one"] = figure(100, 100, deferred_s=used)
    assert trust.doubts(measured) == []
    note = "xdp native, drop_one: ksoftirqd did 50% of the work, which is in the figure"
    assert trust.notes(measured) == [note]


def test_ksoftirqd_that_cannot_be_seen() -> None:
    measured = outcome()
    unseen = figure(100, 100, deferred_s=None)
    measured.entries[0].figures["drop_one"] = unseen
    assert trust.doubts(measured) == []  # the generator had its CPU all the time
    note = "ksoftirqd cannot be seen here, so what it might do is not in the figures"
    assert trust.notes(measured) == [note]
    unseen.runs = [[replace(each, seconds=each.seconds * 4) for each in run] for run in unseen.runs]
    [doubt] = trust.doubts(measured)
    assert doubt.startswith("xdp native, drop_one: the generator had its CPU for 25% of the time")


def test_growth() -> None:
    measured = outcome()
    assert measured.growth("nft raw", "drop_all") == 600 / 500
    assert measured.growth("xdp native", "drop_all") is None
    assert measured.document()["grows"] == {
        "nft raw": {"entries": 1_000, "drop_one": 1.0, "drop_all": 1.2, "forward": 1.0}
    }


def test_one_screen() -> None:
    """What is left out and why figures are in doubt fits, however much it is."""
    measured = outcome()
    measured.left_out = [LeftOut("tc flower", None, "tc: not installed")]
    shown = bench_screen.lines(measured, "eth0 (driver virtio_net): native XDP")
    text = "\n".join(shown)
    assert "checked: a busy loop of 2,000 ns came out as 2,050; every packet counted" in text
    assert "left out: tc flower: tc: not installed" in text
    assert "eth0 (driver virtio_net): native XDP" in text
    assert "NOT TO BE TRUSTED" not in text
    [row] = [line for line in shown if line.startswith("nft raw")]
    assert row.split() == ["nft", "raw", "500", "500", "900", "900", "x1.20", "1.7", "100", "ms",
                           "10", "ms"]  # fmt: skip
    measured.spin = figure(100, 200)
    measured.entries += [Entry(f"other {n}", "", None, figures={"forward": figure(1, 2)})
                         for n in range(8)]  # fmt: skip
    measured.left_out *= 40
    shown = bench_screen.lines(measured, "eth0")
    assert any(line.startswith("NOT TO BE TRUSTED: a busy loop") for line in shown)
    assert len(shown) == bench_screen.HEIGHT
    assert max(map(len, shown)) <= 80
