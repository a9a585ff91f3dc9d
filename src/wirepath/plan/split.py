"""Split the rules of one hook: into clauses, and the addresses at the ends of their prefixes.

This is as far as rules can turn out to be too many, so ``wirepath check`` goes no further; the rest
of lowering needs numpy.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.errors import RequestError
from wirepath.net import Prefix
from wirepath.plan.clauses import AskPrefixes, clauses_of
from wirepath.prefixes import ClassTable, build_class_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wirepath.plan.clauses import Ask, Clause
    from wirepath.policy import Policy

Runs = tuple[tuple[int, int], ...]
"""Sorted, disjoint runs of classes; each includes both its ends."""

CLAUSES_MAX: Final = 32_768  # the same in bpf/rules/clauses.h
CLASSES_MAX: Final = 65_535
_MAPPED: Final = Prefix.parse("0.0.0.0/0")
_LAST: Final = (1 << 128) - 1
_LOW: Final = (1 << 64) - 1


class Split(NamedTuple):
    """The clauses of a policy.

    Attributes:
        clauses: in file order.
        asks: by dimension, what clauses ask for.
        literals: the policy's own prefixes.
    """

    clauses: Sequence[Clause]
    asks: Mapping[str, set[Ask]]
    literals: Literals


def split(policy: Policy) -> Split:
    """Split the rules of *policy*, which is that of one hook, as far as they can be too many.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    clauses = clauses_of(policy)
    if len(clauses) > CLAUSES_MAX:
        raise RequestError(
            f"lower {policy.file}: its rules make {len(clauses)} clauses, at most {CLAUSES_MAX} fit"
            " (write dport instead of port, or put prefixes into sets)"
        )
    asks = _asks(clauses)
    literals = Literals({*asks.get("src", ()), *asks.get("dst", ())}, policy.datapath.never_block)
    return Split(clauses, asks, literals)


def _asks(clauses: Sequence[Clause]) -> dict[str, set[Ask]]:
    asks: dict[str, set[Ask]] = {}
    for clause in clauses:
        for dimension, ask in clause.asks.items():
            asks.setdefault(dimension, set()).add(ask)
    return asks


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
