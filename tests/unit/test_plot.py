"""Plots on logarithmic axes: what is where, and in which colour."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from wirepath.bench import plot
from wirepath.bench.plot import Series, Theme, Words, chart

SVG = "{http://www.w3.org/2000/svg}"
WORDS = Words("A title", "A key", "things", "cost", "2026", " ns")
LINES = [
    Series("nft set", {1: 100.0, 1_000: 10_000.0}),
    Series("wirepath", {1: 100.0, 10: 100.0, 1_000: 250.0}),
    Series("wirepath", {10: 1_000.0}, "hostile", dotted=True),
]


def places(line: ET.Element) -> list[tuple[float, float]]:
    circles = line.iter(SVG + "circle")
    return [(float(c.get("cx", "nan")), float(c.get("cy", "nan"))) for c in circles]


def drawn(lines: list[Series] = LINES, words: Words = WORDS) -> ET.Element:
    return ET.fromstring(chart(lines, words))  # noqa: S314 - our own


def groups(root: ET.Element) -> dict[str, ET.Element]:
    return {line.get("class", ""): line for line in root.iter(SVG + "g") if places(line)}


def test_both_axes_are_logarithmic() -> None:
    found = groups(drawn())
    assert set(found) == {"nft-set", "wirepath", "wirepath hostile dotted"}
    (left, bottom), (right, top) = places(found["nft-set"])
    (_, first), (middle, second), (_, third) = places(found["wirepath"])
    assert middle == pytest.approx(left + (right - left) / 3, abs=0.1)
    assert first == second == bottom
    assert bottom - third == pytest.approx((bottom - top) * 0.199, abs=0.1)  # log10(2.5) / 2
    assert places(found["wirepath hostile dotted"]) == [(middle, (bottom + top) / 2)]


def test_costs_below_one() -> None:
    [(_, low), (_, high)] = places(
        groups(drawn([Series("wirepath", {1: 0.2, 10: 5.0})]))["wirepath"]
    )
    assert low > high
    texts = [each.text for each in drawn([Series("wirepath", {1: 0.2})]).iter(SVG + "text")]
    assert "0.1" in texts


def test_labels_do_not_overlap() -> None:
    lines = [Series(f"number {n}", {1: 100.0 + n}) for n in range(8)]
    labels = [t for t in drawn(lines).iter(SVG + "text") if t.get("class") == "label"]
    heights = sorted(float(label.get("y", "nan")) for label in labels)
    assert len(heights) == 8
    assert all(b - a >= 18 for a, b in pairwise(heights))


def test_every_point_says_what_it_is() -> None:
    titles = [each.text for each in drawn().iter(SVG + "title")]
    assert titles == [
        "A title", "nft set, 1: 100 ns", "nft set, 1,000: 10,000 ns", "wirepath, 1: 100 ns",
        "wirepath, 10: 100 ns", "wirepath, 1,000: 250 ns", "wirepath, 10 hostile: 1,000 ns",
    ]  # fmt: skip


def test_words_are_escaped() -> None:
    root = drawn(words=Words("a < b", "c & d", "x", "y", "z"))
    assert {"a < b", "c & d"} <= {each.text for each in root.iter(SVG + "text")}


def test_wirepath_keeps_its_colour() -> None:
    for lines in (LINES, LINES[1:]):
        style = chart(lines, WORDS)
        assert f".wirepath path {{ stroke: {plot.LIGHT.lines[0]}; }}" in style
        assert f".wirepath path {{ stroke: {plot.DARK.lines[0]}; }}" in style


@pytest.mark.parametrize("theme", [plot.LIGHT, plot.DARK], ids=["light", "dark"])
def test_colours_can_be_read(theme: Theme) -> None:
    """WCAG 2.1 section 1.4.3: text has a contrast of 4.5 or more."""
    page = luminance(theme.page["PAGE"])
    assert len(set(theme.lines)) == len(theme.lines)
    for colour in (theme.page["TEXT"], theme.page["FAINT"], *theme.lines):
        low, high = sorted((page, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def luminance(colour: str) -> float:
    assert re.fullmatch("#[0-9a-f]{6}", colour)
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(weight * x for weight, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
