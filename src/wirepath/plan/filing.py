"""File clauses as candidates, each under its most selective dimension.

A clause can be filed if it asks for one run of classes in every dimension. It goes under the
dimension where it overlaps the fewest others, into the list of every class of its run there. Lists
are bounded: a clause that would make one too long stays resident, as a bit of the rows
(``bpf/rules/rows.h``). ``bpf/rules/candidates.h`` reads the lists, and ``bpf/rules/lanes.h``
compares candidates in lanes (SIMD within a register).

A packet looks into two lists a dimension, one for clauses that cover few classes there and one for
those that cover many, so clauses are filed under as few dimensions as possible.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.plan.spaces import Space
    from wirepath.plan.split import Runs

LISTED: Final = ("src", "dst", "dport", "sport")
BLOCK: Final = 4  # candidates a block; this and the next three: candidates.h and lanes.h
LIST_BLOCKS: Final = 6
LIST_BITS: Final = 3
CLAUSE_AT: Final = 48  # lanes have the bits below
WIDTH_MAX: Final = 4096  # lists that one clause may be in
RESIDENT_ENOUGH: Final = 64  # so many clauses fit one word of a row: filing gains nothing
_LIST_MAX: Final = BLOCK * LIST_BLOCKS
_WORTH_IT: Final = 2  # lists cost lookups: at least half of the clauses must leave the rows
_NARROW: Final = 16  # classes; clauses that cover more are in the wide list
_FEWEST: Final = 2  # dimensions to try first


Home = tuple[str, bool]
"""A dimension, and whether the clause is wide there."""

_WIDTHS: Final = (False, True)


@dataclass(frozen=True, slots=True)
class Filing:
    """The place of every clause: in the rows, or in lists.

    Attributes:
        residents: clauses that stay in the rows, ascending.
        filed: clauses that are filed, ascending.
        lane_at: by dimension with a lane, the lowest bit of the lane.
        guards: the guard bits, one above each lane.
        in_runs: by dimension without a lane, both ends of the run that each filed clause asks for,
            u16.
        base: by dimension with lists, where the lists of its class 0 are in *lists*.
        lists: by class, its list of narrow clauses and its list of wide ones: the index of the
            first block, and in the lowest `LIST_BITS` bits how many blocks there are, u32.
        block_low, block_high: the candidates, `BLOCK` in a row, u64.
    """

    residents: NDArray[np.uint32]
    filed: NDArray[np.uint32]
    lane_at: Mapping[str, int]
    guards: int
    in_runs: Mapping[str, NDArray[np.uint16]]
    base: Mapping[str, int]
    lists: NDArray[np.uint32]
    block_low: NDArray[np.uint64]
    block_high: NDArray[np.uint64]


def file_away(asked: Sequence[Mapping[str, Runs]], spaces: Mapping[str, Space]) -> Filing:
    """Decide for every clause whether and where it is filed.

    Args:
        asked: by clause, the runs that it asks for in each dimension; a dimension of sets has no
            runs, and keeps its clause resident.
        spaces: the space of each dimension.
    """
    homes: dict[int, Home] = {}
    if len(asked) > RESIDENT_ENOUGH:
        sizes = {d: spaces[d].classes for d in LISTED if d in spaces}
        for number in range(_FEWEST, len(LISTED) + 1):
            homes = _homes(asked, {d: sizes[d] for d in LISTED[:number] if d in sizes})
            if len(asked) - len(homes) <= RESIDENT_ENOUGH:
                break
        if len(homes) * _WORTH_IT < len(asked):
            homes = {}
    return _filed(asked, homes, spaces)


# Chooses a home for each clause that can be filed under one of the dimensions of *sizes*, which has
# the number of classes of each. The narrowest clauses choose first; each takes the home where the
# longest of its lists is shortest.
def _homes(asked: Sequence[Mapping[str, Runs]], sizes: Mapping[str, int]) -> dict[int, Home]:
    homes = {}
    loads = {(d, wide): np.zeros(size, np.int32) for d, size in sizes.items() for wide in _WIDTHS}
    spans = {i: _spans(runs, sizes) for i, runs in enumerate(asked)}
    for i in sorted((i for i in spans if spans[i]), key=lambda i: spans[i][0][0]):
        at = [
            (_longest(loads[d, width > _NARROW], low, width), width, d, low)
            for width, d, low in spans[i]
        ]
        load, width, dimension, low = min(at)
        if load < _LIST_MAX:
            homes[i] = home = (dimension, width > _NARROW)
            loads[home][low : low + width] += 1
    return homes


# Most clauses cover one class, for which a maximum by numpy would dominate the time.
def _longest(load: NDArray[np.int32], low: int, width: int) -> int:
    return load.item(low) if width == 1 else int(load[low : low + width].max())


# Gives (classes, dimension, first class) of each run that a clause can be filed by, narrow first.
def _spans(runs: Mapping[str, Runs], sizes: Mapping[str, int]) -> list[tuple[int, str, int]]:
    if any(len(of) != 1 for of in runs.values()):
        return []
    spans = ((runs[d][0][1] - runs[d][0][0] + 1, d, runs[d][0][0]) for d in sizes if d in runs)
    return sorted(span for span in spans if span[0] <= WIDTH_MAX)


def _filed(
    asked: Sequence[Mapping[str, Runs]], homes: Mapping[int, Home], spaces: Mapping[str, Space]
) -> Filing:
    filed = np.array(sorted(homes), dtype=np.int64)
    uses = Counter(d for i in homes for d in asked[i])
    classes = {d: spaces[d].classes for d, _ in uses.most_common()}
    edges = {d: _edges(asked, filed, d, classes[d]) for d in classes}
    lane_at, guards = _lanes(classes)
    ends = np.array((filed << CLAUSE_AT, np.full(len(filed), guards)))
    for dimension, at in lane_at.items():
        ends |= edges[dimension] << at
    base: dict[str, int] = {}
    lists, blocks = [np.zeros((0, 2), np.int64)], [np.zeros((2, 0), np.int64)]
    for dimension in (d for d in LISTED if d in {d for d, _ in homes.values()}):
        base[dimension] = sum(map(len, lists))
        lists.append(np.zeros((classes[dimension], 2), np.int64))
        for wide in _WIDTHS:
            here = np.array([homes[i] == (dimension, wide) for i in filed.tolist()])
            first, count, candidates = _lists(
                edges[dimension][:, here], ends[:, here], guards, classes[dimension]
            )
            first += sum(each.shape[1] for each in blocks) // BLOCK
            lists[-1][:, int(wide)] = (first << LIST_BITS | count) * (count > 0)
            blocks.append(candidates)
    block_low, block_high = np.concatenate(blocks, axis=1).view(np.uint64)
    resident = np.ones(len(asked), dtype=bool)
    resident[filed] = False
    return Filing(
        residents=np.flatnonzero(resident).astype(np.uint32),
        filed=filed.astype(np.uint32),
        lane_at=lane_at,
        guards=guards,
        in_runs={d: edges[d].astype(np.uint16) for d in classes if d not in lane_at},
        base=base,
        lists=np.concatenate(lists).astype(np.uint32),
        block_low=block_low.reshape(-1, BLOCK),
        block_high=block_high.reshape(-1, BLOCK),
    )


# Gives both ends of the run that each filed clause asks for.
def _edges(
    asked: Sequence[Mapping[str, Runs]], filed: NDArray[np.int64], dimension: str, classes: int
) -> NDArray[np.int64]:
    everything = ((0, classes - 1),)
    runs = [asked[i].get(dimension, everything)[0] for i in filed.tolist()]
    return np.array(runs, dtype=np.int64).reshape(-1, 2).T


# Lays out as many lanes as there is room for: their lowest bits, and the guard bits above them.
def _lanes(classes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    lane_at, guards, at = {}, 0, 0
    for dimension, number in classes.items():
        bits = max(1, (number - 1).bit_length())
        if at + bits < CLAUSE_AT:
            lane_at[dimension] = at
            at += bits + 1
            guards |= 1 << at - 1
    return lane_at, guards


# Gives by class the first block of its list and how many blocks it has, and both ends of all
# candidates. Neighbouring classes with equal lists share one.
def _lists(
    edges: NDArray[np.int64], ends: NDArray[np.int64], guards: int, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    changes = np.zeros(classes + 1, dtype=np.int64)
    changes[edges[0]] = changes[edges[1] + 1] = 1
    list_of = changes.cumsum()[:-1]
    low, high = list_of[edges]
    widths = high - low + 1
    run = np.repeat(np.arange(len(widths)), widths)
    at = np.repeat(low - _before(widths), widths) + np.arange(len(run))
    order = np.argsort(at, kind="stable")  # by list, and by clause in each
    run, at = run[order], at[order]
    sizes = np.bincount(at, minlength=list_of[-1] + 1)
    count = -(-sizes // BLOCK)
    first = _before(count)
    place = first[at] * BLOCK + np.arange(len(at)) - _before(sizes)[at]
    # Unused places in a list's last block hold for no packet.
    candidates = np.repeat([[~guards], [guards]], count.sum() * BLOCK, axis=1)
    candidates[:, place] = ends[:, run]
    return first[list_of], count[list_of], candidates


def _before(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(sizes) - sizes
