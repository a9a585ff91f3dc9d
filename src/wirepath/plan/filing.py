"""Which clauses are filed away as candidates, and in which lists; ``bpf/candidates.h`` reads them.

A clause can be filed if it asks for one run of classes in every dimension. It goes under the
dimension where the fewest others overlap it, into the list of every class of its run there. Lists
are bounded: what would make one too long stays resident, in the rows of ``bpf/classify.h``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.plan.spaces import Runs, Space

LISTED: Final = ("src", "dst", "sport", "dport")
LIST_MAX: Final = 24  # candidates a list; the same in bpf/candidates.h
WIDTH_MAX: Final = 4096  # lists that one clause may stand in
RESIDENT_ENOUGH: Final = 64  # so many clauses fit one word of a row, and filing gains nothing


@dataclass(frozen=True, slots=True)
class Filing:
    """Where every clause went.

    Attributes:
        residents: clauses that stay in the rows, ascending.
        filed: those that do not, ascending; runs are in this order.
        low, high: by dimension, the run that each filed clause asks for, u16.
        base: by dimension that has lists, the number of its first list.
        first, count: by list, where its candidates lie and how many they are.
        clause, run: by candidate, the clause and its place in *filed*.
    """

    residents: NDArray[np.uint32]
    filed: NDArray[np.uint32]
    low: Mapping[str, NDArray[np.uint16]]
    high: Mapping[str, NDArray[np.uint16]]
    base: Mapping[str, int]
    first: NDArray[np.uint32]
    count: NDArray[np.uint32]
    clause: NDArray[np.uint32]
    run: NDArray[np.uint32]


def file_away(asked: Sequence[Mapping[str, Runs]], spaces: Mapping[str, Space]) -> Filing:
    """Decide for every clause.

    Args:
        asked: by clause, what it asks for in each dimension; a dimension of sets is there with
            no runs, and keeps its clause resident.
        spaces: by dimension.
    """
    if len(asked) <= RESIDENT_ENOUGH:
        return _filed(asked, {}, spaces)
    single = [i for i, runs in enumerate(asked) if all(len(r) == 1 for r in runs.values())]
    spans = {
        dimension: _spans(asked, single, dimension, spaces[dimension].classes)
        for dimension in LISTED
        if dimension in spaces
    }
    overlaps = {dimension: _overlaps(span) for dimension, span in spans.items()}
    loads = {dimension: np.zeros(spaces[dimension].classes, np.int32) for dimension in spans}
    homes: dict[int, str] = {}
    for i in np.argsort(_narrowest(spans), kind="stable").tolist() if spans else ():
        for dimension in sorted(spans, key=lambda d: int(overlaps[d][i])):
            low, high = spans[dimension][:, i].tolist()
            load = loads[dimension][low : high + 1]
            if high - low < WIDTH_MAX and load.max() < LIST_MAX:
                load += 1
                homes[single[i]] = dimension
                break
    return _filed(asked, homes, spaces)


# low and high of every clause in one dimension; everything, where it does not ask.
def _spans(
    asked: Sequence[Mapping[str, Runs]], chosen: list[int], dimension: str, classes: int
) -> NDArray[np.int64]:
    everything = ((0, classes - 1),)
    runs = [asked[i].get(dimension, everything)[0] for i in chosen]
    return np.array(runs, dtype=np.int64).reshape(-1, 2).T


# How many spans meet each span: all but those that end before it or begin behind it.
def _overlaps(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    lows, highs = np.sort(spans[0]), np.sort(spans[1])
    before = np.searchsorted(highs, spans[0], side="left")
    behind = len(lows) - np.searchsorted(lows, spans[1], side="right")
    return np.asarray(len(lows) - before - behind)


def _narrowest(spans: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    widths = [span[1] - span[0] for span in spans.values()]
    return np.min(np.stack(widths), axis=0)


def _filed(
    asked: Sequence[Mapping[str, Runs]], homes: Mapping[int, str], spaces: Mapping[str, Space]
) -> Filing:
    filed = np.array(sorted(homes), dtype=np.uint32)
    residents = np.setdiff1d(np.arange(len(asked), dtype=np.uint32), filed)
    base, lists = {}, 0
    for dimension in LISTED:
        if dimension in homes.values():
            base[dimension] = lists
            lists += spaces[dimension].classes
    spans = np.array([asked[i][homes[i]][0] for i in filed.tolist()], dtype=np.int64)
    spans = spans.reshape(-1, 2)
    spans += np.array([base[homes[i]] for i in filed.tolist()], dtype=np.int64).reshape(-1, 1)
    widths = spans[:, 1] - spans[:, 0] + 1
    run = np.repeat(np.arange(len(filed)), widths)
    steps = np.arange(len(run)) - np.repeat(np.cumsum(widths) - widths, widths)
    at = spans[run, 0] + steps
    order = np.lexsort((run, at))  # by list, and by clause in each
    count = np.bincount(at, minlength=lists)
    return Filing(
        residents=residents,
        filed=filed,
        low={d: _edges(asked, filed, d, 0, 0) for d in spaces},
        high={d: _edges(asked, filed, d, 1, 0xFFFF) for d in spaces},
        base=base,
        first=(np.cumsum(count) - count).astype(np.uint32),
        count=count.astype(np.uint32),
        clause=filed[run[order]],
        run=run[order].astype(np.uint32),
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
