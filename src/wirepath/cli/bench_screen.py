"""The screen of ``wirepath bench``: one table and what to know about it, on 80 by 24 characters."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from wirepath.bench import trust
from wirepath.bench.contenders import SIZES
from wirepath.bench.outcome import here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.bench.outcome import Outcome, Workload

WIDTH: Final = 80
HEIGHT: Final = 23
"""Lines; the prompt of the shell is on the last one."""

_NAME: Final = 11
_COLUMN: Final = 6
_SHORT: Final = {1: "1", 1_000: "1k", 100_000: "100k"}
_BLOCKS: Final[tuple[tuple[str, Workload, tuple[int, ...]], ...]] = (
    ("drop, 1 of N listed", "drop_one", SIZES),
    ("all N", "drop_all", SIZES[-1:]),
    ("forward, N others", "forward", SIZES),
)
_LEGEND: Final = "grows: all N listed, most against 1; load, change: to list most, and 1 more"
_DOUBTS: Final = 2  # shown
_THOUSANDS: Final = 10_000  # from here on a figure is short for thousands


def lines(outcome: Outcome, iface: str) -> list[str]:
    """Give the lines to print; *iface* says what the driver of an interface gives, if asked."""
    head = [_title(outcome), *_heads(), *(_row(outcome, name) for name in outcome.contenders)]
    below = [line for text in _told(outcome, iface) for line in textwrap.wrap(text, WIDTH)]
    room = HEIGHT - len(head)
    if len(below) > room:
        below = [*below[: room - 1], "... (--json has the rest)"]
    return [*head, *below]


def _title(outcome: Outcome) -> str:
    place = here()
    kind = ", quick" if outcome.quick else ""
    text = f"CPU ns a packet, generator included: Linux {place['kernel']}, {place['machine']}{kind}"
    return textwrap.shorten(text, WIDTH, placeholder="...")


def _heads() -> Iterator[str]:
    first, second = " " * _NAME, f"{'N':<{_NAME}}"
    for title, _, sizes in _BLOCKS:
        first += f"{title:>{_COLUMN * len(sizes)}}"
        second += "".join(f"{_SHORT[size]:>{_COLUMN}}" for size in sizes)
    yield first
    yield second + f"{'grows':>7}{'Mpps':>6}{'load':>7}{'change':>7}"


def _row(outcome: Outcome, name: str) -> str:
    text = f"{name:<{_NAME}}"
    largest = outcome.largest(name)
    for _, workload, sizes in _BLOCKS:
        for size in sizes:
            # Without a list, the number of addresses does not matter: one figure for all.
            shown = largest or size == sizes[0]
            found = outcome.find(name, size, workload) if shown else None
            text += f"{_ns(found.ns) if found else '':>{_COLUMN}}"
    ratio = outcome.growth(name, "drop_all")
    most = outcome.find(name, largest.size if largest else None, "drop_all")
    text += f"{_times(ratio):>7}{f'{most.mpps:.1f}' if most else '':>6}"
    load, change = (largest.load_s, largest.change_s) if largest else (None, None)
    return (text + f"{_seconds(load):>7}{_seconds(change):>7}").rstrip()


def _told(outcome: Outcome, iface: str) -> Iterator[str]:
    doubts = trust.doubts(outcome)
    if doubts:
        more = f"; and {len(doubts) - _DOUBTS} more" if len(doubts) > _DOUBTS else ""
        yield f"NOT TO BE TRUSTED: {'; '.join(doubts[:_DOUBTS])}{more}"
    else:
        yield (
            f"checked: a busy loop of {outcome.spin_ns:,} ns came out as {outcome.spun_ns():,.0f}; "
            f"every packet counted; runs within {trust.most_disagreement(outcome):.0%}"
        )
    if iface:
        yield iface
    if outcome.left_out:
        yield f"left out: {'; '.join(map(str, outcome.left_out))}"
    yield from trust.notes(outcome)
    yield _LEGEND


def _ns(value: float) -> str:
    return f"{value / 1000:.1f}k" if value >= _THOUSANDS else f"{value:,.0f}"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"x{ratio:.0f}" if ratio >= _COLUMN + 4 else f"x{ratio:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"
