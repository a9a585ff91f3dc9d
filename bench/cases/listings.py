"""Commands on a million bans and on sets of a million: time, CPU and memory of whole processes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from cases.commands import installed
from results import Row, Table, times
from wirepath.bench import subject
from wirepath.bench.wire import IFNAME, wire
from wirepath.lab.traffic import addresses, random_sources

_MANY: Final = 1_000_000
_BANS: Final = _MANY - 10  # room for a few more
_POLICY: Final = """
[set.ipv4]
files = ["ipv4.txt"]
[set.ipv6]
files = ["ipv6.txt"]
[[rule]]
name = "ipv4"
match = { src = "@ipv4" }
[[rule]]
name = "ipv6"
match = { src = "@ipv6" }
"""
# In a process of its own: the peak of a child is at least that of the parent that starts it.
_MEASURED: Final = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
wall = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""

_WHAT: Final = ("from start to exit", "CPU", "peak of memory")


class _Goals(NamedTuple):
    wall_ms: float | None = None
    cpu_ms: float | None = None
    memory_mib: float | None = None


_LISTING: Final = _Goals(wall_ms=2500, memory_mib=80 * 1000 / 1024)
_DUMP: Final = _Goals(wall_ms=1000)
_ONE: Final = _Goals(cpu_ms=150)


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure commands on a datapath with a million bans and two sets of a million prefixes."""
    hosts = addresses(random_sources(_MANY))
    (directory / "ipv4.txt").write_text("\n".join(hosts))
    (directory / "ipv6.txt").write_text("\n".join(addresses(random_sources(_MANY, version=6))))
    (directory / "bans.txt").write_text("\n".join(hosts[:_BANS]))
    (directory / "policy.toml").write_text(_POLICY)
    saved = str(directory / "bans.jsonl")
    commands: dict[tuple[str, ...], _Goals] = {
        ("ban", "--file", str(directory / "bans.txt")): _Goals(),
        ("bans",): _LISTING,
        ("bans", "--json"): _LISTING,
        ("bans", "--save", saved): _LISTING,
        ("ban", "--file", saved): _Goals(),
        ("ban", hosts[-1]): _ONE,
        ("unban", hosts[-1]): _ONE,
        ("status",): _Goals(),
        ("set", "dump", "ipv4"): _DUMP,
        ("set", "dump", "ipv6"): _DUMP,
        ("set", "dump", "ipv6", "--json"): _DUMP,
    }
    runs: dict[tuple[str, ...], list[Sequence[float]]] = {each: [] for each in commands}
    with ExitStack() as living:
        way = living.enter_context(wire("listings"))
        living.enter_context(way.receiver.entered())
        living.enter_context(subject.attach(directory / "policy.toml", IFNAME))
        for repetition in range(1 + max(3, repetitions // 3)):
            for command, measured in runs.items():
                figures = _run(command, directory / "compiled")
                if repetition:  # the first one compiles modules
                    measured.append(figures)
    yield from _tables(commands, runs)


def _run(command: tuple[str, ...], compiled: Path) -> Sequence[float]:
    argv = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "wirepath", *command]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=installed(compiled))
    measured: list[float] = json.loads(done.stdout)
    return measured


def _tables(
    commands: dict[tuple[str, ...], _Goals], runs: dict[tuple[str, ...], list[Sequence[float]]]
) -> Iterator[Table]:
    wall, cpu, memory = (Table(f"a million bans, sets of a million: {what}") for what in _WHAT)
    for command, goals in commands.items():
        name = " ".join(word.rpartition("/")[2] for word in command)
        walls, cpus, kib = zip(*runs[command], strict=True)
        wall.rows.append(times(name, walls, goal=goals.wall_ms))
        cpu.rows.append(times(name, cpus, goal=goals.cpu_ms))
        most = max(kib) / 1024
        memory.rows.append(Row(name, most, "MiB", min(kib) / 1024, most, goal=goals.memory_mib))
    yield from (wall, cpu, memory)
