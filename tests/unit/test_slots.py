"""Slots by name: kept from generation to generation, and reused only one generation later."""

from collections.abc import Sequence

from wirepath.actions.wireguard import LEARNING_NS
from wirepath.plan.slots import SECRETS, Range, Slots
from wirepath.policy import Policy

SECRET = tuple(range(1, 2 * SECRETS, 2))
COUNT = '[[rule]]\nname = "{}"\n'
MIRROR = '[[rule]]\nname = "{}"\nhook = "egress"\nmirror = {{ to = "mirror0" }}\n'
LIMIT = '[[rule]]\nname = "{}"\nlimit = {{ rate = "9/s", per = "{}", keys = {} }}\n'
GUARD = """[[rule]]
name = "wg"
match = { proto = "udp", dport = 51820 }
wireguard = { indexes = true }
"""


def first(text: str, now_ns: int = 0) -> Slots:
    return Slots.first(Policy.parse(text), secret=SECRET, now_ns=now_ns)


def counted(name: str, slot: int) -> Sequence[int]:
    return {"rule_counters": (slot, 0, 0, 0), "mirror_counters": (7, slot)}[name]


def after(before: Slots, text: str, now_ns: int = 0) -> Slots:
    return Slots.after(before, Policy.parse(text), now_ns=now_ns, counted=counted)


def rules(*names: str, rule: str = COUNT) -> str:
    return "".join(rule.format(name) for name in names)


def test_rules_keep_their_slots() -> None:
    one = first(rules("a", "b", "c"))
    assert (one.number, one.counters, one.counted) == (1, {"a": 0, "b": 1, "c": 2}, {})
    two = after(one, rules("c", "new", "a"))
    assert (two.number, two.counters) == (2, {"c": 2, "new": 3, "a": 0})
    # Packets of the first generation may still count for b after the second begins.
    three = after(two, rules("c", "newer"))
    assert three.counters == {"c": 2, "newer": 1}
    assert (two.counted, three.counted) == ({"new": [3, 0, 0, 0]}, {"newer": [1, 0, 0, 0]})
    assert after(three, rules("newer")).counted == three.counted
    assert three.secret == SECRET


def test_a_rule_that_counts_other_things_counts_anew() -> None:
    one = first(rules("tap", "other"))
    two = after(one, rules("tap", rule=MIRROR) + rules("other"))
    assert two.own == {"tap": "mirror_counters"}
    assert two.counters == {"tap": 2, "other": 1}
    assert two.counted == {"tap": [2, 0, 0, 0, 7, 2]}
    three = after(two, rules("tap", rule=MIRROR))
    assert (three.counters, three.counted) == ({"tap": 2}, two.counted)
    four = after(three, rules("tap"))
    assert (four.own, four.counters) == ({}, {"tap": 0})


def test_sets_that_count() -> None:
    counting = '[set.{}]\ncounters = true\nprefixes = ["192.0.2.1"]\n'
    one = first(rules("a", "b", rule=counting))
    assert one.counting == {"a": 0, "b": 1}
    assert after(one, rules("b", "c", rule=counting)).counting == {"b": 1, "c": 2}


def test_limits_keep_their_ranges() -> None:
    one = first(LIMIT.format("a", "src", 16) + LIMIT.format("b", "src", 8))
    assert one.ranges == {"a": Range("src", 0, 4), "b": Range("src", 4, 2)}
    assert one.buckets == 6
    other_keys = after(one, LIMIT.format("a", "dst", 16) + LIMIT.format("b", "src", 8))
    assert other_keys.ranges == {"a": Range("dst", 6, 4), "b": Range("src", 4, 2)}
    # The range that was given up is free in the next generation.
    assert after(other_keys, LIMIT.format("c", "src", 16)).ranges == {"c": Range("src", 0, 4)}


def test_what_has_to_learn_first() -> None:
    one = first(GUARD, now_ns=5)
    assert one.learned_ns == {"wg": 5 + LEARNING_NS}
    assert after(one, GUARD + rules("other"), now_ns=9).learned_ns == one.learned_ns
    assert after(one, rules("other"), now_ns=9).learned_ns == {}
