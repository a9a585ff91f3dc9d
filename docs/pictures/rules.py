"""Draw ``docs/pictures/rules.svg``: what a packet costs by the number of rules, next to nft.

The figures are those of ``rules.jsonl``.  Where ``make bench`` has measured rules, its last run
replaces them first.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PICTURE: Final = Path(__file__).with_suffix(".svg")
DATA: Final = Path(__file__).with_suffix(".jsonl")
RESULTS: Final = Path(__file__).parents[2] / "bench" / "results" / "rules.jsonl"

_COUNTS: Final = (1, 10, 100, 1_000, 10_000)
_KINDS: Final = ("realistic", "hostile")
_KEY: Final = "Solid: realistic rules. Dotted: hostile rules, which no single field tells apart."
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_SUBJECTS: Final = ("nft", "wirepath")

# The picture, in pixels; the plot inside it.
_WIDTH: Final = 780
_HEIGHT: Final = 440
_LEFT: Final = 76
_RIGHT: Final = 560
_TOP: Final = 108
_BOTTOM: Final = 348
_LABEL: Final = 19  # from one label to the next

_STYLE: Final = """\
text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
text.title { font-size: 17px; font-weight: 600; }
text.label { font-weight: 600; }
text.faint { font-size: 13px; }
path { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.hostile path { stroke-width: 2; stroke-dasharray: 3 4; }
"""
_COLOURS: Final = """\
.page { fill: PAGE; stroke: EDGE; }
.grid { stroke: GRID; }
text { fill: TEXT; }
text.faint { fill: FAINT; }
.wirepath path { stroke: WIREPATH; }
.wirepath circle, .wirepath text { fill: WIREPATH; }
.nft path { stroke: NFT; }
.nft circle, .nft text { fill: NFT; }
"""
_LIGHT: Final = {
    "PAGE": "#ffffff", "EDGE": "#d0d7de", "GRID": "#e4e8ec", "TEXT": "#1f2328",
    "FAINT": "#59636e", "WIREPATH": "#0757ba", "NFT": "#a63c00",
}  # fmt: skip
_DARK: Final = {
    "PAGE": "#161b22", "EDGE": "#5c6570", "GRID": "#30363d", "TEXT": "#e6edf3",
    "FAINT": "#a2abb6", "WIREPATH": "#6cb0ff", "NFT": "#ff9d57",
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """A line of the chart.

    Attributes:
        subject: ``wirepath`` or ``nft``.
        kind: of the rules, ``realistic`` or ``hostile``.
        points: by the number of rules, how many times one rule of wirepath a packet costs.
    """

    subject: str
    kind: str
    points: Mapping[int, float]


def main() -> int:
    """Draw it; returns what the process should exit with."""
    rows = _rows(DATA)
    fresh = last_run(_rows(RESULTS)) if RESULTS.exists() else []
    if set(map(_place, rows)) <= set(map(_place, fresh)):  # no run that was cut short
        rows = fresh
        DATA.write_text("".join(json.dumps(_released(row)) + "\n" for row in rows))
    PICTURE.write_text(chart([*series(rows)], rows[-1]))
    print(f"drew {PICTURE.name}, measured {rows[-1]['when']} on Linux {rows[-1]['kernel']}")
    return 0


# A kernel by its release; what a distribution or a host adds to that stays out of the repository.
def _released(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"kernel": row["kernel"].partition("-")[0]}


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def last_run(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give what is drawn of *rows*: the newest of each name in each table."""
    return [*{_place(row): row for row in rows if row["name"].split(",")[0] in _SUBJECTS}.values()]


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["table"], row["name"]


def series(rows: Sequence[dict[str, Any]]) -> Iterator[Series]:
    """Give the lines to draw; a figure that several tables have is their median."""
    for kind in _KINDS:
        for subject in _SUBJECTS:
            points = {}
            for count in _COUNTS:
                name = f"{subject}, {count:,} rule{'s' * (count > 1)}"
                ratios = [
                    row["ratio"] for row in rows if row["name"] == name and kind in row["table"]
                ]
                if ratios:
                    points[count] = statistics.median(ratios)
            if points:
                yield Series(subject, kind, points)


def chart(lines: Sequence[Series], measured: Mapping[str, Any]) -> str:
    """Draw *lines* on two logarithmic axes; *measured* says when and on what."""
    highest = max(ratio for line in lines for ratio in line.points.values())
    decades = math.ceil(math.log10(highest))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>CPU time a packet by the number of rules, wirepath and nft</title>",
        f"<style>\n{_STYLE}{_coloured(_LIGHT)}@media (prefers-color-scheme: dark) {{",
        f"{_coloured(_DARK)}}}\n</style>",
        f'<rect class="page" x="1" y="1" width="{_WIDTH - 2}" height="{_HEIGHT - 2}" rx="8"/>',
        _text(20, 32, "What a packet costs, by the number of rules", "title"),
        _text(20, 55, _KEY, "faint"),
        *_grid(decades),
        *(_drawn(line, decades) for line in lines),
        *_labels(lines, decades),
        _text(20, _HEIGHT - 14, _provenance(measured), "faint"),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _coloured(palette: Mapping[str, str]) -> str:
    style = _COLOURS
    for name, colour in palette.items():
        style = style.replace(name, colour)
    return style


def _provenance(measured: Mapping[str, Any]) -> str:
    kernel = ".".join(measured["kernel"].split(".")[:2])
    return (
        f"Linux {kernel}, {measured['when'][:7]}; the generator's share included, every packet "
        "dropped (docs/benchmarks.md)"
    )


def _x(count: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * math.log10(count) / math.log10(_COUNTS[-1])


def _y(ratio: float, decades: int) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * math.log10(ratio) / decades


def _grid(decades: int) -> Iterator[str]:
    for decade in range(decades + 1):
        y = _y(10**decade, decades)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 10, y + 5, f"{10**decade:,}{_TIMES}", anchor="end")
    for count in _COUNTS:
        yield _text(_x(count), _BOTTOM + 25, f"{count:,}", anchor="middle")
    yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 47, "rules in the policy", anchor="middle")
    yield _text(20, _TOP - 20, "CPU time a packet, as a multiple of one wirepath rule")


def _drawn(line: Series, decades: int) -> str:
    at = {count: (_x(count), _y(ratio, decades)) for count, ratio in line.points.items()}
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in at.values())
    circles = "".join(
        f'\n<circle cx="{x:.1f}" cy="{y:.1f}" r="4">'
        f"<title>{line.subject}, {count:,} {line.kind}: {_times(line.points[count])}</title>"
        "</circle>"
        for count, (x, y) in at.items()
    )
    return f'<g class="{line.subject} {line.kind}">\n<path d="M{path}"/>{circles}\n</g>'


def _labels(lines: Sequence[Series], decades: int) -> Iterator[str]:
    """Label each line at its end; labels that would overlap are moved apart."""
    ends = [(_y([*line.points.values()][-1], decades), line) for line in lines]
    lowest = math.inf
    for y, line in sorted(ends, key=lambda end: -end[0]):
        lowest = min(y + 5, lowest - _LABEL)
        name = line.subject if line.kind == "realistic" else f"{line.subject}, {line.kind}"
        words = f"{name} {_times([*line.points.values()][-1])}"
        yield f'<g class="{line.subject}">{_text(_RIGHT + 14, lowest, words, "label")}</g>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}{_TIMES}" if ratio >= 10 else f"{ratio:.1f}{_TIMES}"


if __name__ == "__main__":
    sys.exit(main())
