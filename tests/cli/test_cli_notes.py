"""The notes of `wirepath check` on valid policies."""

import random
from pathlib import Path

import pytest

from harness.processes import Wirepath
from wirepath.policy import Policy
from wirepath.policy.notes import covers, notes


def matches(*tables: str) -> list[Policy]:
    return [
        Policy.parse(f'[set.a]\nprefixes = []\n[set.b]\n[[rule]]\nname = "r"\nmatch = {table}\n')
        for table in tables
    ]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("{}", '{ proto = "tcp" }'),
        ('{ proto = "tcp" }', '{ dport = 22, proto = "tcp" }'),
        ('{ dport = "1-1000" }', "{ dport = [22, 80] }"),
        ("{ port = [1, 2, 3] }", "{ port = [2, 1] }"),
        ('{ src = "10.0.0.0/8" }', '{ src = ["10.1.0.0/16", "10.2.0.0/16"] }'),
        ('{ src = ["@a", "@b"] }', '{ src = "@a" }'),
        ('{ src = "!@a" }', '{ src = ["@b", "!@a"] }'),
        ('{ src = "!10.1.0.0/16" }', '{ src = "!10.0.0.0/8" }'),
        ("{ fragment = true }", '{ fragment = "first" }'),
        ('{ tcp_flags = "syn" }', '{ dport = 22, tcp_flags = "syn" }'),
        ("{ icmp_type = [0, 8] }", "{ icmp_type = 8 }"),
    ],
)
def test_covered(wide: str, narrow: str) -> None:
    first, second = (policy.rules[0].match for policy in matches(wide, narrow))
    assert covers(first, second)
    assert covers(first, first)
    assert not covers(second, first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{ src = "10.0.0.0/8" }', '{ dst = "10.0.0.0/8" }'),
        ('{ src = "10.0.0.0/8" }', '{ src = "!10.0.0.0/8" }'),
        ('{ src = "0.0.0.0/0" }', '{ src = "::/0" }'),
        ('{ src = "@a" }', '{ src = ["@b", "!@a"] }'),
        ("{ dport = 22 }", "{ sport = 22 }"),
    ],
)
def test_not_covered(one: str, other: str) -> None:
    first, second = (policy.rules[0].match for policy in matches(one, other))
    assert not covers(first, second)
    assert not covers(second, first)


def test_notes_name_lines_in_order() -> None:
    policy = Policy.parse(
        '[set.used]\n[set.idle]\nprefixes = ["10.0.0.1"]\n'
        '[[rule]]\nname = "all"\nmatch = { src = "!@used" }\naction = "drop"\n'
        '[[rule]]\nname = "late"\nmatch = { src = "!@used", proto = "tcp" }\n'
        '[[rule]]\nname = "fine"\nmatch = { proto = "tcp" }\n',
        file="p",
    )
    assert list(map(str, notes(policy, {"used": 0, "idle": 1}))) == [
        "p:1: set.used: the set is empty: no address is in it",
        "p:2: set.idle: no rule names this set",
        "p:8: rule.late: never reached: rule all before it ends the walk of all it matches",
    ]


def test_never_block_and_families() -> None:
    """Rules that never_block leaves nothing, and ICMP of the other IP version."""
    rules = [
        'src = "192.0.2.1"',
        'src = ["192.0.2.0/28", "192.0.2.16"]',
        'src = "2001:db8::/32", proto = "icmp"',
        'dst = "192.0.2.0/24", proto = "icmpv6"',
        'dst = "192.0.2.0/24", proto = ["icmp", "icmpv6"]',
        'proto = "icmp"',
    ]
    policy = Policy.parse(
        '[datapath]\nnever_block = ["192.0.2.0/28"]\n'
        + "".join(
            f'[[rule]]\nname = "r{n}"\nmatch = {{ {each} }}\n' for n, each in enumerate(rules)
        ),
        file="p",
    )
    assert list(map(str, notes(policy, {}))) == [
        "p:3: rule.r0: never reached: never_block passes all it matches",
        'p:11: rule.r2.match.proto: no host sends this in IPv6 (write proto = "icmpv6")',
        'p:14: rule.r3.match.proto: no host sends this in IPv4 (write proto = "icmp")',
    ]


def test_unreached_rules_are_found_as_by_comparing_every_pair() -> None:
    rng = random.Random(3)  # noqa: S311 - it must be repeatable
    asked = (
        *('src = "10.0.0.0/8"', 'src = "10.1.0.0/16"', 'src = ["10.1.2.3", "10.1.3.0/24"]'),
        *('dst = "192.0.2.0/24"', 'dst = "192.0.2.1"', 'dst = "!192.0.2.1"', 'dst = "@s"'),
        *('dst = ["@s", "192.0.2.1"]', 'dst = ["192.0.2.0/25", "192.0.2.200"]'),
        *('proto = "tcp"', 'proto = ["tcp", "udp"]', "length = 100"),
    )
    text = "[set.s]\n"
    for number in range(80):
        keys = {key.partition(" ")[0]: key for key in rng.sample(asked, rng.randint(1, 3))}
        text += f'[[rule]]\nname = "r{number}"\nmatch = {{ {", ".join(keys.values())} }}\n'
        text += rng.choice(('action = "drop"\n', ""))
    policy = Policy.parse(text)
    ended = {
        f"rule.{rule.name}"
        for at, rule in enumerate(policy.rules)
        if any(e.action.verdict and covers(e.match, rule.match) for e in policy.rules[:at])
    }
    assert 20 < len(ended) < 70
    found = {note.key for note in notes(policy, {"s": 1}) if "never reached" in note.message}
    assert found == ended


def test_of_many_notes_the_first_are_printed(wirepath_: Wirepath, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    rules = "".join(f'[[rule]]\nname = "r{n}"\naction = "drop"\n' for n in range(31))
    policy.write_text(rules)
    printed = wirepath_("check", policy).out.splitlines()
    assert len([line for line in printed if "never reached" in line]) == 20
    assert printed[-1] == "note: ... and 10 more (--json lists them)"
    assert len(wirepath_("check", policy, "--json").json()["notes"]) == 30


def test_rules_that_only_count_hide_nothing() -> None:
    policy = Policy.parse('[[rule]]\nname = "a"\n[[rule]]\nname = "b"\naction = "drop"\n')
    assert notes(policy, {}) == []


_BANS = """
[[rule]]
name = "ban"
match = {{ {match} }}
limit = {{ rate = "5/min", per = "src", ban = "5min" }}
"""
_SYNS = 'dport = 22, proto = "tcp", tcp_flags = "syn"'


def _asking(match: str = 'proto = "tcp"', challenge: str = '"reset"') -> str:
    return f'[[rule]]\nname = "ask"\nmatch = {{ {match} }}\nchallenge = {challenge}\n'


@pytest.mark.parametrize(
    ("before", "match"),
    [
        ("", _SYNS),
        ("", 'proto = "udp"'),
        (_asking(challenge='{ mode = "reset", above = "9/s" }'), _SYNS),
        (_asking(challenge='"cookie"'), _SYNS),
        (_asking("dport = 23"), _SYNS),
        (_asking(), 'dport = 22, proto = "tcp"'),
        (_asking(), 'proto = "tcp", tcp_flags = ["syn", "rst"]'),
    ],
)
def test_bans_on_sources_that_prove_nothing(before: str, match: str) -> None:
    [note] = notes(Policy.parse(before + _BANS.format(match=match)), {})
    assert note.key == "rule.ban.limit.ban"
    assert note.message.startswith("a forged source gets banned: ")


@pytest.mark.parametrize(
    ("before", "match"),
    [
        (_asking(), _SYNS),
        (_asking("dport = [22, 80]"), _SYNS),
        (_asking('dport = 22, tcp_flags = "syn"'), _SYNS),
        ("", 'ct = "established"'),
    ],
)
def test_bans_on_sources_that_have_proved_themselves(before: str, match: str) -> None:
    assert notes(Policy.parse(before + _BANS.format(match=match)), {}) == []
