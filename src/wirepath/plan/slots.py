"""The places of names in the kernel's maps, which they keep from generation to generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.actions.limit import BUCKETS
from wirepath.plan.limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from wirepath.policy import Policy

RULE_COUNTERS: Final = "rule_counters"
"""The map in which every rule has a slot."""
SECRETS: Final = 6  # in struct limit_config


class Range(NamedTuple):
    """The range of buckets that hold the cells of a limit.

    Attributes:
        per: the words of its key; cells of another key would mean nothing to it.
        first: the first bucket.
        buckets: how many buckets there are.
    """

    per: str
    first: int
    buckets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The places of one generation.

    A place that is given up is free only one generation later: packets of the old program may still
    write there.

    Attributes:
        number: of the generation, from 1.
        counters: by rule, its slot in `RULE_COUNTERS`.
        own: by rule whose action has a map of counters of its own, that map.
        counted: by rule, what its slot had counted for earlier rules, in `RULE_COUNTERS` and then
            in its own map; missing if nothing.
        counting: by set with counters, its number in ``prefix_counters``.
        ranges: by limit that is not exact, its range of buckets.
        secret: `SECRETS` odd 64-bit numbers, by which keys of limits are hashed.
        learned_ns: by rule that learns from packets, the time from which it has learned enough.
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
            policy: the policy that is to serve.
            secret: as in `Slots`; senders must not be able to guess it.
            now_ns: CLOCK_MONOTONIC, as the kernel reads it.
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

        A new name gets a free place. A rule whose action now has another map of counters of its own
        gets a new slot.

        Args:
            before: the places of the policy that serves.
            policy: the policy that is to serve.
            now_ns: CLOCK_MONOTONIC, as the kernel reads it.
            counted: gives the counts so far of a slot in a map of counters.
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
        """How many buckets the map must have."""
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


# A limit that keeps its size and its key keeps its range; another gets a free one.
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


# Gives the gaps between the ranges, (from, to); the last one has no end.
def _gaps(taken: list[tuple[int, int]]) -> list[tuple[int, float]]:
    gaps: list[tuple[int, float]] = []
    at = 0
    for first, buckets in taken:
        if first > at:
            gaps.append((at, first))
        at = max(at, first + buckets)
    return [*gaps, (at, float("inf"))]


# Takes so many buckets from the first gap that is large enough.
def _take(gaps: list[tuple[int, float]], buckets: int) -> int:
    for number, (at, end) in enumerate(gaps):
        if end - at >= buckets:
            gaps[number] = (at + buckets, end)
            return at
    raise AssertionError("the last gap has no end")
