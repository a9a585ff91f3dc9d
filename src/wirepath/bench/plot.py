"""Plots of cost on two logarithmic axes, as SVG that follows the reader's light or dark theme."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

TIMES: Final = "\N{MULTIPLICATION SIGN}"

# The picture, in pixels; the plot inside it.
_WIDTH: Final = 780
_HEIGHT: Final = 440
_LEFT: Final = 76
_RIGHT: Final = 560
_TOP: Final = 108
_BOTTOM: Final = 348
_LABEL: Final = 19  # from one label to the next
_PLAIN: Final = 10  # from here on, figures are whole numbers

_STYLE: Final = """\
text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
text.title { font-size: 17px; font-weight: 600; }
text.label { font-weight: 600; }
text.faint { font-size: 13px; }
path { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.dotted path { stroke-width: 2; stroke-dasharray: 3 4; }
"""
_PAGE: Final = """\
.page { fill: PAGE; stroke: EDGE; }
.grid { stroke: GRID; }
text { fill: TEXT; }
text.faint { fill: FAINT; }
"""
_LINE: Final = """\
.NAME path { stroke: COLOUR; }
.NAME circle, .NAME text { fill: COLOUR; }
"""


@dataclass(frozen=True)
class Theme:
    """The colours of a theme.

    Attributes:
        page: by their names in the style.
        lines: of subjects, the first for wirepath.
    """

    page: Mapping[str, str]
    lines: Sequence[str]


LIGHT: Final = Theme(
    {
        "PAGE": "#ffffff", "EDGE": "#d0d7de", "GRID": "#e4e8ec", "TEXT": "#1f2328",
        "FAINT": "#59636e",
    },
    (
        "#0757ba", "#a63c00", "#1a7f37", "#8250df", "#b3246b", "#57606a", "#0a7285", "#7d5a00",
        "#c1121f", "#3d4a8a", "#4d5d00",
    ),
)  # fmt: skip
DARK: Final = Theme(
    {
        "PAGE": "#161b22", "EDGE": "#5c6570", "GRID": "#30363d", "TEXT": "#e6edf3",
        "FAINT": "#a2abb6",
    },
    (
        "#6cb0ff", "#ff9d57", "#56d364", "#bc8cff", "#ff80b5", "#a8b3bf", "#5fd3e6", "#e3b341",
        "#ff8b8b", "#a5b4fc", "#c3d66b",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Series:
    """A line of the plot.

    Attributes:
        subject: what is measured; decides the colour.
        points: cost by number.
        kind: what tells lines of one subject apart.
        dotted: how the line is drawn.
    """

    subject: str
    points: Mapping[int, float]
    kind: str = ""
    dotted: bool = False

    @property
    def label(self) -> str:
        """The words at its end."""
        return f"{self.subject}, {self.kind}" if self.dotted else self.subject


@dataclass(frozen=True)
class Words:
    """The words of a plot.

    Attributes:
        title, key: above it.
        x, y: at its axes.
        foot: below it.
        unit: of the cost, such as TIMES or `` ns``.
    """

    title: str
    key: str
    x: str
    y: str
    foot: str
    unit: str = TIMES


def chart(lines: Sequence[Series], words: Words) -> str:
    """Draw *lines*; wirepath and then the other subjects get their colours in order."""
    return Chart(lines, words).draw()


class Chart:
    """A plot that is being drawn.

    Args:
        lines: at least one, each with at least one point.
        words: its words.
    """

    def __init__(self, lines: Sequence[Series], words: Words) -> None:
        self._lines = lines
        self._words = words
        costs = [cost for line in lines for cost in line.points.values()]
        self._low = math.floor(math.log10(min(costs)) + 0.02)
        self._high = max(self._low + 1, math.ceil(math.log10(max(costs))))
        self._counts = sorted({count for line in lines for count in line.points})

    def draw(self) -> str:
        """Draw it."""
        words = self._words
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            f"<title>{escape(words.title)}</title>",
            f"<style>\n{_STYLE}{self._coloured(LIGHT)}@media (prefers-color-scheme: dark) {{",
            f"{self._coloured(DARK)}}}\n</style>",
            f'<rect class="page" x="1" y="1" width="{_WIDTH - 2}" height="{_HEIGHT - 2}" rx="8"/>',
            _text(20, 32, words.title, "title"),
            _text(20, 55, words.key, "faint"),
            *self._grid(),
            *map(self._drawn, self._lines),
            *self._labels(),
            _text(20, _HEIGHT - 14, words.foot, "faint"),
            "</svg>\n",
        ]
        return "\n".join(parts)

    def _coloured(self, theme: Theme) -> str:
        style = _PAGE
        for name, colour in theme.page.items():
            style = style.replace(name, colour)
        subjects = sorted({line.subject: None for line in self._lines}, key=_place)
        for number, subject in enumerate(subjects):
            colour = theme.lines[number % len(theme.lines)]
            style += _LINE.replace("NAME", _slug(subject)).replace("COLOUR", colour)
        return style

    def _x(self, count: int) -> float:
        first, last = (math.log10(self._counts[at]) for at in (0, -1))
        part = (math.log10(count) - first) / (last - first) if last > first else 0.0
        return _LEFT + (_RIGHT - _LEFT) * part

    def _y(self, cost: float) -> float:
        part = (math.log10(cost) - self._low) / (self._high - self._low)
        return _BOTTOM - (_BOTTOM - _TOP) * part

    def _grid(self) -> Iterator[str]:
        for decade in range(self._low, self._high + 1):
            y = self._y(10.0**decade)
            yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            label = f"{10.0**decade:,.0f}" if decade >= 0 else f"{10.0**decade:g}"
            unit = self._words.unit if self._words.unit == TIMES else ""
            yield _text(_LEFT - 10, y + 5, f"{label}{unit}", anchor="end")
        for count in self._counts:
            yield _text(self._x(count), _BOTTOM + 25, f"{count:,}", anchor="middle")
        yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 47, self._words.x, anchor="middle")
        yield _text(20, _TOP - 20, self._words.y)

    def _drawn(self, line: Series) -> str:
        at = {count: (self._x(count), self._y(cost)) for count, cost in line.points.items()}
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in at.values())
        circles = "".join(
            f'\n<circle cx="{x:.1f}" cy="{y:.1f}" r="4">'
            f"<title>{escape(line.subject)}, {count:,}{f' {line.kind}' if line.kind else ''}: "
            f"{self._cost(line.points[count])}</title></circle>"
            for count, (x, y) in at.items()
        )
        kinds = (_slug(line.subject), line.kind, "dotted" if line.dotted else "")
        return f'<g class="{" ".join(filter(None, kinds))}">\n<path d="M{path}"/>{circles}\n</g>'

    def _labels(self) -> Iterator[str]:
        """Label each line at its end; labels that would overlap are moved apart."""
        ends = [([*line.points.values()][-1], line) for line in self._lines]
        lowest = math.inf
        for cost, line in sorted(ends, key=lambda end: end[0]):
            lowest = min(self._y(cost) + 5, lowest - _LABEL)
            words = f"{line.label} {self._cost(cost)}"
            text = _text(_RIGHT + 14, lowest, words, "label")
            yield f'<g class="{_slug(line.subject)}">{text}</g>'

    def _cost(self, cost: float) -> str:
        return (
            f"{cost:,.0f}{self._words.unit}" if cost >= _PLAIN else f"{cost:.1f}{self._words.unit}"
        )


def _place(subject: str) -> tuple[bool, str]:
    return subject != "wirepath", subject


def _slug(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower())


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
