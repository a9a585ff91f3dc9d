"""The pictures of README and docs show measured figures, and nothing about a machine."""

import json
import math
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import pictures
from pictures import DRAWN, Picture

ROOT = Path(__file__).parents[2]
PAPERS = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
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


def test_the_pages_show_them_all() -> None:
    shown = {
        Path(path).name
        for paper in PAPERS
        for path in re.findall(r"!\[.+?\]\((.+?)\)", paper.read_text())
    }
    assert shown == {picture.name for picture in PICTURES}
    assert shown == {"top.svg", *(picture.file.name for picture in DRAWN)}


@pytest.mark.parametrize("picture", DRAWN, ids=lambda picture: picture.name)
def test_they_can_be_drawn_again(picture: Picture) -> None:
    """What `make pictures` draws of the figures in the repository is the picture there."""
    assert picture.drawing(picture.known()) == picture.file.read_text()


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
            assert line.get("class") == name + " dotted" * (kind == "hostile")
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


def test_chart_is_drawn_from_the_last_run() -> None:
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
    assert drawn("rules", rows) == {
        "nft realistic": {1: 3},
        "wirepath realistic": {1: 1},
        "wirepath hostile": {10: 1.5},
    }


def test_hosts_and_prefixes_are_lines_of_their_own() -> None:
    rows: list[dict[str, Any]] = [
        {"table": "1 address, every packet listed", "name": name, "ratio": ratio}
        for name, ratio in [
            ("bare_drop", 1.0),
            ("wirepath, 1 host", 1.1),
            ("wirepath, 1 prefix", 1.2),
            ("nft set, 1,000 hosts", 4.0),
        ]
    ]
    assert drawn("prefixes", rows) == {
        "wirepath hosts": {1: 1.1},
        "wirepath prefixes": {1: 1.2},
        "nft set hosts": {1_000: 4.0},
    }


def test_bans_are_lines_by_table() -> None:
    rows: list[dict[str, Any]] = [
        {"table": f"{table}, 100,000 sources, dropped by a rule", "name": name, "ratio": 1.0}
        for table, name in [
            ("bans of other IPv4 hosts", "wirepath, no ban"),
            ("bans of other IPv4 hosts", "wirepath, 1 ban"),
            ("bans of other IPv6 hosts", "wirepath, 1,000 bans"),
            ("bans of other IPv4 prefixes", "wirepath, 1 ban"),
            ("100,000 bans of IPv4 hosts", "wirepath"),
        ]
    ]
    assert drawn("bans", rows) == {
        "wirepath IPv4 hosts": {1: 1.0},
        "wirepath IPv6": {1_000: 1.0},
        "wirepath prefixes": {1: 1.0},
    }


def drawn(name: str, rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    [picture] = [each for each in DRAWN if each.name == name]
    lines = picture.series(picture.newest(rows))
    return {f"{line.subject} {line.kind}": dict(line.points) for line in lines}


def test_a_run_cut_short_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PICTURES", tmp_path)
    monkeypatch.setattr(pictures, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    [picture] = [each for each in DRAWN if each.name == "prefixes"]
    assert picture.draw() == "no figures yet for prefixes.svg: measure prefixes"
    rows = [
        {
            "table": f"{count} addresses",
            "name": f"wirepath, {count} hosts",
            "ratio": ratio,
            "when": when,
            "kernel": "6.18.44-other",
        }
        for when, ratio, counts in (("2026-11-02", 1.0, (10, 100)), ("2026-11-03", 2.0, (10,)))
        for count in counts
    ]
    results = tmp_path / "results" / "prefixes.jsonl"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    assert picture.draw() == "drew prefixes.svg, measured 2026-11-02 on Linux 6.18.44"
    results.write_text(json.dumps(rows[2]) + "\n")
    assert picture.draw() == "drew prefixes.svg, measured 2026-11-02 on Linux 6.18.44"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture.draw()
    assert [row["ratio"] for row in picture.known()] == [2.0, 1.0]
