"""The duration of commands, as whole processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from cases.blocklist import HOSTS, listing
from results import Table, timed, times
from wirepath.bench import subject
from wirepath.bench.wire import IFNAME, wire
from wirepath.lab.traffic import addresses, random_sources

_COMMANDS: Final = (
    ("status", "--json"),
    ("ban", "203.0.113.7", "--for", "1h"),
    ("unban", "203.0.113.7"),
    ("stats",),
)
_GOALS_MS: Final = {"status": 150, "ban": 150}


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure commands on a datapath with a set of 100,000 prefixes."""
    policy = listing(directory, "commands", addresses(random_sources(HOSTS)))
    with wire("commands") as way, way.receiver.entered(), subject.attach(policy, IFNAME):
        runs: dict[str, list[float]] = {name: [] for name, *_ in _COMMANDS}
        run = partial(_run, compiled=directory / "compiled")
        bare = []
        for repetition in range(1 + max(5, repetitions)):
            bare.append(timed(partial(run, [sys.executable, "-c", "pass"])))
            for command in _COMMANDS:
                argv = [sys.executable, "-m", "wirepath", *command]
                took = timed(partial(run, argv))
                if repetition:  # the first one compiles modules
                    runs[command[0]].append(took)
    rows = [times("python, doing nothing", bare)]
    rows += [
        times(f"wirepath {name}", each, goal=_GOALS_MS.get(name)) for name, each in runs.items()
    ]
    yield Table("commands, from start to exit", rows)


def installed(compiled: Path) -> dict[str, str]:
    """Return an environment in which commands run as those of an installed package.

    Modules are compiled, into *compiled*, and output is buffered, whatever the environment of this
    process says.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        environment.pop(name, None)
    return environment


def _run(argv: list[str], *, compiled: Path) -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=installed(compiled))
