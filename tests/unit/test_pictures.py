"""The pictures of the README show measured figures, and nothing about a machine."""

import json
import math
import re
import runpy
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DIRECTORY = ROOT / "docs" / "pictures"
PICTURES = sorted(DIRECTORY.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"

# By line (subject and kind of rules): cost by the number of rules, in units of one wirepath rule.
Figures = dict[str, dict[int, float]]


def root(picture: Path) -> ET.Element:
    return ET.fromstring(picture.read_text())  # noqa: S314 - our own


def number(text: str) -> int:
    return int(text.replace(",", ""))


def recorded() -> Figures:
    """Read `rules.jsonl`."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in (DIRECTORY / "rules.jsonl").read_text().splitlines():
        row = json.loads(line)
        subject, rules = row["name"].split(", ")
        kind = row["table"].split()[1]
        found[f"{subject} {kind}"][number(rules.split()[0])].append(row["ratio"])
    return {
        name: {count: statistics.median(ratios) for count, ratios in points.items()}
        for name, points in found.items()
    }


def test_the_readme_shows_them_all() -> None:
    shown = {Path(path).name for path in re.findall(r"!\[.+?\]\((.+?)\)", README.read_text())}
    assert shown == {picture.name for picture in PICTURES} == {"rules.svg", "top.svg"}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_nothing_of_a_machine(picture: Path) -> None:
    assert root(picture).tag == f"{SVG}svg"
    text = picture.read_text().replace(SVG[1:-1], "")
    assert "://" not in text  # nothing is loaded from elsewhere
    assert not re.search(r"/(tmp|root|home|work|usr|var|run|etc)\b", text)


def test_screen_of_top() -> None:
    words = " ".join(
        "".join(text.itertext()) for text in root(DIRECTORY / "top.svg").iter(SVG + "text")
    )
    words = words.replace("\N{NO-BREAK SPACE}", " ")
    for title in ("verdict", "reason", "rule", "banned", "by rule", "of rule", "every 1 s; q ends"):
        assert title in words
    addresses = re.findall(r"\b\d+\.\d+\.\d+\.\d+\b|\b2[0-9a-f]{3}:[0-9a-f:]+", words)
    assert addresses
    for address in addresses:  # RFC 5737, RFC 3849
        assert address.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:")), address


def test_chart_shows_what_was_measured() -> None:
    places = []
    shown: dict[str, dict[int, str]] = {}
    figures = recorded()
    for line in root(DIRECTORY / "rules.svg").iter(SVG + "g"):
        for circle in line.iter(SVG + "circle"):
            title = circle.findtext(SVG + "title") or ""
            subject, rules, kind, times = re.fullmatch(
                r"(\w+), ([\d,]+) (\w+): ([\d,.]+)\N{MULTIPLICATION SIGN}", title
            ).groups()  # type: ignore[union-attr]
            name, count = f"{subject} {kind}", number(rules)
            assert line.get("class") == name
            shown.setdefault(name, {})[count] = times
            places.append((figures[name][count], float(circle.get("cy", "nan"))))
    assert shown == {
        name: {count: f"{x:,.0f}" if x >= 10 else f"{x:.1f}" for count, x in points.items()}
        for name, points in figures.items()
    }
    (low, bottom), (high, top) = min(places), max(places)
    for ratio, y in places:  # on a logarithmic axis
        part = math.log(ratio / low) / math.log(high / low)
        assert y == pytest.approx(bottom + part * (top - bottom), abs=0.1)


def test_benchmarks_say_the_same_as_the_chart() -> None:
    """New measurements go into both: the chart (`make pictures`) and the table."""
    table = (
        (ROOT / "docs" / "benchmarks.md").read_text().partition("| rules on five dimensions |")[2]
    )
    told: Figures = {}
    for rules, kind, wirepath, nft in re.findall(
        r"^\| ([\d,]+)(?:, (\w+))? \| [\d,]+ \| ([\d.,]+) \| ([\d.,]+) \|$",
        table.partition("\n\n")[0],
        re.MULTILINE,
    ):
        for subject, times in (("wirepath", wirepath), ("nft", nft)):
            line = told.setdefault(f"{subject} {kind or 'realistic'}", {})
            line[number(rules)] = float(times.replace(",", ""))
    figures = recorded()
    assert set(told) == set(figures)
    for name, points in told.items():
        assert set(points) | {1} == set(figures[name]) | {1}
        assert points == pytest.approx({count: figures[name][count] for count in points}, rel=0.05)


def test_chart_is_drawn_from_the_last_run(tmp_path: Path) -> None:
    drawing = runpy.run_path(str(DIRECTORY / "rules.py"))
    rows: list[dict[str, Any]] = [
        {"table": f"{table} rules on five dimensions", "name": name, "ratio": ratio * factor}
        for factor in (9, 1)  # an older run, and the latest
        for table, name, ratio in [
            ("10 realistic", "wirepath, 1 rule", 1),
            ("10 realistic", "nft, 1 rule", 2),
            ("100 realistic", "nft, 1 rule", 4),
            ("10 hostile", "wirepath, 10 rules", 1.5),
            ("10 realistic", "bare_drop", 0.7),
        ]
    ]
    found = {
        f"{line.subject} {line.kind}": line.points
        for line in drawing["series"](drawing["last_run"](rows))
    }
    assert found == {
        "nft realistic": {1: 3},
        "wirepath realistic": {1: 1},
        "wirepath hostile": {10: 1.5},
    }


@pytest.mark.parametrize("theme", ["_LIGHT", "_DARK"])
def test_colours_can_be_read(theme: str) -> None:
    """WCAG 2.1 section 1.4.3: text has a contrast of 4.5 or more."""
    colours = runpy.run_path(str(DIRECTORY / "rules.py"))[theme]
    page = luminance(colours["PAGE"])
    for name in ("TEXT", "FAINT", "WIREPATH", "NFT"):
        low, high = sorted((page, luminance(colours[name])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
