"""Caps at egress: the rates that UDP and TCP reach, and the cost of a cap."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import routed
from results import Row, Table, costs
from wirepath.bench.path import Cost
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.lab.traffic import udp
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

_RATE: Final = 100e6  # bits per second
_OVERLOAD: Final = 3
_CPUS: Final = (1, 2)
_SECONDS: Final = 3.0
_TCP_SECONDS, _TCP_OMIT = 5, 2  # the omitted seconds use up the burst
_RUNS: Final = 200_000

_RULE: Final = '[[rule]]\nname = "cap"\nhook = "egress"\n{}\n'
_CAP: Final = 'limit = { rate = "100mbit", per = "dst" }'
_COST: Final = {
    "count": "",
    "cap per dst": 'limit = { rate = "1000gbit", per = "dst" }',
    "cap per rule": 'limit = { rate = "1000gbit", per = "rule" }',
    "cap per dst, exact clock": ('limit = { rate = "1000gbit", burst = "1mbit", per = "dst" }'),
}


def measure(directory: Path, repetitions: int) -> Iterator[Table]:  # noqa: ARG001 - the signature of all cases
    """Measure UDP and TCP through a router with a cap, then the cost of one packet."""
    with routed.routed("cap") as path, _capped(path):
        rows = [row for cpus in _CPUS for row in _udp(path, cpus)]
        yield Table(f"UDP, {_OVERLOAD} times 100 Mbit/s, against rate x time + burst", rows)
        mbit = routed.tcp(path, _TCP_SECONDS, _TCP_OMIT) / 1e6
        row = Row("payload, of 95.6 at most", mbit, "Mbit/s", mbit, mbit, goal=90, at_least=True)
        yield Table("TCP through a cap of 100 Mbit/s, default burst", [row])
    yield costs("a packet at egress, one destination, test run", _cost(repetitions))


@contextmanager
def _capped(path: routed.Path3) -> Iterator[None]:
    with path.router.entered():
        datapath = Datapath.up(routed.IFNAME, Policy.parse(_RULE.format(_CAP)))
    try:
        yield
    finally:
        with path.router.entered(), datapath:
            datapath.down()


def _udp(path: routed.Path3, cpus: int) -> Iterator[Row]:
    routed.refill()
    found = routed.udp(path, _OVERLOAD * _RATE, _SECONDS, cpus)
    ratio = found.bits / (_RATE * found.seconds + _RATE)  # the burst is one second's worth
    for which, goal, at_least in (("at least", 0.98, True), ("at most", 1.02, False)):
        name = f"{cpus} CPUs, {which}" if cpus > 1 else f"1 CPU, {which}"
        yield Row(name, ratio, "of it", ratio, ratio, goal=goal, at_least=at_least)


def _cost(repetitions: int) -> list[Cost]:
    frame = udp(ADDRESS, 9, mac=MAC).frame
    found = [Cost(name) for name in _COST]
    policies = [Policy.parse(_RULE.format(limit)) for limit in _COST.values()]
    loaded = [Generation.load(p, read_contents(p).members, hooks=["egress"]) for p in policies]
    for turn in range(repetitions):
        for nth in range(len(loaded)):
            at = (turn + nth) % len(loaded)
            found[at].ns.append(float(loaded[at].program.nanoseconds(frame, repeat=_RUNS)))
    for generation in loaded:
        generation.close()
    for cost in found:
        cost.ratios = [a / b for a, b in zip(cost.ns, found[0].ns, strict=True)]
    return found
