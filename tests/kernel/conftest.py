"""Fixtures: programs compiled for a test, and a namespace with a veth pair for each test."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wirepath.kernel.interface import Interface
from wirepath.native import lib

HERE = Path(__file__).parent


def run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile tests/kernel/NAME.bpf.c once."""
    made: dict[str, Path] = {}
    directory = tmp_path_factory.mktemp("bpf")

    def compiled(name: str) -> Path:
        if name not in made:
            made[name] = directory / f"{name}.bpf.o"
            include = f"-I/usr/include/{platform.machine()}-linux-gnu"
            source = str(HERE / f"{name}.bpf.c")
            run("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", include, "-c", source,
                "-o", str(made[name]))  # fmt: skip
        return made[name]

    return compiled


@pytest.fixture
def netns() -> Iterator[str]:
    """Run the test in a new network namespace with the veth pair wp0 and wp1, both up."""
    name = f"wp-kernel-{os.getpid()}"
    run("ip", "netns", "add", name)
    with Path("/proc/self/ns/net").open("rb") as home:
        try:
            run("ip", "-n", name, "link", "add", "wp0", "type", "veth", "peer", "name", "wp1")
            for each in ("wp0", "wp1", "lo"):
                run("ip", "-n", name, "link", "set", each, "up")
            with Path("/run/netns", name).open("rb") as there:
                assert lib.wp_enter(there.fileno()) == 0
            yield name
        finally:
            assert lib.wp_enter(home.fileno()) == 0
            run("ip", "netns", "del", name)


@pytest.fixture
def veth(netns: str) -> Interface:
    return Interface.of("wp0")
