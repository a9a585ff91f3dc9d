"""Draw ``docs/pictures``: what a packet costs by the number of rules, prefixes and bans.

The figures are those of ``docs/pictures/NAME.jsonl``.  Where ``make bench`` has measured the whole
case of a picture, its last run replaces them first.
"""

import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wirepath.bench.plot import Series, Words, chart

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"
RESULTS: Final = ROOT / "bench" / "results"

Row = Mapping[str, Any]
"""A line of results."""

_NAME: Final = re.compile(r"(?P<subject>.+), (?P<count>[\d,]+) (?P<things>\w+)")


@dataclass(frozen=True)
class Picture:
    """A picture of the results of one case.

    Attributes:
        name: of the case, and of the files.
        subjects: those to draw.
        kinds: the word that tells lines of one subject apart; the first is drawn solid.
        title, key, x, y: words.
    """

    name: str
    subjects: Sequence[str]
    kinds: Sequence[str]
    title: str
    key: str
    x: str
    y: str

    @property
    def data(self) -> Path:
        """The figures that it was drawn from."""
        return PICTURES / f"{self.name}.jsonl"

    @property
    def file(self) -> Path:
        """The picture."""
        return PICTURES / f"{self.name}.svg"

    def series(self, rows: Sequence[Row]) -> Iterator[Series]:
        """Give the lines to draw; a figure that several tables have is their median."""
        for number, kind in enumerate(self.kinds):
            for subject in self.subjects:
                found: dict[int, list[float]] = {}
                for row in rows:
                    name = _NAME.fullmatch(row["name"])
                    if name and name["subject"] == subject and _kind(self.kinds, row) == kind:
                        found.setdefault(_number(name["count"]), []).append(row["ratio"])
                points = {count: statistics.median(found[count]) for count in sorted(found)}
                if points:
                    yield Series(subject, points, kind, dotted=number > 0)

    def newest(self, rows: Sequence[Row]) -> list[Row]:
        """Give what is drawn of *rows*: the newest of each name in each table."""
        return [*{_place(row): row for row in rows if self._draws(row)}.values()]

    def _draws(self, row: Row) -> bool:
        name = _NAME.fullmatch(row["name"])
        return bool(name and name["subject"] in self.subjects and _kind(self.kinds, row))

    def known(self) -> list[Row]:
        """Read the figures that it was drawn from."""
        return _rows(self.data)

    def draw(self) -> str:
        """Draw the figures, of the last run if it was whole; return what to tell of it."""
        fresh, known = self.newest(_rows(RESULTS / self.data.name)), self.known()
        if fresh and {_place(row) for row in known} <= {_place(row) for row in fresh}:
            known = [_released(row) for row in fresh]
            self.data.write_text("".join(json.dumps(row) + "\n" for row in known))
        if not known:
            return f"no figures yet for {self.file.name}: measure {self.name}"
        self.file.write_text(self.drawing(known))
        return f"drew {self.file.name}, measured {known[-1]['when']} on Linux {known[-1]['kernel']}"

    def drawing(self, rows: Sequence[Row]) -> str:
        """Draw *rows*, of which the last says when and on what they were measured."""
        foot = (
            f"Linux {'.'.join(rows[-1]['kernel'].split('.')[:2])}, {rows[-1]['when'][:7]}; the "
            "generator's share included, every packet dropped (docs/benchmarks.md)"
        )
        words = Words(self.title, self.key, self.x, self.y, foot)
        return chart([*self.series(rows)], words)


# Of the words that tell lines apart, the one that a row is about: by its name, else by its table.
def _kind(kinds: Sequence[str], row: Row) -> str | None:
    name = _NAME.fullmatch(row["name"])
    thing = name["things"] if name else ""
    for kind in kinds:
        if thing in {kind, kind.removesuffix("s"), kind.removesuffix("es")}:
            return kind
    return next((kind for kind in kinds if kind in row["table"]), None)


def _place(row: Row) -> tuple[str, str]:
    return row["table"], row["name"]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


# A kernel by its release; what a distribution or a host adds to that stays out of the repository.
def _released(row: Row) -> Row:
    return {**row, "kernel": row["kernel"].partition("-")[0]}


def _rows(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


_BARE: Final = "CPU time a packet, as a multiple of a bare XDP_DROP"
DRAWN: Final = (
    Picture(
        "rules",
        ("nft", "wirepath"),
        ("realistic", "hostile"),
        "What a packet costs, by the number of rules",
        "Solid: realistic rules. Dotted: hostile rules, which no single field tells apart.",
        "rules in the policy",
        "CPU time a packet, as a multiple of one wirepath rule",
    ),
    Picture(
        "prefixes",
        ("nft set", "ipset", "wirepath"),
        ("hosts", "prefixes"),
        "What a packet from a listed source costs, by the length of the list",
        "Solid: single addresses. Dotted: prefixes of /12 to /32.",
        "entries of the list, of which up to 100,000 send",
        _BARE,
    ),
    Picture(
        "bans",
        ("nft set", "ipset", "wirepath"),
        ("IPv4 hosts", "IPv6", "prefixes"),
        "What bans of others cost a packet, by their number",
        "Solid: bans of IPv4 hosts. Dotted: of IPv6 hosts, and IPv4 prefixes of /12 to /32.",
        "bans in force, none of them of the senders",
        "CPU time a packet, as a multiple of the same policy without bans",
    ),
)
"""The pictures, each of a case of ``make bench``."""


def main() -> int:
    """Draw all pictures; return the exit code."""
    for picture in DRAWN:
        print(picture.draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
