"""What has a place in the kernel and keeps it, by name, from generation to generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.actions.limit import BUCKETS
from wirepath.plan.limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from wirepath.policy import Policy

RULE_COUNTERS: Final = "rule_counters"
"""The map that every rule has a slot in."""
SECRETS: Final = 6  # of struct limit_config


class Range(NamedTuple):
    """Where the cells of a limit lie.

    Attributes:
        per: what its keys are; cells of other keys mean nothing to it.
        first: bucket.
        buckets: how many.
    """

    per: str
    first: int
    buckets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The places of one generation. A place that was in use is free only one generation later.

    Attributes:
        number: of the generation, from 1.
        counters: by rule, its slot in `RULE_COUNTERS`.
        own: by rule, the map of counters that its action has to itself; not if it has none.
        counted: by rule, what its slot had counted for others before, in `RULE_COUNTERS` and then
            in the map that it has to itself; not if nothing.
        counting: by set with counters, its number in ``prefix_counters``.
        ranges: by limit that is not exact.
        secret: `SECRETS` odd numbers of 64 bits that keys of limits are hashed by.
        learned_ns: by rule that has to learn first, when it has.
    """

    number: int
    counters: Mapping[str, int]
    own: Mapping[str, str]
    counted: Mapping[str, Sequence[int]]
    counting: Mapping[str, int]
    ranges: Mapping[str, Range]
    secret: tuple[int, ...]
    learned_ns: Mapping[str, int]

    @classmethod
    def first(cls, policy: Policy, *, secret: Sequence[int], now_ns: int) -> Self:
        """Give every name of *policy* its place.

        Args:
            policy: that is to serve.
            secret: as in `Slots`; it must not be guessed.
            now_ns: the monotonic clock.
        """
        return cls(
            number=1,
            counters=_numbered({}, _rules(policy)),
            own=_own(policy),
            counted={},
            counting=_numbered({}, _counting_sets(policy)),
            ranges=_allocated({}, policy),
            secret=tuple(secret),
            learned_ns=_learned({}, policy, now_ns),
        )

    @classmethod
    def after(
        cls,
        before: Slots,
        policy: Policy,
        *,
        now_ns: int,
        counted: Callable[[str, int], Sequence[int]],
    ) -> Self:
        """Give every name of *policy* the place that it had *before*.

        A rule whose action has other counters to itself than before gets a new slot.

        Args:
            before: the places of what serves.
            policy: that is to serve.
            now_ns: the monotonic clock.
            counted: gives what was counted so far in a map of counters, in a slot.
        """
        own = _own(policy)
        rules = _rules(policy)
        others = [name for name in rules if own.get(name) != before.own.get(name)]
        counters = _numbered(before.counters, rules, others)
        starts: dict[str, Sequence[int]] = {}
        for name, slot in counters.items():
            if before.counters.get(name) == slot:
                start = before.counted.get(name, ())
            else:
                maps = [RULE_COUNTERS, *([own[name]] if name in own else ())]
                start = [count for each in maps for count in counted(each, slot)]
            if any(start):
                starts[name] = start
        return cls(
            number=before.number + 1,
            counters=counters,
            own=own,
            counted=starts,
            counting=_numbered(before.counting, _counting_sets(policy)),
            ranges=_allocated(before.ranges, policy),
            secret=before.secret,
            learned_ns=_learned(before.learned_ns, policy, now_ns),
        )

    @property
    def buckets(self) -> int:
        """How many buckets there have to be."""
        return max((each.first + each.buckets for each in self.ranges.values()), default=0)


def _rules(policy: Policy) -> list[str]:
    return [rule.name for rule in policy.rules]


def _own(policy: Policy) -> dict[str, str]:
    return {r.name: r.action.counting.own for r in policy.rules if r.action.counting.own}


def _counting_sets(policy: Policy) -> list[str]:
    return [spec.name for spec in policy.sets.values() if spec.counters]


def _numbered(
    old: Mapping[str, int], names: Collection[str], anew: Collection[str] = ()
) -> dict[str, int]:
    taken = set(old.values())
    free = (number for number in range(len(taken) + len(names)) if number not in taken)
    return {name: old[name] if name in old and name not in anew else next(free) for name in names}


def _learned(old: Mapping[str, int], policy: Policy, now_ns: int) -> dict[str, int]:
    return {
        rule.name: old.get(rule.name, now_ns + rule.action.learns_ns)
        for rule in policy.rules
        if rule.action.learns_ns
    }


# Limits that keep their size and their keys keep their range; the others get what is free.
def _allocated(old: Mapping[str, Range], policy: Policy) -> dict[str, Range]:
    ranges = {}
    gaps = _gaps(sorted((each.first, each.buckets) for each in old.values()))
    for name, limit in limits_of(policy).items():
        buckets = limit.remembers[BUCKETS]
        if not buckets:
            continue
        before = old.get(name)
        if before and (before.per, before.buckets) == (limit.per.words, buckets):
            ranges[name] = before
        else:
            ranges[name] = Range(limit.per.words, _take(gaps, buckets), buckets)
    return ranges


# What is between the ranges, (from, to); the last has no end.
def _gaps(taken: list[tuple[int, int]]) -> list[tuple[int, float]]:
    gaps: list[tuple[int, float]] = []
    at = 0
    for first, buckets in taken:
        if first > at:
            gaps.append((at, first))
        at = max(at, first + buckets)
    return [*gaps, (at, float("inf"))]


# Takes so many buckets from the first gap that has them.
def _take(gaps: list[tuple[int, float]], buckets: int) -> int:
    for number, (at, end) in enumerate(gaps):
        if end - at >= buckets:
            gaps[number] = (at + buckets, end)
            return at
    raise AssertionError("the last gap has no end")
