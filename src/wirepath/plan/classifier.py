"""Lower the rules of one hook for the classifier: clauses, classes, rows and candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from wirepath.plan.clauses import CT_DIMENSIONS, AskSets
from wirepath.plan.filing import Filing, file_away
from wirepath.plan.rows import row_words, rows_of_runs, rows_of_sets, summary_words
from wirepath.plan.spaces import Flags, Numbers, Space, number_space
from wirepath.plan.split import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.plan.clauses import Ask, Clause
    from wirepath.plan.split import Literals, Runs
    from wirepath.policy import Policy

SET_DIMENSIONS: Final = ("src_set", "dst_set")

# (largest value, whether a packet may lack it) of the dimensions that are plain numbers.
_NUMBERS: Final = {
    "sport": (65_535, True),
    "dport": (65_535, True),
    "proto": (255, False),
    "icmp_type": (511, True),
    "vlan": (4_095, True),
    "length": (65_535, False),
    "ttl": (255, False),
    "dscp": (63, False),
    "fragment": (2, False),
    **dict.fromkeys(CT_DIMENSIONS, (4, False)),
}


@dataclass(frozen=True, slots=True)
class Classifier:
    """The rules of a policy, lowered.

    Attributes:
        policy: the policy that was lowered.
        set_ids: the number of each set, by name.
        clauses: in file order; a rule's clauses lie together.
        dimensions: the dimensions that some clause asks about.
        values: by dimension other than addresses, the class of each value, u16.
        literals: the policy's own prefixes.
        never_block: by literal class, 1 if it is in never_block, u64.
        filing: which clauses are filed away.
        rows: the rows of all dimensions, one dimension after another, u64.
        row_base: by dimension, where its rows begin, in words.
        words, summary_words: words of a row, without its summary; of its summary.
        needs: by dimension of sets, the sets that the clause of each bit asks for: (any of, none
            of), u64.
    """

    policy: Policy
    set_ids: Mapping[str, int]
    clauses: Sequence[Clause]
    dimensions: tuple[str, ...]
    values: Mapping[str, NDArray[np.uint16]]
    literals: Literals
    never_block: NDArray[np.uint64]
    filing: Filing
    rows: NDArray[np.uint64]
    row_base: Mapping[str, int]
    words: int
    summary_words: int
    needs: Mapping[str, NDArray[np.uint64]]

    def rule_ends(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Give for every clause the first clause, and the first bit of the rows, after its rule."""
        rules = np.array([clause.rule for clause in self.clauses], dtype=np.int64)
        ends = np.searchsorted(rules, rules, side="right")
        bits = np.searchsorted(self.filing.residents, ends, side="left")
        return ends.astype(np.uint32), bits.astype(np.uint32)

    def counter_sets(self, dimension: str) -> NDArray[np.uint64]:
        """Give for every clause the sets with counters that *dimension* must be in, a bit a set.

        Sets that an address must not be in have nothing to count.
        """
        counting = {name for name, spec in self.policy.sets.items() if spec.counters}
        asks = (clause.asks.get(dimension) for clause in self.clauses)
        masks = [
            _mask([n for n in ask.any_of if n in counting], self.set_ids)
            if isinstance(ask, AskSets)
            else 0
            for ask in asks
        ]
        return np.array(masks, dtype=np.uint64)


def lower(policy: Policy, set_masks: Sequence[int], set_room: int) -> Classifier:
    """Lower the rules of *policy*.

    Args:
        policy: a valid one.
        set_masks: by class of the set table, its sets, a bit a set in the order of the policy.
        set_room: how many such classes the rows have room for, at least those of *set_masks*.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    clauses, asks, literals = split(policy)
    spaces = _spaces(asks, literals)
    runs = {d: {ask: space.runs(ask) for ask in asks[d]} for d, space in spaces.items()}
    asked = [{d: runs[d][ask] if d in runs else () for d, ask in c.asks.items()} for c in clauses]
    filing = file_away(asked, spaces)
    set_ids = {name: number for number, name in enumerate(policy.sets)}
    residents = filing.residents.tolist()
    needs: dict[str, NDArray[np.uint64]] = {
        d: _needs([clauses[i].asks.get(d) for i in residents], set_ids)
        for d in SET_DIMENSIONS
        if d in asks
    }
    masks = np.zeros(set_room, dtype=np.uint64)
    masks[: len(set_masks)] = set_masks
    rows = {d: rows_of_sets(needs[d], masks) for d in needs} | {
        d: rows_of_runs([asked[i].get(d, _everything(space)) for i in residents], space.classes)
        for d, space in spaces.items()
    }
    words = row_words(len(residents))
    return Classifier(
        policy=policy,
        set_ids=set_ids,
        clauses=clauses,
        dimensions=tuple(rows),
        values={d: s.by_value for d, s in spaces.items() if isinstance(s, Numbers | Flags)},
        literals=literals,
        never_block=_never_block(literals, policy),
        filing=filing,
        rows=np.concatenate([r.reshape(-1) for r in rows.values()] or [np.zeros(0, np.uint64)]),
        row_base=_bases(rows),
        words=words,
        summary_words=summary_words(words),
        needs=needs,
    )


def _spaces(asks: Mapping[str, set[Ask]], literals: Literals) -> dict[str, Space]:
    spaces: dict[str, Space] = {}
    for dimension, of in asks.items():
        if dimension in ("src", "dst"):
            spaces[dimension] = literals
        elif dimension == "tcp_flags":
            spaces[dimension] = Flags(of)
        elif dimension not in SET_DIMENSIONS:
            limit, absent = _NUMBERS[dimension]
            spaces[dimension] = number_space(of, limit, absent=absent)
    return spaces


def _everything(space: Space) -> Runs:
    return ((0, space.classes - 1),)


def _needs(asks: Sequence[Ask | None], set_ids: Mapping[str, int]) -> NDArray[np.uint64]:
    needs = [
        (_mask(ask.any_of, set_ids), _mask(ask.none_of, set_ids))
        if isinstance(ask, AskSets)
        else (0, 0)
        for ask in asks
    ]
    return np.array(needs, dtype=np.uint64).reshape(-1, 2)


def _mask(names: Sequence[str], set_ids: Mapping[str, int]) -> int:
    return sum(1 << set_ids[name] for name in names)


def _never_block(literals: Literals, policy: Policy) -> NDArray[np.uint64]:
    protected = np.zeros(literals.classes, dtype=np.uint64)
    for low, high in literals.covered(policy.datapath.never_block):
        protected[low : high + 1] = 1
    return protected


def _bases(rows: Mapping[str, NDArray[np.uint64]]) -> dict[str, int]:
    bases, at = {}, 0
    for dimension, of in rows.items():
        bases[dimension] = at
        at += of.size
    return bases
