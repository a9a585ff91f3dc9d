"""What has a place in the kernel and keeps it, by name, from generation to generation."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.datapath.generation.state import limits_of
from wirepath.datapath.live import counters as stats

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wirepath.datapath.generation.manifest import Manifest
    from wirepath.kernel.maps import Map
    from wirepath.policy import Policy

LEARNING_NS: Final = 180_000_000_000
"""How long sessions are learned before what is for none is dropped: REJECT_AFTER_TIME of the
WireGuard whitepaper, section 6.1."""
_SECRETS: Final = 6  # of struct limit_config
_BITS: Final = 64


class Room(NamedTuple):
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
class Succession:
    """The places of one generation. A place that was in use is free only one generation later.

    Attributes:
        number: of the generation, from 1.
        counters: by rule, its slot in ``rule_counters``.
        counted: by rule, what that slot had counted for others before; not if nothing.
        counting: by set with counters, its number in ``set_entries``.
        rooms: by limit that is not exact.
        secret: what keys of limits are hashed by.
        learned_ns: by rule with ``indexes``, when the sessions of WireGuard are known.
    """

    number: int
    counters: Mapping[str, int]
    counted: Mapping[str, Sequence[int]]
    counting: Mapping[str, int]
    rooms: Mapping[str, Room]
    secret: tuple[int, ...]
    learned_ns: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def first(cls, policy: Policy) -> Self:
        """Give every name of *policy* its place."""
        rules, sets = _named(policy)
        return cls(
            number=1,
            counters=_numbered({}, rules),
            counted={},
            counting=_numbered({}, sets),
            rooms=_housed({}, policy),
            learned_ns=_learned({}, policy),
            secret=tuple(secrets.randbits(_BITS) | 1 for _ in range(_SECRETS)),
        )

    @classmethod
    def after(cls, manifest: Manifest, policy: Policy, rule_counters: Map) -> Self:
        """Give every name of *policy* the place it had in the generation of *manifest*.

        Args:
            manifest: of what serves.
            policy: that is to serve.
            rule_counters: of both.
        """
        rules, sets = _named(policy)
        counters = _numbered(manifest.counters, rules, _otherwise_counted(manifest, policy))
        before = manifest.counters
        new = {name: slot for name, slot in counters.items() if before.get(name) != slot}
        kept = counters.keys() - new.keys()
        stay = {name: counts for name, counts in manifest.counted.items() if name in kept}
        found = stats.rules(rule_counters, new) if new else {}
        return cls(
            number=manifest.generation + 1,
            counters=counters,
            counted=stay | {name: counts for name, counts in found.items() if any(counts)},
            counting=_numbered(manifest.counting, sets),
            rooms=_housed({name: Room(*room) for name, room in manifest.rooms.items()}, policy),
            secret=tuple(manifest.secret),
            learned_ns=_learned(manifest.learned_ns, policy),
        )

    @property
    def buckets(self) -> int:
        """How many buckets there have to be."""
        return max((room.first + room.buckets for room in self.rooms.values()), default=0)


# The rules, and the sets with counters.
def _named(policy: Policy) -> tuple[list[str], list[str]]:
    rules = [rule.name for rule in policy.rules]
    return rules, [spec.name for spec in policy.sets.values() if spec.counters]


# Rules that mirror now and did not before, or the other way round: they count other things.
def _otherwise_counted(manifest: Manifest, policy: Policy) -> set[str]:
    before = {rule["name"]: stats.MIRRORING in rule for rule in manifest.policy["rule"]}
    return {
        rule.name
        for rule in policy.rules
        if before.get(rule.name, False) != (rule.action.kind == stats.MIRRORING)
    }


def _numbered(
    old: Mapping[str, int], names: Collection[str], anew: Collection[str] = ()
) -> dict[str, int]:
    taken = set(old.values())
    free = (number for number in range(len(taken) + len(names)) if number not in taken)
    return {name: old[name] if name in old and name not in anew else next(free) for name in names}


# Sessions live for three minutes, so whoever watches for so long knows all that are in use.
def _learned(old: Mapping[str, int], policy: Policy) -> dict[str, int]:
    names = [rule.name for rule in policy.rules if rule.action.on_answers]
    now_ns = time.monotonic_ns()
    return {name: old.get(name, now_ns + LEARNING_NS) for name in names}


def _housed(old: Mapping[str, Room], policy: Policy) -> dict[str, Room]:
    rooms = {}
    gaps = _gaps(sorted((room.first, room.buckets) for room in old.values()))
    for name, limit in limits_of(policy).items():
        if not limit.buckets:
            continue
        before = old.get(name)
        if before and (before.per, before.buckets) == (limit.per.words, limit.buckets):
            rooms[name] = before
        else:
            rooms[name] = Room(limit.per.words, _taken(gaps, limit.buckets), limit.buckets)
    return rooms


# What is between the rooms, (from, to); the last has no end.
def _gaps(rooms: list[tuple[int, int]]) -> list[tuple[int, float]]:
    gaps: list[tuple[int, float]] = []
    at = 0
    for first, buckets in rooms:
        if first > at:
            gaps.append((at, first))
        at = max(at, first + buckets)
    return [*gaps, (at, float("inf"))]


# Takes so many buckets from the first gap that has them.
def _taken(gaps: list[tuple[int, float]], buckets: int) -> int:
    for number, (at, end) in enumerate(gaps):
        if end - at >= buckets:
            gaps[number] = (at + buckets, end)
            return at
    raise AssertionError("the last gap has no end")
