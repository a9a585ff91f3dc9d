"""Writing results: JSON for programs, aligned columns for people, without colour."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from wirepath.errors import printable
from wirepath.net import HOOKS

Cell = str | int | None
"""A value in a table: numbers are right-aligned with grouped digits; None is shown as a dash."""

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def document(values: Any) -> None:
    """Print *values* as one line of JSON."""
    print(json.dumps(values))


def long_document(values: dict[str, Any], name: str, parts: Iterable[str]) -> None:
    """Print *values* and an array *name* as one line of JSON; its elements come in *parts*."""
    head = json.dumps(values | {name: []}).removesuffix("]}")
    sys.stdout.write(head)
    sys.stdout.writelines(parts)
    sys.stdout.write("]}\n")


def parts(of_text: Iterable[str]) -> None:
    """Print a long text that comes in parts, with its line ends."""
    sys.stdout.writelines(of_text)


def line(text: str = "") -> None:
    """Print *text* as one line, whatever is in it."""
    print(printable(text))


def note(text: object) -> None:
    """Print *text* on stderr, as something to look at."""
    print(f"note: {printable(str(text))}", file=sys.stderr)


def table(titles: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print *rows* under *titles*, columns two spaces apart; print nothing without rows."""
    found = [tuple(row) for row in rows]
    if not found:
        return
    columns = [
        _aligned([title, *map(_cell, values)], right=any(isinstance(each, int) for each in values))
        for title, values in zip(titles, zip(*found, strict=True), strict=True)
    ]
    print("\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True)))


def _aligned(cells: Sequence[str], *, right: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


class HookColumn(NamedTuple):
    """The column ``hook`` of a table of rules; left out if all rules are at ingress."""

    shown: bool

    @property
    def title(self) -> Sequence[str]:
        """The title of the column; empty if the column is left out."""
        return ("hook",) if self.shown else ()

    def cell(self, hooks: Sequence[str]) -> Sequence[str]:
        """The cell for a rule at *hooks*; empty if the column is left out."""
        words = "all" if len(hooks) == len(HOOKS) else ",".join(hooks)
        return (words,) if self.shown else ()


def hooks(of_rules: Iterable[Sequence[str]]) -> HookColumn:
    """Make the column ``hook`` for rules at the hooks *of_rules*."""
    return HookColumn(any(tuple(some) != ("ingress",) for some in of_rules))


def _cell(value: Cell) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else printable(value)


def count(number: int, thing: str) -> str:
    """Format a number of things: ``1 rule``, ``1,234 rules``, ``2 prefixes``."""
    plural = thing + ("es" if thing.endswith("x") else "s")
    return f"{number:,} {thing if number == 1 else plural}"


def duration(seconds: float) -> str:
    """Format a duration in its two largest units: ``1 h 5 min``."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(filter(None, parts[:2])) or "0 s"


def moment(unix_s: float) -> str:
    """Format a time as local time: ``2026-11-22 20:13:02``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_s))


def clock(time_ns: int) -> str:
    """Format the time of day of a frame, in local time: ``20:13:02.123456``."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1000:06}"
