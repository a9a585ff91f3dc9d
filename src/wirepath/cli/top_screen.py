"""The screen of ``wirepath top``: a `View` laid out to fit the terminal."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wirepath.cli import show
from wirepath.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from wirepath.datapath.live.rates import View

_REASONS: Final = 5  # lines that verdicts and reasons may take
_GAP: Final = 2  # columns
_FIRST: Final = 8  # least width of the first column of a table
_HEAD: Final = 2  # lines of a table besides its rows: an empty line and the titles


class Part(NamedTuple):
    """A table of the screen.

    Attributes:
        titles: the titles of its columns; cells of the first column are cut if they do not fit.
        numbers: the columns, counted from 0, that contain numbers.
        rows: the rows to show, as many as fit.
        total: how many rows exist, including those not in *rows*.
        wide: whether the table takes the whole width.
    """

    titles: tuple[str, ...]
    numbers: range
    rows: Sequence[Sequence[str]]
    total: int
    wide: bool = True


def screen(view: View, width: int, height: int, foot: str = "") -> RenderableType:
    """Lay *view* out to fit *width* and *height*.

    Args:
        view: the view.
        width: columns, 20 or more.
        height: lines, 3 or more; parts that do not fit are left out, last ones first.
        foot: the last line.
    """
    lines = [_line(text) for text in _head(view)]
    tail = [_line(foot)] if foot else []
    parts = [part for part in _parts(view) if part.rows]
    left = height - len(lines) - len(tail)
    while parts and left < len(parts) * (_HEAD + 1):
        parts.pop()
    rooms = _rooms([len(part.rows) for part in parts], left - len(parts) * _HEAD)
    body: list[RenderableType] = []
    for part, room in zip(parts, rooms, strict=True):
        body += [Text(""), _table(part, room, width)]
    return Group(*[*lines, *body, *tail][:height])


def waiting(name: str, foot: str) -> RenderableType:
    """Lay out a screen that says that wirepath is not up on *name*."""
    return Group(_line(f"{name}: wirepath is not up there; waiting for it"), _line(foot))


def _line(text: str) -> Text:
    return Text(printable(text), no_wrap=True, overflow="ellipsis")


def _head(view: View) -> Iterator[str]:
    manifest = view.now.manifest
    serving = show.duration(manifest.serving_s)
    yield (
        f"{view.now.counted.iface}: {manifest.mode} mode, serving for {serving}, "
        f"generation {manifest.generation} of {manifest.file}"
    )
    yield (
        f"{_rate(view.packets_s)} packets/s  {view.bits_s / 1e6:,.1f} Mbit/s  "
        f"{_rate(view.verdicts['drop'])} dropped/s"
    )
    yield from (f"warning: {warning}" for warning in view.now.warnings)


def _parts(view: View) -> Iterator[Part]:
    outcomes = list(
        zip_longest(view.verdicts.items(), list(view.reasons.items())[:_REASONS], fillvalue=None)
    )
    rows = [[*_named(verdict), *_named(reason)] for verdict, reason in outcomes]
    yield Part(("verdict", "", "reason", ""), range(1, 4, 2), rows, len(rows), wide=False)
    rules = [
        [rule.name, _rate(rule.packets_s), _rate(rule.dropped_s), *_totals(*rule[-2:])]
        for rule in view.rules
    ]
    titles: tuple[str, ...] = ("rule", "packets/s", "dropped/s", "packets", "dropped")
    yield Part(titles, range(1, 5), rules, len(rules))
    bans = [
        [
            str(ban.prefix),
            ban.rule or "-",
            "until unban" if ban.remaining_s is None else show.duration(ban.remaining_s),
            "-" if rate is None else _rate(rate),
            *_totals(ban.packets),
        ]
        for ban, rate in view.bans
    ]
    titles = ("banned", "by rule", "remaining", "dropped/s", "dropped")
    yield Part(titles, range(3, 5), bans, max(view.now.banned, len(bans)))
    talkers = [[str(each), each.rule, f"{each.used:.0%}"] for each in view.now.talkers]
    titles = ("uses an exact limit up", "of rule", "used")
    yield Part(titles, range(2, 3), talkers, len(talkers))


def _named(item: tuple[str, float] | None) -> tuple[str, str]:
    return (item[0], f"{_rate(item[1])}/s") if item else ("", "")


def _totals(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]


def _rate(rate: float) -> str:
    return f"{rate:,.0f}"


# How many rows each part gets: lines are dealt out to the parts in turn.
def _rooms(wanted: Sequence[int], lines: int) -> list[int]:
    rooms = [0] * len(wanted)
    while lines > 0 and rooms != list(wanted):
        for at, most in enumerate(wanted):
            if lines > 0 and rooms[at] < most:
                rooms[at] += 1
                lines -= 1
    return rooms


def _table(part: Part, room: int, width: int) -> Table:
    table = Table(
        box=None,
        width=width if part.wide else None,
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    more = f" ({room} of {part.total:,})" if room < part.total else ""
    for at, title in enumerate(part.titles):
        first = at == 0
        table.add_column(
            title + more * first,
            ratio=1 if first and part.wide else None,
            min_width=_FIRST if first else None,
            justify="right" if at in part.numbers else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in part.rows[:room]:
        table.add_row(*map(Text, map(printable, row)))
    return table
