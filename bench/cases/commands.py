"""The cost of commands, as whole processes: CPU time of user and kernel, from start to exit."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import rulesets
from cases.blocklist import HOSTS, listing
from results import Table, times
from wirepath.bench import subject
from wirepath.bench.wire import IFNAME, wire
from wirepath.lab.traffic import addresses, random_sources

_MANY: Final = 10_000
_LIVE: Final = (
    ("status", "--json"),
    ("ban", "203.0.113.7", "--for", "1h"),
    ("unban", "203.0.113.7"),
    ("stats",),
)
_GOALS_MS: Final = {
    "wirepath status": 100,
    "wirepath ban": 100,
    "wirepath unban": 100,
    "apply of five rules": 350,
    "check of 10,000 rules": 800,
    "up of 10,000 rules": 2_000,
}
_FIVE: Final = """\
[[rule]]
name = "networks"
match = {{ src = "198.51.100.0/24" }}
action = "drop"
[[rule]]
name = "ssh"
match = {{ proto = "tcp", dport = {port} }}
action = "pass"
[[rule]]
name = "ports"
match = {{ proto = "udp", dport = "1000-2000" }}
action = "drop"
[[rule]]
name = "syns"
match = {{ proto = "tcp", tcp_flags = "syn" }}
limit = {{ rate = "100/s", per = "src" }}
[[rule]]
name = "pings"
match = {{ proto = "icmp" }}
limit = {{ rate = "10/s", per = "src" }}
"""


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure commands on a datapath with a set of 100,000 prefixes, and those that read rules."""
    costs = _Costs(directory / "compiled")
    rounds = range(1 + max(5, repetitions))
    listed = listing(directory, "commands", addresses(random_sources(HOSTS)))
    with wire("commands") as way, way.receiver.entered(), subject.attach(listed, IFNAME):
        for number in rounds:
            costs.add("python, doing nothing", number, [sys.executable, "-c", "pass"])
            for command in _LIVE:
                costs.wirepath(f"wirepath {command[0]}", number, *command)
    yield costs.table("commands on a live datapath: CPU from start to exit")
    many, *few = (directory / f"{name}.toml" for name in ("many", "some", "others"))
    many.write_text(rulesets.wirepath_policy(rulesets.draw("realistic", _MANY)))
    for policy, port in zip(few, (22, 2222), strict=True):
        policy.write_text(_FIVE.format(port=port))
    with wire("policies") as way, way.receiver.entered():
        for number in rounds:
            costs.wirepath("check of five rules", number, "check", few[0])
            costs.wirepath("up of five rules", number, "up", IFNAME, few[0])
            costs.wirepath("apply of five rules", number, "apply", few[1])
            costs.wirepath("down", number, "down", IFNAME)
            costs.wirepath("check of 10,000 rules", number, "check", many)
            costs.wirepath("up of 10,000 rules", number, "up", IFNAME, many)
            costs.wirepath("down of 10,000 rules", number, "down", IFNAME)
    yield costs.table("commands that read rules: CPU from start to exit")


def installed(compiled: Path) -> dict[str, str]:
    """Return an environment in which commands run as those of an installed package.

    Modules are compiled, into *compiled*, and output is buffered, whatever the environment of this
    process says.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        environment.pop(name, None)
    return environment


class _Costs:
    # The CPU times of commands, in seconds. The first round compiles modules, so it does not count.
    def __init__(self, compiled: Path) -> None:
        self._runs: dict[str, list[float]] = {}
        self._environment = installed(compiled)

    def wirepath(self, name: str, number: int, *arguments: str | Path) -> None:
        argv = [sys.executable, "-m", "wirepath", *map(str, arguments)]
        self.add(name, number, argv)

    def add(self, name: str, number: int, argv: list[str]) -> None:
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        child = os.posix_spawn(argv[0], argv, self._environment, file_actions=[null])
        _, status, usage = os.wait4(child, 0)
        if status:
            raise ChildProcessError(f"{name}: exit code {os.waitstatus_to_exitcode(status)}")
        if number:
            self._runs.setdefault(name, []).append(usage.ru_utime + usage.ru_stime)

    def table(self, title: str) -> Table:
        found, self._runs = self._runs, {}
        return Table(
            title, [times(name, of, goal=_GOALS_MS.get(name)) for name, of in found.items()]
        )
