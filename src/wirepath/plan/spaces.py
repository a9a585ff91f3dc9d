"""Sort the values of each dimension into equivalence classes, which no rule tells apart.

Classes ascend with the values, so a clause asks for a few runs of classes, most often for one.
``bpf/rules/dimensions.h`` looks up the classes of a packet.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, Protocol, get_args

import numpy as np

from wirepath.net import Ct
from wirepath.plan.clauses import (
    AskFlags,
    AskFragment,
    AskIcmp,
    AskRanges,
    AskStates,
)
from wirepath.plan.split import Runs, join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from wirepath.plan.clauses import Ask

FRAGMENTS: Final = ("none", "first", "later")
STATES: Final[tuple[Ct, ...]] = get_args(Ct)


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
