"""Sort the values of each dimension into equivalence classes, which no rule tells apart.

Classes ascend with the values, so a clause asks for a few runs of classes, most often for one.
``bpf/rules/dimensions.h`` looks up the classes of a packet.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, Protocol, get_args

import numpy as np

from wirepath.errors import RequestError
from wirepath.net import Ct, Prefix
from wirepath.plan.clauses import (
    AskFlags,
    AskFragment,
    AskIcmp,
    AskPrefixes,
    AskRanges,
    AskStates,
)
from wirepath.prefixes import ClassTable, build_class_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from wirepath.plan.clauses import Ask

Runs = tuple[tuple[int, int], ...]
"""Sorted, disjoint runs of classes; each includes both its ends."""

CLASSES_MAX: Final = 65_535
FRAGMENTS: Final = ("none", "first", "later")
STATES: Final[tuple[Ct, ...]] = get_args(Ct)
_MAPPED: Final = Prefix.parse("0.0.0.0/0")
_LAST: Final = (1 << 128) - 1
_LOW: Final = (1 << 64) - 1


class Space(Protocol):
    """One dimension of a policy."""

    @property
    def classes(self) -> int:
        """How many classes there are."""

    def runs(self, ask: Ask) -> Runs:
        """Give the classes that satisfy *ask*."""


class Numbers:
    """The numbers from 0 up, split wherever a range that some clause asks for begins or ends.

    Args:
        ranges: all ranges that clauses ask for.
        limit: the largest number.
        absent: whether a packet may lack the number; class 0 is for such packets.

    Attributes:
        classes: how many there are.
        by_value: the class of every number, u16.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]], limit: int, *, absent: bool) -> None:
        cuts = {0}
        for low, high in ranges:
            cuts.update((low, high + 1))
        cuts.discard(limit + 1)
        self._starts = sorted(cuts)
        self._first = int(absent)
        self.classes = len(self._starts) + self._first
        edges = np.asarray([*self._starts, limit + 1])
        numbers = np.arange(self._first, self.classes, dtype=np.uint16)
        self.by_value: NDArray[np.uint16] = np.repeat(numbers, np.diff(edges))

    def runs(self, ask: Ask) -> Runs:
        """Give the classes of numbers in the ranges asked for."""
        return tuple(
            (
                bisect_left(self._starts, low) + self._first,
                bisect_right(self._starts, high) - 1 + self._first,
            )
            for low, high in _number_ranges(ask)
        )


def _number_ranges(ask: Ask) -> Iterable[tuple[int, int]]:
    # ICMP types are 0 to 255, ICMPv6 types come after them; kinds of fragments and states of
    # connections are numbered in their order.
    match ask:
        case AskRanges(ranges):
            return ranges
        case AskIcmp(icmp, icmpv6):
            return (*icmp, *((low + 256, high + 256) for low, high in icmpv6))
        case AskFragment(kinds):
            return [(i, i) for i, kind in enumerate(FRAGMENTS) if kind in kinds]
        case AskStates(states):
            return [(i, i) for i, state in enumerate(STATES) if state in states]
    raise TypeError(ask)


def number_space(asks: Collection[Ask], limit: int, *, absent: bool) -> Numbers:
    """Make the space of a dimension of plain numbers."""
    return Numbers((r for ask in asks for r in _number_ranges(ask)), limit, absent=absent)


class Flags:
    """All 256 combinations of TCP flags; combinations that no clause tells apart share a class.

    Attributes:
        classes: how many there are; class 0 is a packet without flags.
        by_value: the class of every combination, u16.
    """

    def __init__(self, asks: Collection[Ask]) -> None:
        self._truth = {ask: _flags_hold(ask) for ask in asks}
        truths = list(zip(*(truth.tolist() for truth in self._truth.values()), strict=True))
        numbers = {truth: number for number, truth in enumerate(sorted(set(truths)), 1)}
        self.by_value: NDArray[np.uint16] = np.array([numbers[t] for t in truths], dtype=np.uint16)
        self.classes = len(numbers) + 1

    def runs(self, ask: Ask) -> Runs:
        """Give the classes of combinations that hold."""
        return join(sorted({(int(c), int(c)) for c in self.by_value[self._truth[ask]]}))


def _flags_hold(ask: Ask) -> NDArray[np.bool_]:
    if not isinstance(ask, AskFlags):
        raise TypeError(ask)
    flags = np.arange(256)
    holds = np.zeros(256, dtype=bool)
    for present, absent in ask.masks:
        holds |= (flags & present == present) & (flags & absent == 0)
    return holds


class Literals:
    """Addresses of both families, split at both ends of every prefix that is in the policy.

    Attributes:
        classes: how many there are.
        table: the prefix table, which gives the class of an address.
    """

    def __init__(self, asks: Iterable[Ask], never_block: Iterable[Prefix]) -> None:
        cuts = {0, _MAPPED.address, _MAPPED.last + 1}
        for prefix in never_block:
            cuts.update((prefix.address, prefix.last + 1))
        for ask in asks:
            if isinstance(ask, AskPrefixes):
                for prefix in (*(ask.prefixes or ()), *ask.holes):
                    cuts.update((prefix.address, prefix.last + 1))
        cuts.discard(_LAST + 1)
        self._starts = sorted(cuts)
        self.classes = len(self._starts)
        if self.classes > CLASSES_MAX:
            raise RequestError(
                "lay out rules: too many different prefixes in src, dst and never_block"
                " (put them into sets)"
            )
        self.table: ClassTable = build_class_table(
            array("Q", (start >> 64 for start in self._starts)),
            array("Q", (start & _LOW for start in self._starts)),
            array("H", range(self.classes)),
        )

    def runs(self, ask: Ask) -> Runs:
        """Give the classes of addresses inside the prefixes asked for and outside the holes."""
        if not isinstance(ask, AskPrefixes):
            raise TypeError(ask)
        wanted: Runs = ((0, self.classes - 1),)
        if ask.prefixes is not None:
            wanted = self.covered(ask.prefixes)
        return _without(wanted, self.covered(ask.holes)) if ask.holes else wanted

    def covered(self, prefixes: Iterable[Prefix]) -> Runs:
        """Give the classes of addresses in *prefixes*."""
        return join(sorted(run for prefix in prefixes for run in self._runs_of(prefix)))

    def _runs_of(self, prefix: Prefix) -> Iterable[tuple[int, int]]:
        # A short IPv6 prefix leaves out IPv4: ::ffff:0:0/96 is inside it only as a number.
        whole = ((self._at(prefix.address), self._at(prefix.last + 1) - 1),)
        if prefix.is_ipv4:
            return whole
        return _without(whole, ((self._at(_MAPPED.address), self._at(_MAPPED.last + 1) - 1),))

    def _at(self, start: int) -> int:
        return bisect_left(self._starts, start)


def join(runs: Iterable[tuple[int, int]]) -> Runs:
    """Join those of the sorted *runs* that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for low, high in runs:
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _without(runs: Iterable[tuple[int, int]], holes: Runs) -> Runs:
    for hole_low, hole_high in holes:
        left = ((low, min(high, hole_low - 1)) for low, high in runs)
        right = ((max(low, hole_high + 1), high) for low, high in runs)
        runs = sorted((low, high) for low, high in (*left, *right) if low <= high)
    return tuple(runs)
