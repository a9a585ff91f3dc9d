"""Files of bans: written bans are read back, and bad lines are reported by their number."""

import pytest

from wirepath.datapath.live.ban_lists import Saved, parse_bans
from wirepath.net import Prefix
from wirepath.prefixes import Members, parse_list

PREFIXES = [Prefix.parse(text) for text in ("192.0.2.1", "198.51.100.0/24", "2001:db8::/32")]
ENDS = [None, 1795380041.25, 1795380041.0]
NAMES = [(None, None), ("ssh", None), ("ssh", "ssh")]
TEXT = b"""\
{"cidr": "192.0.2.1", "expires": null, "rule": null, "scope": null}
{"cidr": "198.51.100.0/24", "expires": 1795380041.250, "rule": "ssh", "scope": null}
{"cidr": "2001:db8::/32", "expires": 1795380041.000, "rule": "ssh", "scope": "ssh"}
"""


def listed(members: Members) -> list[Prefix]:
    return [prefix for prefix, _ in members]


def test_what_is_written_is_read_again() -> None:
    found = parse_bans(TEXT)
    assert listed(found.kept) == PREFIXES
    assert found.saved == [
        Saved(end, *names) for end, names in zip(ENDS, NAMES, strict=True)
    ]  # fmt: skip
    assert (len(found.plain), found.bad) == (0, [])


def test_a_file_of_bans_is_a_list_of_prefixes() -> None:
    assert listed(parse_list(TEXT, "bans").members) == PREFIXES


def test_nothing_is_banned() -> None:
    for text in (b"", b"\xef\xbb\xbf\n# none\n"):
        found = parse_bans(text)
        assert (len(found.prefixes), found.saved, found.bad) == (0, [], [])


def test_lists_of_all_kinds_in_one_file() -> None:
    found = parse_bans(
        b"\xef\xbb\xbf# a list\n192.0.2.0/25 ; half\r\n"
        b' {"cidr": "198.51.100.7", "expires": null}\r\n'
        b'{"type": "metadata", "records": 2}\n'
        b'{"cidr": "203.0.113.0/24", "sblid": "SBL1"}\n'
    )
    assert listed(found.plain) == [Prefix.parse("192.0.2.0/25"), Prefix.parse("203.0.113.0/24")]
    assert listed(found.kept) == [Prefix.parse("198.51.100.7")]
    assert found.saved == [Saved(None, None, None)]
    assert found.bad == []


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.0/33",
        "192.0.2.1 1h",
        "{",
        '{"cidr": "192.0.2.1", "expires": null',
        '{"cidr": "192.0.2.1", "expires": "never"}',
        '{"cidr": "192.0.2.1", "expires": true}',
        '{"cidr": "192.0.2.1", "expires": NaN}',
        '{"cidr": "192.0.2.1", "expires": 1e999}',
        '{"cidr": "192.0.2.1", "expires": -1}',
        '{"cidr": "192.0.2.1", "expires": null, "rule": 7}',
        '{"cidr": "192.0.2.1", "expires": null, "scope": ["ssh"]}',
        '{"cidr": 7, "expires": null}',
        '{"cidr": "", "expires": null}',
        '{"cidr": "192.0.2.1\\n192.0.2.2", "expires": null}',
        '{"cidr": "# 192.0.2.1", "expires": null}',
        '{"cidr": "192.0.2.1/24", "expires": null}',
        '{"cidr": "::ffff:192.0.2.1", "expires": null}',
        '{"expires": null}',
        '{"cidr": "192.0.2.1", "expires": null}, {}',
        '{"a":' * 100_000,
    ],
)
def test_bad_lines_are_named_and_the_others_kept(line: str) -> None:
    found = parse_bans(TEXT + f"\n{line}\n10.0.0.0/8\n".encode() + TEXT)
    assert [bad.line for bad in found.bad] == [5]
    assert len(found.bad[0].text) <= 64
    assert listed(found.kept) == PREFIXES * 2
    assert len(found.saved) == 6
    assert listed(found.plain) == [Prefix.parse("10.0.0.0/8")]
