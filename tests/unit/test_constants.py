"""Bounds that C and Python both have to know are the same in both."""

import re
from pathlib import Path

import pytest

from wirepath import plan
from wirepath.datapath import entries, manifest
from wirepath.plan import filing

BPF = Path(__file__).parents[2] / "bpf"


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("classify.h", "CLAUSES_MAX", plan.CLAUSES_MAX),
        ("candidates.h", "LIST_MAX", filing.LIST_MAX),
        ("manifest.h", "MANIFEST_PAGE", manifest.PAGE),
        ("entries.h", "ENTRY_HEAD_BITS", entries._HEAD_BITS),
    ],
)
def test_c_and_python_agree(header: str, name: str, value: int) -> None:
    found = re.search(rf"^#define {name}\s+(\d+)", (BPF / header).read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) == value
