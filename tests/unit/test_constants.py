"""Bounds that C and Python both have to know are the same in both."""

import re
from pathlib import Path

import pytest

from wirepath import plan
from wirepath.actions import challenge, limit, mirror, wireguard
from wirepath.datapath import actions, entries, manifest
from wirepath.plan import filing
from wirepath.policy import RULES_MAX

BPF = Path(__file__).parents[2] / "bpf"


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("clauses.h", "CLAUSES_MAX", plan.CLAUSES_MAX),
        ("candidates.h", "BLOCK_CANDIDATES", filing.BLOCK),
        ("candidates.h", "LIST_BLOCKS", filing.LIST_BLOCKS),
        ("candidates.h", "LIST_BITS", filing.LIST_BITS),
        ("lanes.h", "CLAUSE_AT", filing.CLAUSE_AT),
        ("manifest.h", "MANIFEST_PAGE", manifest.PAGE),
        ("errands.h", "ERRANDS_MAX", RULES_MAX),
        ("bans.h", "BANS_MAX", actions._BANS_MOST),
        ("actions/mirror.h", "MIRRORS_MAX", mirror.MIRRORS_MOST),
        ("actions/limit_cells.h", "LIMIT_WAYS", limit.CELLS),
        ("actions/limit_ask.h", "COST_SHIFT", limit._COST_SHIFT),
        ("actions/wireguard_seen.h", "SEEN_BUCKETS", actions._SEEN_BUCKETS),
        ("actions/wireguard_seen.h", "SEEN_S", wireguard._SEEN_S),
        ("actions/wireguard_indexes.h", "INDEXES_MAX", actions._SESSIONS_MOST),
        ("actions/wireguard_indexes.h", "SESSION_S", wireguard.SESSION_S),
        ("actions/challenge.h", "COOKIE_SLICE", challenge._COOKIE_SLICE),
        ("entries.h", "ENTRY_HEAD_BITS", entries._HEAD_BITS),
    ],
)
def test_c_and_python_agree(header: str, name: str, value: int) -> None:
    found = re.search(rf"^#define {name}\s+(\d+)", (BPF / header).read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) == value
