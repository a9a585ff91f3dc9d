"""Which clauses are filed away as candidates, and in which lists; ``bpf/candidates.h`` reads them.

A clause can be filed if it asks for one run of classes in every dimension. It goes under the
dimension where the fewest others lie beside it, into the list of every class of its run there.
Lists are bounded: what would make one too long stays resident, in the rows of ``bpf/classify.h``.

A packet looks into one list a dimension, so clauses are filed under as few dimensions as will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.plan.spaces import Runs, Space

LISTED: Final = ("src", "dst", "dport", "sport")
# What the candidates of a list are sifted by, before anybody looks at their runs.
SECOND: Final = {"src": "dst", "dst": "src", "dport": "dst", "sport": "dst"}
LIST_MAX: Final = 24  # candidates a list; the same in bpf/candidates.h
WIDTH_MAX: Final = 4096  # lists that one clause may stand in
RESIDENT_ENOUGH: Final = 64  # so many clauses fit one word of a row, and filing gains nothing
_FEWEST: Final = 2  # dimensions that are tried first


@dataclass(frozen=True, slots=True)
class Filing:
    """Where every clause went.

    Attributes:
        residents: clauses that stay in the rows, ascending.
        filed: those that do not, ascending; runs are in this order.
        low, high: by dimension, the run that each filed clause asks for, u16.
        base: by dimension that has lists, the number of its first list.
        second: by dimension that has lists, what its candidates are sifted by.
        first, count: by list, where its candidates lie and how many they are.
        clause, run: by candidate, the clause and its place in *filed*.
        second_low, second_high: by candidate, its run in the second dimension, u16.
    """

    residents: NDArray[np.uint32]
    filed: NDArray[np.uint32]
    low: Mapping[str, NDArray[np.uint16]]
    high: Mapping[str, NDArray[np.uint16]]
    base: Mapping[str, int]
    second: Mapping[str, str]
    first: NDArray[np.uint32]
    count: NDArray[np.uint32]
    clause: NDArray[np.uint32]
    run: NDArray[np.uint32]
    second_low: NDArray[np.uint16]
    second_high: NDArray[np.uint16]


def file_away(asked: Sequence[Mapping[str, Runs]], spaces: Mapping[str, Space]) -> Filing:
    """Decide for every clause.

    Args:
        asked: by clause, what it asks for in each dimension; a dimension of sets is there with
            no runs, and keeps its clause resident.
        spaces: by dimension.
    """
    homes: dict[int, str] = {}
    if len(asked) > RESIDENT_ENOUGH:
        sizes = {d: spaces[d].classes for d in LISTED if d in spaces}
        for number in range(_FEWEST, len(LISTED) + 1):
            homes = _homes(asked, {d: sizes[d] for d in LISTED[:number] if d in sizes})
            if len(asked) - len(homes) <= RESIDENT_ENOUGH:
                break
    return _filed(asked, homes, spaces)


# Where each clause is filed, if lists of some dimensions, each of so many classes, are kept. The
# narrowest choose first; each takes the place where the longest of its lists is shortest.
def _homes(asked: Sequence[Mapping[str, Runs]], sizes: Mapping[str, int]) -> dict[int, str]:
    homes = {}
    loads = {dimension: np.zeros(size, np.int32) for dimension, size in sizes.items()}
    spans = {i: _spans(runs, sizes) for i, runs in enumerate(asked)}
    for i in sorted((i for i in spans if spans[i]), key=lambda i: spans[i][0][0]):
        at = [(loads[d][low : low + width].max(), width, d, low) for width, d, low in spans[i]]
        load, width, home, low = min(at)
        if load < LIST_MAX:
            loads[home][low : low + width] += 1
            homes[i] = home
    return homes


# (classes, dimension, first class) wherever a clause can be filed, the narrowest first.
def _spans(runs: Mapping[str, Runs], sizes: Mapping[str, int]) -> list[tuple[int, str, int]]:
    if any(len(of) != 1 for of in runs.values()):
        return []
    spans = ((runs[d][0][1] - runs[d][0][0] + 1, d, runs[d][0][0]) for d in sizes if d in runs)
    return sorted(span for span in spans if span[0] <= WIDTH_MAX)


def _filed(
    asked: Sequence[Mapping[str, Runs]], homes: Mapping[int, str], spaces: Mapping[str, Space]
) -> Filing:
    filed = np.array(sorted(homes), dtype=np.uint32)
    dimensions = {d for asks in asked for d in asks}  # those of sets too, which have no space
    low = {d: _edges(asked, filed, d, 0, 0) for d in dimensions}
    high = {d: _edges(asked, filed, d, 1, 0xFFFF) for d in dimensions}
    base, lists = {}, 0
    at, run = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    second_low, second_high = [np.zeros(0, np.uint16)], [np.zeros(0, np.uint16)]
    for dimension in (d for d in LISTED if d in homes.values()):
        base[dimension] = lists
        here = np.array([n for n, i in enumerate(filed.tolist()) if homes[i] == dimension])
        widths = high[dimension][here].astype(np.int64) - low[dimension][here] + 1
        run.append(np.repeat(here, widths))
        steps = np.arange(len(run[-1])) - np.repeat(np.cumsum(widths) - widths, widths)
        at.append(lists + np.repeat(low[dimension][here], widths) + steps)
        second = SECOND[dimension] if SECOND[dimension] in dimensions else dimension
        second_low.append(low[second][run[-1]])
        second_high.append(high[second][run[-1]])
        lists += spaces[dimension].classes
    runs, places = np.concatenate(run), np.concatenate(at)
    order = np.lexsort((runs, places))  # by list, and by clause in each
    count = np.bincount(places, minlength=lists)
    return Filing(
        residents=np.setdiff1d(np.arange(len(asked), dtype=np.uint32), filed),
        filed=filed,
        low=low,
        high=high,
        base=base,
        second={d: SECOND[d] if SECOND[d] in dimensions else d for d in base},
        first=(np.cumsum(count) - count).astype(np.uint32),
        count=count.astype(np.uint32),
        clause=filed[runs[order]],
        run=runs[order].astype(np.uint32),
        second_low=np.concatenate(second_low)[order],
        second_high=np.concatenate(second_high)[order],
    )


def _edges(
    asked: Sequence[Mapping[str, Runs]],
    filed: NDArray[np.uint32],
    dimension: str,
    edge: int,
    otherwise: int,
) -> NDArray[np.uint16]:
    runs = (asked[i].get(dimension) for i in filed.tolist())
    return np.array([r[0][edge] if r else otherwise for r in runs], dtype=np.uint16)
