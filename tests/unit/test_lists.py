"""Reading and writing lists of prefixes, compared with the standard library's ipaddress."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirepath.errors import RequestError
from wirepath.net import Prefix
from wirepath.prefixes import BadLine, Members, format_members, parse_list


def prefixes(text: bytes) -> list[str]:
    parsed = parse_list(text, "list")
    assert parsed.bad == []
    return [str(prefix) for prefix, _ in parsed.members]


def test_the_shortest_of_each_family() -> None:
    parsed = parse_list(b"10.0.0.0/9\n\n2001:db8::/32\n10.0.0.0/8\n11.0.0.0/8\n::/95\n", "list")
    assert [(str(prefix), line) for prefix, line in parsed.widest] == [
        ("10.0.0.0/8", 4),
        ("2001:db8::/32", 3),
    ]
    assert parse_list(b"# none\n", "list").widest == ()
    only = parse_list(b'x\n{"cidr": "::/0"}\n', "list")
    assert [(str(prefix), line) for prefix, line in only.widest] == [("::/0", 2)]


@pytest.mark.parametrize(
    ("text", "is_no_list"),
    [
        (b"", False),
        (b"# nothing\n", False),
        (b'{"type": "metadata"}\n', True),
        (b'{"address": "192.0.2.1"}\n', True),
        (b"<html>\n", True),
        (b'{"cidr": "192.0.2.1"}\n{"type": "metadata"}\n', False),
        (b"<html>\n192.0.2.1\n", False),
    ],
)
def test_what_is_no_list(text: bytes, *, is_no_list: bool) -> None:
    assert parse_list(text, "list").is_no_list == is_no_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n\r\n  \n# only words\n; and more\n", []),
        (b"192.0.2.1", ["192.0.2.1"]),
        (b"192.0.2.0/24\n198.51.100.7/32", ["192.0.2.0/24", "198.51.100.7"]),
        (b"192.0.2.1\r\n192.0.2.2\r\n", ["192.0.2.1", "192.0.2.2"]),
        (b"# old\r192.0.2.1 ; a\r\r192.0.2.2\r", ["192.0.2.1", "192.0.2.2"]),
        (
            b"\t192.0.2.1  # who\n192.0.2.2;SBL1\n192.0.2.3#x\n",
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        ),
        (b"\xef\xbb\xbf192.0.2.1\n", ["192.0.2.1"]),
        (b"0.0.0.0/0\n::/0\n", ["0.0.0.0/0", "::/0"]),
        (b"2001:DB8::/32 ; upper case\n", ["2001:db8::/32"]),
        (b"64:ff9b::192.0.2.33\n", ["64:ff9b::c000:221"]),
        (b"::fffe:0:0/95\n", ["::fffe:0:0/95"]),
        (b'{"cidr":"192.0.2.0/24","sblid":"SBL1","rir":"arin"}\n', ["192.0.2.0/24"]),
        (
            b' {"a": {"cidr": "x"}, "b": [1, "]"], "cidr" : "2001:db8::\\/32"} \r\n',
            ["2001:db8::/32"],
        ),
        (b'{"type":"metadata","timestamp":1,"size":2,"ok":true}\n{}\n', []),
    ],
)
def test_good_lists(text: bytes, expected: list[str]) -> None:
    assert prefixes(text) == expected


NOT_ONE = "not an address or prefix (write one a line, or --skip-bad)"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("192.0.2", NOT_ONE),
        ("192.0.2.256", NOT_ONE),
        ("192.0.2.1.5", NOT_ONE),
        ("192.0.2.1:80", NOT_ONE),
        ("192.0.2.1 192.0.2.2", NOT_ONE),
        ("192.0.2.1-192.0.2.9", NOT_ONE),
        ("192.0.2.1/", NOT_ONE),
        ("192.0.2.0/24x", NOT_ONE),
        ("192.0.2.0/255.255.255.0", NOT_ONE),
        ("+1.2.3.4", NOT_ONE),
        ("example.net", NOT_ONE),
        ("2001:db8", NOT_ONE),
        ("2001:db8:::1", NOT_ONE),
        ("1::2::3", NOT_ONE),
        ("1:2:3:4:5:6:7:8:9", NOT_ONE),
        ("1:2:3:4:5:6:7:8::", NOT_ONE),
        ("12345::", NOT_ONE),
        (":1", NOT_ONE),
        ("1:", NOT_ONE),
        ("1:2:3:4:5:6:7:1.2.3.4", NOT_ONE),
        ("fe80::1%eth0", NOT_ONE),
        ("192.0.02.1", "a number with a leading zero"),
        ("192.0.2.0/08", "a number with a leading zero"),
        ("192.0.2.0/33", "prefix length over 32, or over 128 for IPv6"),
        ("2001:db8::/129", "prefix length over 32, or over 128 for IPv6"),
        ("10.0.0.1/8", "host bits set, the prefix is 10.0.0.0/8"),
        ("2001:db8::1/64", "host bits set, the prefix is 2001:db8::/64"),
        ("::ffff:192.0.2.1", "an IPv4 address inside IPv6, write it as IPv4"),
        ("::ffff:c000:200/120", "an IPv4 address inside IPv6, write it as IPv4"),
        ('{"cidr":"192.0.2.0/24"', "a broken JSON object"),
        ('{"cidr":5}', "a broken JSON object"),
        ('{"cidr":"192.0.2.0/24"} x', "a broken JSON object"),
        ('{cidr:"192.0.2.0/24"}', "a broken JSON object"),
    ],
)
def test_bad_lines(line: str, why: str) -> None:
    text = f"# one\n{line}\t\n198.51.100.1\n"
    parsed = parse_list(text.encode(), "list")
    assert parsed.bad == [BadLine(2, line, why)]
    assert [str(prefix) for prefix, _ in parsed.members] == ["198.51.100.1"]


def test_a_bad_json_value_is_shown_by_itself() -> None:
    parsed = parse_list(b'{"cidr":"10.0.0.1/8","x":1}\n', "drop.json")
    assert parsed.bad == [BadLine(1, "10.0.0.1/8", "host bits set, the prefix is 10.0.0.0/8")]
    assert parsed.file == "drop.json"


def test_what_is_no_text_is_bad_and_cut() -> None:
    parsed = parse_list(b"\0\xff" * 500 + b"\n192.0.2.1\n", "list")
    assert [(bad.line, len(bad.text)) for bad in parsed.bad] == [(1, 64)]
    assert len(parsed.members) == 1


def test_members_get_their_set() -> None:
    parsed = parse_list(b"192.0.2.1\n", "list", set_id=63)
    assert list(parsed.members) == [(Prefix.parse("192.0.2.1"), 63)]
    assert list(parsed.members.in_set(5)) == [(Prefix.parse("192.0.2.1"), 5)]
    assert Members.join([parsed.members, parsed.members]).counts()[63] == 2


NETWORKS = (
    st.ip_addresses()
    .flatmap(
        lambda address: st.integers(0, address.max_prefixlen).map(
            lambda bits: ipaddress.ip_network(f"{address}/{bits}", strict=False)
        )
    )
    .filter(lambda n: n.version == 4 or n.network_address.ipv4_mapped is None)
)


@given(st.lists(NETWORKS))
def test_what_is_written_reads_back(networks: list[ipaddress.IPv4Network]) -> None:
    text = "".join(f"{n}\n" for n in networks)
    parsed = parse_list(text.encode(), "list")
    assert parsed.bad == []
    assert [str(p) for p, _ in parsed.members] == [str(Prefix.parse(str(n))) for n in networks]
    again = b"".join(format_members(parsed.members)).decode()
    whole = [str(n) if n.num_addresses > 1 else str(n.network_address) for n in networks]
    assert again.splitlines() == whole


@given(st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None))
def test_every_spelling_of_ipv6(address: ipaddress.IPv6Address) -> None:
    short = str(address)
    assert prefixes(f"{address.exploded}\n{short.upper()}\n{short}/128".encode()) == [short] * 3


ALMOST = st.text('0123456789abcdefABCDEF:./ \t#;{}"x', max_size=45)


@given(ALMOST)
def test_reads_exactly_what_the_standard_library_reads(text: str) -> None:
    words = re.split("[#;]", text, maxsplit=1)[0].strip(" \t")
    if "{" in words[:1]:
        return
    parsed = parse_list(text.encode(), "list")
    try:
        network = ipaddress.ip_network(words)
    except ValueError:
        expected = []
    else:
        expected = [network]
    found = [ipaddress.ip_network(str(prefix)) for prefix, _ in parsed.members]
    assert found == expected or _stricter(words)
    assert len(parsed.bad) + len(found) == bool(words)


def _stricter(words: str) -> bool:
    """Return whether we refuse what ipaddress accepts: netmasks, lengths like /08, mapped ones."""
    length = words.partition("/")[2]
    return "." in length or length[:1] in {"0", "+"} or "ffff:" in words.lower()


def test_what_is_no_list_at_all_ends_soon() -> None:
    with pytest.raises(RequestError, match=r"feed: 100,000 lines are no prefixes, .* line 100000 "):
        parse_list(b"x\n" * 20_000_000, "feed")


@given(st.binary())
def test_any_bytes_are_read(data: bytes) -> None:
    parsed = parse_list(data, "list")
    assert len(parsed.members) + len(parsed.bad) <= len(data.splitlines())


@given(st.ip_addresses(), st.integers(0, 1))
def test_a_line_break_inside_an_address_ends_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, behind: int
) -> None:
    text = address.exploded
    cut = max(text.rfind("."), text.rfind(":")) + behind
    parsed = parse_list(f"{text[:cut]}\n{text[cut:]}\n192.0.2.9\n".encode(), "list")
    assert [bad.line for bad in parsed.bad] == [1, 2]
    assert len(parsed.members) == 1
