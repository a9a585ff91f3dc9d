"""Split rules into clauses: a clause asks for one thing in each dimension, and all must hold.

A rule becomes several clauses where it means "or" across dimensions: ``port`` is the source port or
the destination port, and a list of prefixes and sets is either.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.policy.zones import zones_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wirepath.net import Ct, Fragment, Prefix
    from wirepath.policy import Policy, Rule
    from wirepath.policy.addresses import Addresses
    from wirepath.policy.match import Match
    from wirepath.policy.numbers import Numbers, Ranges


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
_ANY: Final[Sequence[Mapping[str, Ask]]] = ({},)  # the only way of what is not asked for


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


def _ways(rule: Rule, states: Mapping[int | None, str]) -> list[dict[str, Ask]]:
    match = rule.match
    plain = _plain(match)
    ways = product(
        _address_ways("src", match.src),
        _address_ways("dst", match.dst),
        _port_ways(match),
        _state_ways(match, states),
    )
    return [{**src, **dst, **ports, **state, **plain} for src, dst, ports, state in ways]


# *dimensions* has the dimension of each zone.
def _state_ways(match: Match, dimensions: Mapping[int | None, str]) -> Sequence[Mapping[str, Ask]]:
    if match.ct is None:
        return _ANY
    return [{dimensions[zone]: AskStates(match.ct.states)} for zone in match.zones]


def _address_ways(dimension: str, asked: Addresses | None) -> Sequence[Mapping[str, Ask]]:
    if asked is None:
        return _ANY
    # Sets first: the first clause that holds counts, and prefixes of sets may have counters.
    ways = [_address(dimension, asked, None, asked.sets)] if asked.sets else []
    if asked.prefixes or not asked.sets:
        ways.append(_address(dimension, asked, asked.prefixes or None, ()))
    return ways


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


def _port_ways(match: Match) -> Sequence[Mapping[str, Ask]]:
    sides = {
        side: asked.ranges
        for side, asked in (("sport", match.sport), ("dport", match.dport))
        if asked is not None
    }
    if match.port is None:
        return [{side: AskRanges(ranges) for side, ranges in sides.items()}]
    ways = []
    for side in ("sport", "dport"):
        ranges = match.port.ranges
        if side in sides:
            ranges = _common(ranges, sides[side])
        both = {**sides, side: ranges}
        if ranges:
            ways.append({each: AskRanges(both[each]) for each in both})
    return ways


def _common(one: Ranges, other: Ranges) -> Ranges:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(sorted((low, high) for low, high in pairs if low <= high))


_NUMBERS: Final = ("proto", "vlan", "length", "ttl", "dscp")
_numbers: Callable[[Match], tuple[Numbers | None, ...]] = attrgetter(*_NUMBERS)


def _plain(match: Match) -> dict[str, Ask]:
    asks: dict[str, Any] = {
        key: AskRanges(asked.ranges)
        for key, asked in zip(_NUMBERS, _numbers(match), strict=True)
        if asked is not None
    }
    if match.tcp_flags is not None:
        asks["tcp_flags"] = AskFlags(match.tcp_flags.masks)
    if match.icmp_type is not None:
        asks["icmp_type"] = AskIcmp(match.icmp_type.icmp, match.icmp_type.icmpv6)
    if match.fragment is not None:
        asks["fragment"] = AskFragment(match.fragment.kinds)
    return asks
