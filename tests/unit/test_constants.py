"""Bounds that both C and Python define are the same in both."""

import re
from pathlib import Path

import pytest

from wirepath.actions import challenge, limit, mirror, wireguard
from wirepath.datapath.generation import cells, manifest
from wirepath.datapath.live import ban_table, prefix_counters
from wirepath.plan import filing, split
from wirepath.policy import RULES_MAX

BPF = Path(__file__).parents[2] / "bpf"


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("rules/clauses.h", "CLAUSES_MAX", split.CLAUSES_MAX),
        ("rules/candidates.h", "BLOCK_CANDIDATES", filing.BLOCK),
        ("rules/candidates.h", "LIST_BLOCKS", filing.LIST_BLOCKS),
        ("rules/candidates.h", "LIST_BITS", filing.LIST_BITS),
        ("rules/lanes.h", "CLAUSE_AT", filing.CLAUSE_AT),
        ("manifest.h", "MANIFEST_PAGE", manifest.PAGE),
        ("rules/byte_actions.h", "BYTE_ACTIONS_MAX", RULES_MAX),
        ("guard/bans.h", "BANS_MAX", limit.BANS_MOST),
        ("guard/bans.h", "BANS_MAX", ban_table.ROOMS[-1]),
        ("actions/mirror.h", "MIRRORS_MAX", mirror.MIRRORS_MOST),
        ("stats.h", "RULE_BLOCKS", mirror.COUNTER_BLOCKS),
        ("actions/limit_bucket.h", "LIMIT_WAYS", limit.CELLS),
        ("actions/limit_bucket.h", "CELL_BITS", cells.CELL_BITS),
        ("actions/limit_bucket.h", "ERA_BITS", cells.ERA_BITS),
        ("actions/limit_ask.h", "COST_SHIFT", limit._COST_SHIFT),
        ("actions/wireguard_seen.h", "SEEN_BUCKETS", wireguard._SEEN_BUCKETS),
        ("actions/wireguard_seen.h", "SEEN_S", wireguard._SEEN_S),
        ("actions/wireguard_indexes.h", "INDEXES_MAX", wireguard._SESSIONS_MOST),
        ("actions/wireguard_indexes.h", "SESSION_S", wireguard.SESSION_S),
        ("actions/challenge.h", "COOKIE_SLICE", challenge._COOKIE_SLICE),
        ("prefixes/prefix_counters.h", "PREFIX_COUNTER_HEAD_BITS", prefix_counters._HEAD_BITS),
    ],
)
def test_c_and_python_agree(header: str, name: str, value: int) -> None:
    found = re.search(rf"^#define {name}\s+(\d+)", (BPF / header).read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) == value
