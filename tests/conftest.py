"""Fixtures for all tests, and honest skips.

A test marked ``kernel`` needs root and bpf(2). Without them it is skipped, with the reason and
the cure. Under ``WIREPATH_REQUIRE=kernel`` the skip is an error, so that no run is green by running
nothing.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long one example takes depends on the load of the machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

WORKER = Path(__file__).parent / "harness" / "worker"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kernel: needs root and a kernel that loads programs")
    # An SSH session that the tests are run from must not change what they see.
    os.environ["SSH_CONNECTION"] = ""
    # A background job of a shell ignores SIGINT; processes that tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    for spec in specs:
        spec.python = shlex.join((str(WORKER), sys.executable))


@cache
def missing() -> str:
    try:
        from wirepath.kernel import features
    except ImportError as error:
        return f"the extension is not built: {error} (run `make setup`)"
    return features.missing()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") is None or not (reason := missing()):
        return
    if "kernel" in os.environ.get("WIREPATH_REQUIRE", "").split(","):
        pytest.fail(f"WIREPATH_REQUIRE=kernel, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def bpffs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Mount a bpffs for one test, which wirepath uses instead of the machine's."""
    from wirepath.native import lib

    path = tmp_path / "bpffs"
    path.mkdir()
    assert lib.wp_mount_bpffs(os.fsencode(path)) == 0
    monkeypatch.setenv("WIREPATH_BPFFS", str(path))
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)
