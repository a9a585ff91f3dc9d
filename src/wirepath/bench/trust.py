"""Checks of what was measured, by itself: why it should not be believed."""

from collections.abc import Iterator
from typing import Final

from wirepath.bench.contenders import BASELINE
from wirepath.bench.outcome import Entry, Figure, Outcome

SPIN_WITHIN: Final = 0.10
"""How far a program of known cost may come out above or below that."""
AGREE_WITHIN: Final = 0.15
"""How far the figures of two runs may differ."""
LOST: Final = 0.05
"""The share of packets that may be lost; lost ones cost less than others."""
_BUSY: Final = 0.5  # of the time of a slice, the generator must have its CPU
_DEFERRED: Final = 0.05  # the share of ksoftirqd that is worth a note


def doubts(outcome: Outcome) -> list[str]:
    """List why the figures are not to be trusted; none if they are."""
    return [
        *_spin(outcome),
        *(doubt for entry in outcome.entries for doubt in _counts(entry)),
        *(doubt for name, figure in _figures(outcome) for doubt in _figure(name, figure)),
    ]


def notes(outcome: Outcome) -> list[str]:
    """List what else is worth knowing about the figures."""
    shares = {name: figure.deferred for name, figure in _figures(outcome)}
    if None in shares.values():
        return ["ksoftirqd cannot be seen here, so what it might do is not in the figures"]
    return [
        f"{name}: ksoftirqd did {share:.0%} of the work, which is in the figure"
        for name, share in shares.items()
        if share and share > _DEFERRED
    ]


def disagreement(figure: Figure) -> float:
    """Give by how much the slower run was slower."""
    return max(figure.by_run) / min(figure.by_run) - 1


def most_disagreement(outcome: Outcome) -> float:
    """Give by how much the two runs differ in the figure where they differ most."""
    return max(disagreement(figure) for _, figure in _figures(outcome))


def _figures(outcome: Outcome) -> Iterator[tuple[str, Figure]]:
    for entry in outcome.entries:
        for workload, figure in entry.figures.items():
            yield f"{entry.label}, {workload}", figure
    yield "the busy loop", outcome.spin


def _spin(outcome: Outcome) -> Iterator[str]:
    if not outcome.find(BASELINE, None, "drop_one"):
        return
    spun, known = outcome.spun_ns(), outcome.spin_ns
    if abs(spun / known - 1) > SPIN_WITHIN:
        yield f"a busy loop of {known:,} ns came out as {spun:,.0f} ns"


def _counts(entry: Entry) -> Iterator[str]:
    drops = [figure for name, figure in entry.figures.items() if name != "forward"]
    sent = sum(figure.sent - figure.overflowed for figure in drops)
    dropped = entry.dropped
    if dropped is None:
        dropped = sum(figure.arrived - figure.forwarded for figure in drops)
    if dropped != sent:
        yield f"{entry.label}: dropped {dropped:,} packets of {sent:,}"
    passing = entry.figures.get("forward")
    if passing and passing.forwarded != passing.sent - passing.overflowed:
        of = passing.sent - passing.overflowed
        yield f"{entry.label}: forwarded {passing.forwarded:,} packets of {of:,}"


def _figure(name: str, figure: Figure) -> Iterator[str]:
    if (lost := figure.overflowed / max(1, figure.sent)) > LOST:
        yield f"{name}: {lost:.0%} of the packets were lost"
    if (differ := disagreement(figure)) > AGREE_WITHIN:
        yield f"{name}: two runs differ by {differ:.0%}"
    if figure.deferred is None and figure.busy < _BUSY:
        yield (
            f"{name}: the generator had its CPU for {figure.busy:.0%} of the time, and ksoftirqd "
            "cannot be seen here"
        )
