"""Listings of bans: what C writes, compared with the same listing made by Python."""

import json
import locale
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.listed import OFFSETS, Row, batch, listed, saved
from harness.set_memory import PREFIXES
from wirepath.cli import show
from wirepath.datapath.live.ban_lists import parse_bans
from wirepath.datapath.live.ban_view import NEVER_NS, BanEntry
from wirepath.net import Prefix
from wirepath.prefixes.ban_rows import BanRows, Moment
from wirepath.quantities import SECOND_NS

NOW = Moment(boot_ns=3 * SECOND_NS, wall_s=1_795_380_041.25)
RULES = {1: "ssh", 2: "a.long_name-of-a.rule", 7: "web"}
DAY = 86_400 * SECOND_NS

NUMBERS = st.one_of(st.integers(0, 2000), st.integers(0, NEVER_NS))
SLOTS = st.sampled_from([0, 0, 1, 2, 3, 7, 8, (1 << 28) + 1, (1 << 32) - 1])
LEFT = st.one_of(
    st.integers(-3 * SECOND_NS, 100_000),
    st.integers(0, 100 * DAY),
    st.integers(0, 200_000).map(lambda n: n * SECOND_NS // 2),
    st.integers(0, NEVER_NS - NOW.boot_ns),
)
ROWS = st.builds(
    Row,
    PREFIXES | st.builds(Prefix.around, st.integers(0, (1 << 128) - 1), st.integers(0, 128)),
    SLOTS,
    st.one_of(st.just(NEVER_NS), LEFT.map(lambda left: NOW.boot_ns + left)),
    st.one_of(SLOTS, st.just(NEVER_NS)),
    NUMBERS,
    NUMBERS,
)


def different(rows: Sequence[Row]) -> list[Row]:
    """Keep one row of each key, as a map does."""
    return list({row.key(): row for row in rows}.values())


def rows_of(rows: Sequence[Row], rules: Mapping[int, str] = RULES) -> BanRows:
    half = len(rows) // 2
    return BanRows([batch(rows[:half]), batch(rows[half:])], OFFSETS, NOW, rules)


def table(entries: Sequence[BanEntry]) -> str:
    ends = (
        "until unban" if b.remaining_s is None else show.duration(b.remaining_s) for b in entries
    )
    rows = (
        (str(ban.prefix), end, ban.packets, ban.bytes, ban.rule, ban.scope)
        for ban, end in zip(entries, ends, strict=True)
    )
    with redirect_stdout(StringIO()) as printed:
        show.table(("banned", "remaining", "packets", "bytes", "rule", "scope"), rows)
    return printed.getvalue()


def check(rows: Sequence[Row], rules: Mapping[int, str] = RULES) -> list[BanEntry]:
    found, expected = rows_of(rows, rules), listed(rows, NOW.boot_ns, rules)
    assert len(found) == len(expected)
    assert "".join(found.json()) == json.dumps([ban.document() for ban in expected])[1:-1]
    assert "".join(found.lines()) == saved(expected, NOW)
    assert "".join(found.table()) == table(expected)
    return expected


@given(st.lists(ROWS, max_size=30).map(different))
def test_listed_as_by_python(rows: list[Row]) -> None:
    check(rows)


@given(LEFT)
@example(1)
@example(99_999)
@example(100_000)
@example(500_000_000)
@example(1_500_000_000)
@example((SECOND_NS << 23) - 1)
@example((SECOND_NS << 23) + 1)
@example((1 << 53) - 1)
@example((1 << 53) + 1)
@example(NEVER_NS - NOW.boot_ns - 1)
def test_times_left(left: int) -> None:
    check([Row(Prefix.parse("192.0.2.1"), expires_ns=NOW.boot_ns + left)])


def test_every_kind_of_ban() -> None:
    """Also those that are not listed: expired ones, and those on a rule that is gone."""
    parse = Prefix.parse
    later = NOW.boot_ns + DAY
    expected = check([
        Row(parse("2001:db8::/32"), 0, later, 1, NEVER_NS, NEVER_NS),
        Row(parse("2001:db8::1"), 7, later, 7),
        Row(parse("203.0.113.9"), 2, NEVER_NS, 2, 12, 1_234_567),
        Row(parse("203.0.113.9"), 0, later + 1, 99),  # imposed by a rule that is gone
        Row(parse("203.0.113.0/24")),
        Row(parse("0.0.0.0/0")),
        Row(parse("::/0")),
        Row(parse("192.0.2.1"), expires_ns=NOW.boot_ns),
        Row(parse("192.0.2.2"), scope=3),
        Row(parse("255.255.255.255"), expires_ns=NOW.boot_ns + 1),
    ])  # fmt: skip
    assert [(str(ban.prefix), ban.scope) for ban in expected] == [
        ("::/0", None),
        ("0.0.0.0/0", None),
        ("203.0.113.0/24", None),
        ("203.0.113.9", None),
        ("203.0.113.9", "a.long_name-of-a.rule"),
        ("255.255.255.255", None),
        ("2001:db8::/32", None),
        ("2001:db8::1", "web"),
    ]


def test_no_bans() -> None:
    assert check([]) == []
    assert check([Row(Prefix.parse("192.0.2.1"), scope=1)], rules={}) == []


def test_a_program_with_a_decimal_comma() -> None:
    """Half a year takes the way through the C library, which heeds the locale of the process."""
    before = locale.setlocale(locale.LC_NUMERIC)
    try:
        locale.setlocale(locale.LC_NUMERIC, "de_DE.UTF-8")
    except locale.Error:
        pytest.skip("this host has no locale de_DE.UTF-8")
    try:
        check([Row(Prefix.parse("192.0.2.1"), expires_ns=NOW.boot_ns + 183 * DAY + 1)])
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


def test_many_in_little_memory() -> None:
    """One takes 48 bytes; a text comes in parts, so that it is never in memory as a whole."""
    count, at_once = 300_000, 10_000
    random = np.random.default_rng(7)

    def batches() -> Iterator[tuple[bytes, bytes]]:
        keys = np.zeros((at_once, 3), dtype=np.uint64)
        values = np.zeros((at_once, OFFSETS.size // 8), dtype=np.uint64)
        values[:, OFFSETS.expires_ns // 8] = NEVER_NS
        for first in range(0, count, at_once):
            keys[:, 0] = random.integers(0, 1 << 62, at_once)
            keys[:, 1] = np.arange(first, first + at_once)
            keys[:, 2] = 128
            yield keys.tobytes(), values.tobytes()

    next(batches())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = BanRows(batches(), OFFSETS, NOW, RULES)
    lines = sum(part.count("\n") for part in rows.table())
    assert (len(rows), lines) == (count, count + 1)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 48 * count + (8 << 20)


def test_a_file_is_restored_as_it_was_saved() -> None:
    rows = [
        Row(Prefix.parse("192.0.2.1"), 0, NOW.boot_ns + 5 * SECOND_NS // 2, 1),
        Row(Prefix.parse("2001:db8::/32"), 7, NEVER_NS, 7),
    ]
    text = "".join(rows_of(rows).lines())
    found = parse_bans(text.encode())
    assert [prefix for prefix, _ in found.kept] == [row.prefix for row in rows]
    assert found.saved == [(NOW.wall_s + 2.5, "ssh", None), (None, "web", "web")]
