"""Limits: their cost compared with a rule that only counts, and the accuracy of rates."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import sched_setaffinity
from pathlib import Path
from threading import Barrier
from typing import Final

import numpy as np

from results import Row, Table, costs
from wirepath.bench import subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.live import counters
from wirepath.kernel.program import Program
from wirepath.lab.traffic import from_sources, random_sources, udp
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

_FEW, _MANY = 100_000, 1_000_000
_POLICY: Final = (
    '[datapath]\ndefault = "{1}"\n[[rule]]\nname = "all"\nmatch = {{ proto = "udp" }}\n{0}\n'
)
_LIMIT: Final = 'limit = {{ rate = "100/s", per = "src", keys = {0}{1} }}'

_OVERLOAD: Final = 10
_CPUS: Final = 2
_SLICE: Final = 100_000  # frames per call; the time is checked between calls
_SECONDS: Final = 3.0
_INTERVALS: Final = 6  # of a run, at least
_BURST: Final = 4  # packets, at least: more than arrive of one key in an interval
_PAUSE: Final = 0.1  # s; the burst also covers a pause of a busy machine


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure the cost with many sources, then rates on two CPUs at ten times the limit."""
    for count in (_FEW, _MANY):
        yield _cost(directory, count, "pass", repetitions)
        yield _cost(directory, count, "drop", repetitions)
    table = Table(f"passed against contract, {_CPUS} CPUs, {_OVERLOAD} times as much offered")
    for keys in (100, 10_000, 1_000_000):
        table.rows += _rate(keys)
    yield table


# Conforming packets either go on to a closed port, as with a rule that counts, or the program drops
# them, which shows the cost of the limit alone.
def _cost(directory: Path, sources: int, default: str, repetitions: int) -> Table:
    limits = {
        "count": "",
        "limit": _LIMIT.format(sources, ""),
        "limit per rule": 'limit = { rate = "1g/s", per = "rule" }',
        "limit, exact": _LIMIT.format(sources, ", exact = true"),
    }
    subjects = []
    for name, limit in limits.items():
        policy = directory / f"{name}-{sources}-{default}.toml"
        policy.write_text(_POLICY.format(limit, default))
        subjects.append(Subject(name, partial(subject.attach, policy)))
    subjects.append(program(BARE, f"bare_{default}"))
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(sources))
    measured = compare(subjects, traffic, repetitions=repetitions)
    way = "on to a closed port" if default == "pass" else "dropped after it"
    title = f"a rule with a limit that all conform to, {sources:,} sources, {way}"
    goals = {"limit": 1.3, "limit per rule": 1.3} if default == "pass" else None
    return costs(title, measured, goals)


# Each key passes its burst, then one packet per interval. The run ends halfway between two.
def _rate(keys: int) -> Iterator[Row]:
    offered = _passed(_policy(keys, 1_000_000_000), keys, 0.5)[1]
    interval = _OVERLOAD * keys / offered
    burst = max(_BURST, round(_PAUSE / interval))
    policy = _policy(keys, round(3600 / interval), burst)
    intervals = max(_INTERVALS, round(_SECONDS / interval))
    passed, _, elapsed = _passed(policy, keys, (intervals + 0.5) * interval)
    ratio = passed / (keys * (burst + elapsed // interval))
    for which, goal, at_least in (("at least", 0.98, True), ("at most", 1.02, False)):
        name = f"{keys:,} keys, {which}"
        yield Row(name, ratio, "of it", ratio, ratio, goal=goal, at_least=at_least)


def _policy(keys: int, an_hour: int, burst: int = 1_000_000) -> Policy:
    room = max(_FEW, 2 * keys)
    return Policy.parse(
        '[[rule]]\nname = "all"\nmatch = { proto = "udp" }\n'
        f'limit = {{ rate = "{an_hour}/h", per = "src", burst = {burst}, keys = {room} }}\n'
    )


def _passed(policy: Policy, keys: int, seconds: float) -> tuple[int, float, float]:
    # Returns packets that conformed, offered packets per second, and seconds.
    frame = np.frombuffer(udp(ADDRESS, 9, mac=MAC).frame, dtype=np.uint8)
    frames = np.tile(frame, (max(keys, _SLICE), 1))
    frames[:, 26:30] = np.resize(random_sources(keys), (len(frames), 4))
    with Generation.load(policy, read_contents(policy).members, sizes={"bans": 16}) as generation:
        together = Barrier(_CPUS)
        with ThreadPoolExecutor() as cpus:
            runs = [
                cpus.submit(_send, generation.program, frames, cpu, together, seconds)
                for cpu in range(_CPUS)
            ]
            sent, elapsed = map(sum, zip(*(run.result() for run in runs), strict=True))
        elapsed /= _CPUS
        counted = counters.rules(generation.maps, {"all": 0})["all"]
    return counted.packets - counted.dropped, sent / elapsed, elapsed


# Returns the number of packets sent, and seconds.
def _send(
    to: Program, frames: np.ndarray, cpu: int, together: Barrier, seconds: float
) -> tuple[int, float]:
    sched_setaffinity(0, {cpu})  # of this thread
    sent, part = 0, cpu * len(frames) // _CPUS // _SLICE
    lengths = np.full(_SLICE, frames.shape[1], dtype=np.uint32)
    together.wait()
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        start = part % (len(frames) // _SLICE) * _SLICE
        offsets = (np.arange(_SLICE, dtype=np.uint64) + start) * frames.shape[1]
        to.test_runs(frames.reshape(-1), offsets, lengths, bytearray())
        sent += _SLICE
        part += 1
    return sent, time.monotonic() - began
