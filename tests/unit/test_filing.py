"""The filing of clauses, read in the way the data plane reads it for a packet."""

# ruff: noqa: S311 - a seed, so that it fails again
from random import Random
from typing import TYPE_CHECKING

import pytest

from wirepath.plan import filing
from wirepath.plan.clauses import AskRanges
from wirepath.plan.filing import Filing, file_away
from wirepath.plan.spaces import Numbers

if TYPE_CHECKING:
    from wirepath.plan.split import Runs

_LIMIT = 4000


def _clauses(random: Random, count: int) -> list[dict[str, tuple[int, int]]]:
    def span() -> tuple[int, int]:
        low = random.randrange(_LIMIT)
        return low, min(_LIMIT, low + random.choice((0, 0, 0, 5, 400)))

    return [
        {d: span() for d in ("dport", "sport", "proto") if random.random() < 0.9}
        for _ in range(count)
    ]


def _listed(filed: Filing, dimension: str, number: int) -> list[list[int]]:
    found = []
    for word in filed.lists[filed.base[dimension] + number].tolist():
        first, count = word >> filing.LIST_BITS, word & (1 << filing.LIST_BITS) - 1
        low = filed.block_low[first : first + count].reshape(-1).tolist()
        found.append([n >> filing.CLAUSE_AT for n in low if n >> filing.CLAUSE_AT < 0xFFFF])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_filed_clause_is_where_packets_look(seed: int) -> None:
    random = Random(seed)
    clauses = _clauses(random, 500)
    spaces = {
        d: Numbers([c[d] for c in clauses if d in c], _LIMIT, absent=True)
        for d in ("dport", "sport", "proto")
    }
    asked: list[dict[str, Runs]] = [
        {d: spaces[d].runs(AskRanges((span,))) for d, span in clause.items()} for clause in clauses
    ]
    filed = file_away(asked, spaces)
    assert sorted((*filed.residents, *filed.filed)) == list(range(len(clauses)))
    assert len(filed.filed) > len(clauses) / 2
    seen: dict[int, set[tuple[str, int]]] = {}
    for dimension in filed.base:
        for number in range(spaces[dimension].classes):
            for candidates in _listed(filed, dimension, number):
                assert candidates == sorted(candidates)
                assert len(candidates) <= filing.BLOCK * filing.LIST_BLOCKS
                for clause in candidates:
                    seen.setdefault(clause, set()).add((dimension, number))
    assert sorted(seen) == filed.filed.tolist()
    for clause, places in seen.items():
        [home] = {dimension for dimension, _ in places}
        low, high = asked[clause][home][0]
        assert places == {(home, number) for number in range(low, high + 1)}


def test_lists_that_would_hold_few_are_not_kept() -> None:
    spaces = {"dport": Numbers([(1, 9)], 65_535, absent=True)}
    asked: list[dict[str, Runs]] = [{"dport": spaces["dport"].runs(AskRanges(((1, 9),)))}] * 100
    filed = file_away(asked, spaces)
    assert (len(filed.residents), len(filed.lists)) == (100, 0)
