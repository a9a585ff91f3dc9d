"""A policy as constants and tables by C name, and the resolution of names to numbers."""

from typing import Any

import numpy as np
import pytest

from wirepath.datapath.generation.write import constants
from wirepath.kernel.ctype import Array, CType, Integer, Octets, Record
from wirepath.plan import Planned, plan
from wirepath.plan.actions import STATES
from wirepath.plan.slots import SECRETS, Slots
from wirepath.plan.tables import Bits, ByEnum, Members, Plan
from wirepath.policy import Policy
from wirepath.prefixes import Members as Prefixes

POLICY = """
[datapath]
never_block = ["192.0.2.1"]
[[rule]]
name = "here"
match = { src = "10.0.0.0/8", dport = 53 }
limit = { rate = "9/s", per = "src", ban = "9s", keys = 16 }
[[rule]]
name = "answers"
match = { proto = "tcp" }
reject = true
[[rule]]
name = "both"
hook = ["tc_ingress", "egress"]
mirror = { to = "mirror0", snap = 96 }
[[rule]]
name = "exactly"
hook = "egress"
limit = { rate = "9mbit", per = "dst", exact = true, keys = 5 }
"""


def planned(text: str, **options: Any) -> Planned:
    policy = Policy.parse(text)
    slots = Slots.first(policy, secret=range(1, 2 * SECRETS, 2), now_ns=0)
    return plan(policy, Prefixes.of([]), slots, **options)


def test_hooks_have_what_their_rules_need() -> None:
    made = planned(POLICY, devices={"mirror0": 9})
    assert list(made.hooks) == ["ingress", "tc_ingress", "egress"]
    ingress, egress = made.hooks["ingress"], made.hooks["egress"]
    assert ingress.constants["actions_used"] == Bits("action", {"limit", "reject"})
    assert egress.constants["actions_used"] == Bits("action", {"mirror", "limit"})
    assert ingress.constants["dimensions_used"] == Bits("dimension", ("src", "dport", "proto"))
    assert [record["rule"] for record in egress.tables["mirrors"].records] == [2]
    assert egress.tables["mirrors"].records[0]["ifindex"] == 9
    assert egress.tables["mirror_blocks"].entries == 1
    assert ingress.tables["mirrors"].entries == 0
    assert ingress.tables["rejects"].records == [{"answers_limit": 1}]


def test_clauses_speak_names() -> None:
    columns = planned(POLICY).hooks["ingress"].tables["clauses"].columns
    assert columns["action"] == Members("action", ["limit", "reject"])
    assert columns["verdict"] == Members("verdict", ["continue", "drop"])


def test_what_actions_remember() -> None:
    made = planned(POLICY, cpus=2)
    assert made.states == dict.fromkeys(STATES, 0) | {
        "limit_buckets": 4 + 1,
        "limit_exact_cells": 5 + 2 * 512,
        "bans_due": 1_000_000,
        "mirror_counters": 40,
    }
    assert made.ban_lengths == {128, 64}
    assert set(planned("").states.values()) == {0}


def test_sets_have_room_for_changes_if_there_are_any() -> None:
    rooms = {"set_lines": 16_384, "set_leaves": 1_024, "set_members": 65_536}
    without, with_one = (
        planned(text).shared.tables for text in ("", '[set.a]\nprefixes = ["10.0.0.0/8"]\n')
    )
    for name, room in rooms.items():
        assert with_one[name].entries >= room > without[name].entries, name


def test_the_same_policy_gives_the_same_plan() -> None:
    for one, other in zip(plans(planned(POLICY)), plans(planned(POLICY)), strict=True):
        assert one.constants == other.constants
        for name, table in one.tables.items():
            np.testing.assert_equal(table.columns, other.tables[name].columns)
            assert (table.entries, table.records) == (
                other.tables[name].entries,
                other.tables[name].records,
            )


def plans(made: Planned) -> list[Plan]:
    return [made.shared, *made.hooks.values()]


class Types:
    """The types of an object with one section of variables, and an enum."""

    def __init__(self, **variables: CType) -> None:
        self.variables = {name: (0, ctype) for name, ctype in variables.items()}

    def record(self, name: str) -> Record:
        assert name == "section .rodata"
        return Record(name, 0, self.variables)

    def enum(self, name: str) -> dict[str, int]:
        return {"colour": {"red": 0, "green": 1, "blue": 4}}[name]


WORD = Integer("__u32", 4)


@pytest.mark.parametrize(
    ("ctype", "value", "resolved"),
    [
        (WORD, 5, 5),
        (WORD, Bits("colour", {"red", "blue"}), 0b10001),
        (WORD, Bits("colour", ()), 0),
        (Array("__u32[6]", 24, WORD, 6), ByEnum("colour", {"green": 7}), [0, 7, 0, 0, 0, 0]),
        (Octets("__u8[5]", 5), ByEnum("colour", {"blue": 2}), b"\0\0\0\0\2"),
        (
            Record("struct s", 8, {"used": (0, WORD), "name": (4, WORD)}),
            {"used": Bits("colour", {"green"}), "name": "as it is"},
            {"used": 2, "name": "as it is"},
        ),
    ],
)
def test_members_of_enums_become_numbers(ctype: CType, value: object, resolved: object) -> None:
    types: Any = Types(variable=ctype)
    assert constants({"variable": value}, types) == {"variable": resolved}
