"""Split rules into clauses: a clause asks for one thing in each dimension, and all must hold.

A rule becomes several clauses where it means "or" across dimensions: ``port`` is the source port or
the destination port, and a list of prefixes and sets is either.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.policy.zones import zones_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.net import Ct, Fragment, Prefix
    from wirepath.policy import Policy, Rule
    from wirepath.policy.addresses import Addresses
    from wirepath.policy.match import Match
    from wirepath.policy.numbers import Ranges


class AskPrefixes(NamedTuple):
    """An address lies in one of *prefixes*, or anywhere if None, and in none of *holes*."""

    prefixes: tuple[Prefix, ...] | None
    holes: tuple[Prefix, ...]


class AskSets(NamedTuple):
    """An address lies in one of the sets *any_of*, unless empty, and in none of *none_of*."""

    any_of: tuple[str, ...]
    none_of: tuple[str, ...]


class AskRanges(NamedTuple):
    """A number lies in one of *ranges*; a packet without the number does not match."""

    ranges: Ranges


class AskIcmp(NamedTuple):
    """An ICMP type lies in the ranges of its protocol."""

    icmp: Ranges
    icmpv6: Ranges


class AskFlags(NamedTuple):
    """TCP flags fit one of *masks*: (all set, all clear)."""

    masks: tuple[tuple[int, int], ...]


class AskFragment(NamedTuple):
    """A packet is a fragment of one of *kinds*."""

    kinds: frozenset[Fragment]


class AskStates(NamedTuple):
    """A connection is in one of *states*."""

    states: frozenset[Ct]


CT_DIMENSIONS: Final = ("ct", "ct_1")
"""The dimensions of states: one for each zone of conntrack that rules of a hook ask about."""

Ask = AskPrefixes | AskSets | AskRanges | AskIcmp | AskFlags | AskFragment | AskStates


@dataclass(frozen=True, slots=True)
class Clause:
    """One way in which a packet can match a rule.

    Attributes:
        rule: position of the rule in the policy.
        asks: by dimension (``enum dimension``, lower case), what must hold; any value will do in
            the others.
    """

    rule: int
    asks: Mapping[str, Ask]


def clauses_of(policy: Policy) -> list[Clause]:
    """Split all rules into clauses, in file order."""
    states = dict(zip(zones_of(policy), CT_DIMENSIONS, strict=False))
    return [
        Clause(number, asks)
        for number, rule in enumerate(policy.rules)
        for asks in _ways(rule, states)
    ]


def _ways(rule: Rule, states: Mapping[int | None, str]) -> Iterator[dict[str, Ask]]:
    match = rule.match
    plain = _plain(match)
    for src, dst, ports, state in product(
        _address_ways("src", match.src),
        _address_ways("dst", match.dst),
        _port_ways(match),
        _state_ways(match, states),
    ):
        yield {**src, **dst, **ports, **state, **plain}


# *dimensions* has the dimension of each zone.
def _state_ways(match: Match, dimensions: Mapping[int | None, str]) -> Iterator[dict[str, Ask]]:
    if match.ct is None:
        yield {}
        return
    for zone in match.zones:
        yield {dimensions[zone]: AskStates(match.ct.states)}


def _address_ways(dimension: str, asked: Addresses | None) -> Iterator[dict[str, Ask]]:
    if asked is None:
        yield {}
        return
    # Sets first: the first clause that holds counts, and prefixes of sets may have counters.
    if asked.sets:
        yield _address(dimension, asked, None, asked.sets)
    if asked.prefixes or not asked.sets:
        yield _address(dimension, asked, asked.prefixes or None, ())


def _address(
    dimension: str,
    asked: Addresses,
    prefixes: tuple[Prefix, ...] | None,
    sets: tuple[str, ...],
) -> dict[str, Ask]:
    asks: dict[str, Ask] = {}
    if prefixes is not None or asked.not_prefixes:
        asks[dimension] = AskPrefixes(prefixes, asked.not_prefixes)
    if sets or asked.not_sets:
        asks[f"{dimension}_set"] = AskSets(sets, asked.not_sets)
    return asks


def _port_ways(match: Match) -> Iterator[dict[str, Ask]]:
    sides = {
        side: asked.ranges
        for side, asked in (("sport", match.sport), ("dport", match.dport))
        if asked is not None
    }
    if match.port is None:
        yield {side: AskRanges(ranges) for side, ranges in sides.items()}
        return
    for side in ("sport", "dport"):
        ranges = match.port.ranges
        if side in sides:
            ranges = _common(ranges, sides[side])
        both = {**sides, side: ranges}
        if ranges:
            yield {each: AskRanges(both[each]) for each in both}


def _common(one: Ranges, other: Ranges) -> Ranges:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(sorted((low, high) for low, high in pairs if low <= high))


def _plain(match: Match) -> dict[str, Ask]:
    asks: dict[str, Any] = {
        key: AskRanges(asked.ranges)
        for key in ("proto", "vlan", "length", "ttl", "dscp")
        if (asked := getattr(match, key)) is not None
    }
    if match.tcp_flags is not None:
        asks["tcp_flags"] = AskFlags(match.tcp_flags.masks)
    if match.icmp_type is not None:
        asks["icmp_type"] = AskIcmp(match.icmp_type.icmp, match.icmp_type.icmpv6)
    if match.fragment is not None:
        asks["fragment"] = AskFragment(match.fragment.kinds)
    return asks
