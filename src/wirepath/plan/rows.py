"""Make the rows that ``bpf/rules/rows.h`` ANDs: a row for each class, a bit for each clause.

This is the aggregated bit vector scheme (Baboescu and Varghese 2001). Filed clauses have no bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from wirepath.prefixes import set_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wirepath.plan.split import Runs

BITS: Final = 64
_ONE: Final = np.uint64(1)


def row_words(residents: int) -> int:
    """Count the words that *residents* bits fill."""
    return -(-residents // BITS)


def summary_words(words: int) -> int:
    """Count the words of a row's summary; a row of one word needs none."""
    return row_words(words) if words > 1 else 0


def rows_of_runs(asked: Sequence[Runs], classes: int) -> NDArray[np.uint64]:
    """Make the rows of a dimension.

    Args:
        asked: by bit, the classes that suit its clause.
        classes: how many classes the dimension has.

    Returns:
        For each class a row: its summary, then its words.
    """
    # The bit of a run changes at its first class and after its last one.
    changes = np.zeros((classes + 1, row_words(len(asked))), dtype=np.uint64)
    for bit, runs in enumerate(asked):
        mask = _ONE << np.uint64(bit % BITS)
        for low, high in runs:
            changes[low, bit // BITS] ^= mask
            changes[high + 1, bit // BITS] ^= mask
    return with_summary(np.bitwise_xor.accumulate(changes, axis=0)[:-1])


def rows_of_sets(needs: NDArray[np.uint64], masks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Make the rows of a dimension of sets.

    Args:
        needs: by bit, the sets that its clause asks for: (any of, none of).
        masks: by class, its sets, a bit each.

    Returns:
        Rows as `rows_of_runs` gives them.
    """
    rows = np.zeros((len(masks), row_words(len(needs))), dtype=np.uint64)
    set_rows(np.ascontiguousarray(needs).data, np.ascontiguousarray(masks).data, rows.data)
    return with_summary(rows)


def with_summary(rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put its summary in front of each row: a bit for each word that is not 0."""
    width = summary_words(rows.shape[1])
    if not width:
        return rows
    full = np.zeros((len(rows), width * BITS), dtype=bool)
    full[:, : rows.shape[1]] = rows != 0
    summary = np.packbits(full, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return np.ascontiguousarray(np.hstack((summary, rows)))
