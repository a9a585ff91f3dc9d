"""How long an operator waits: whole processes, from the shell's point of view."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import subject
from cases.blocklist import HOSTS, listing
from results import Table, timed, times
from wire import IFNAME, wire
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
        bare = []
        for _ in range(max(5, repetitions)):
            bare.append(timed(partial(_run, [sys.executable, "-c", "pass"])))
            for command in _COMMANDS:
                argv = [sys.executable, "-m", "wirepath", *command]
                runs[command[0]].append(timed(partial(_run, argv)))
    rows = [times("python, doing nothing", bare)]
    rows += [
        times(f"wirepath {name}", each, goal=_GOALS_MS.get(name)) for name, each in runs.items()
    ]
    yield Table("commands, from start to exit", rows)


def _run(argv: list[str]) -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
