"""The memory that the maps of a datapath lock in the kernel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from results import Row, Table
from wirepath.bench.wire import IFNAME, wire
from wirepath.datapath import Datapath
from wirepath.lab.traffic import addresses, random_sources
from wirepath.policy import Policy

_RULE: Final = '[[rule]]\nname = "web"\nmatch = { proto = "tcp", dport = 80 }\naction = "drop"\n'
_LIMIT: Final = """
[[rule]]
name = "ssh"
match = { proto = "tcp", dport = 22 }
limit = { rate = "5/min", per = "src", ban = "5min" }
"""
_BANS: Final = (1, 100_000, 1_000_000)
_MB: Final = 1e6
_GOAL_MB: Final = 8


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Read how much the maps lock by the kernel's own account; it does not vary."""
    del directory, repetitions
    with wire("memory") as way, way.receiver.entered():
        rows = [*_with_bans(), _row("a limit that bans, no ban", _LIMIT)]
    yield Table("locked memory of one interface", rows)


def _with_bans() -> Iterator[Row]:
    yield _row("one rule, no ban", _RULE, goal=_GOAL_MB)
    for count in _BANS:
        what = "1 ban" if count == 1 else f"{count:,} bans"
        yield _row(f"one rule, {what}", _RULE, bans=count)


def _row(name: str, policy: str, *, bans: int = 0, goal: float | None = None) -> Row:
    with Datapath.up(IFNAME, Policy.parse(policy)) as datapath:
        if bans:
            datapath.bans.restore("\n".join(addresses(random_sources(bans))).encode())
        with datapath.reading() as handles:
            maps = {each.id: each for of in handles.tables.values() for each in of.values()}
            locked = sum(each.memory_bytes for each in maps.values())
        datapath.down()
    return Row(name, locked / _MB, "MB", 0, 0, goal=goal)
