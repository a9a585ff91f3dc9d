"""Labs and hosts for tests; each lab has a unique name, so that test runs can be concurrent."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.pair import Pair, pair
from wirepath.lab.network import Lab

HERE = Path(__file__).parent

NAME = f"wp{os.getpid():x}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture
def lab_name() -> Iterator[str]:
    """Choose a unique name for a lab; nothing of the lab is left afterwards."""
    yield NAME
    Lab(NAME).remove()


@pytest.fixture
def lab(lab_name: str) -> Iterator[Lab]:
    """Build a lab for one test."""
    with Lab(lab_name) as built:
        yield built


@pytest.fixture
def hosts(bpffs: Path) -> Iterator[Pair]:
    """Make two hosts on one cable; the test runs on the near one."""
    with pair() as made, made.near.entered():
        yield made
