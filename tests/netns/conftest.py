"""Labs to test in. Each has a name of its own, so that test runs may go on side by side."""

import os
from collections.abc import Iterator

import pytest

from wirepath.lab.network import Lab

NAME = f"wp{os.getpid():x}"


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.geteuid() == 0:
        return
    reason = "namespaces need root (run `sudo make test`)"
    if os.environ.get("WIREPATH_REQUIRE") == "kernel":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def lab_name() -> Iterator[str]:
    """Name a lab that no other test has; nothing of it is left afterwards."""
    yield NAME
    Lab(NAME).remove()


@pytest.fixture
def lab(lab_name: str) -> Iterator[Lab]:
    """Build a lab for one test."""
    with Lab(lab_name) as built:
        yield built
