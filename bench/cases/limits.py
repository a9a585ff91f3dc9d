"""Limits: what one costs beside a rule that only counts, and whether its rate is kept."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import sched_setaffinity
from pathlib import Path
from typing import Final

import numpy as np

import subject
from path import BARE, Subject, compare, program
from results import Row, Table, costs
from wire import ADDRESS, MAC
from wirepath import stats
from wirepath.datapath.contents import read_contents
from wirepath.datapath.generation import Generation
from wirepath.kernel.program import Program
from wirepath.lab.traffic import from_sources, random_sources, udp
from wirepath.policy import Policy

_FEW, _MANY = 100_000, 1_000_000
# Everything is dropped in the end, so that the way behind it does not hide what a limit costs.
_POLICY: Final = (
    '[datapath]\ndefault = "drop"\n[[rule]]\nname = "all"\nmatch = {{ proto = "udp" }}\n{0}\n'
)
_LIMIT: Final = 'limit = {{ rate = "100/s", per = "src", keys = {0}{1} }}'

_OVERLOAD: Final = 10
_CPUS: Final = 2
_SLICE: Final = 100_000  # frames a call, so that time is looked at
_SECONDS: Final = 3.0
_EACH: Final = 40  # packets of every key at least,
_BURST: Final = 4  # and a burst that spans the time between two of them


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure the cost over many sources, then the rate on two CPUs at ten times the contract."""
    for count in (_FEW, _MANY):
        yield _cost(directory, count, repetitions)
    table = Table(f"passed against contract, {_CPUS} CPUs, {_OVERLOAD} times as much offered")
    for keys in (100, 10_000, 1_000_000):
        table.rows.append(_rate(keys, low=True))
        table.rows.append(_rate(keys, low=False))
    yield table


def _cost(directory: Path, sources: int, repetitions: int) -> Table:
    limits = {
        "count": "",
        "limit": _LIMIT.format(sources, ""),
        "limit per rule": 'limit = { rate = "1g/s", per = "rule" }',
        "limit, exact": _LIMIT.format(sources, ", exact = true"),
    }
    subjects = []
    for name, limit in limits.items():
        policy = directory / f"{name}-{sources}.toml"
        policy.write_text(_POLICY.format(limit))
        subjects.append(Subject(name, partial(subject.attach, policy)))
    subjects.append(program(BARE, "bare_drop"))
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(sources))
    measured = compare(subjects, traffic, repetitions=repetitions)
    title = f"a rule with a limit that all conform to, {sources:,} sources"
    return costs(title, measured, {"limit": 1.3, "limit per rule": 1.3})


def _rate(keys: int, *, low: bool) -> Row:
    offered = _passed(_policy(keys, 1_000_000_000), keys, 0.5)[1]
    an_hour = max(1, round(offered * 3600 / _OVERLOAD / keys))
    burst = max(_BURST, an_hour // 3600)
    policy = _policy(keys, an_hour, burst)
    passed, _, elapsed = _passed(policy, keys, max(_SECONDS, _EACH * keys / offered))
    contract = keys * (burst + an_hour / 3600 * elapsed)
    ratio = passed / contract
    what = f"{keys:,} keys" + (", at least" if low else ", at most")
    return Row(what, ratio, "of it", ratio, ratio, goal=0.98 if low else 1.02, at_least=low)


def _policy(keys: int, an_hour: int, burst: int = 1_000_000) -> Policy:
    room = max(_FEW, 2 * keys)
    return Policy.parse(
        '[[rule]]\nname = "all"\nmatch = { proto = "udp" }\n'
        f'limit = {{ rate = "{an_hour}/h", per = "src", burst = {burst}, keys = {room} }}\n'
    )


def _passed(policy: Policy, keys: int, seconds: float) -> tuple[int, float, float]:
    # Packets that conformed, packets a second that were offered, and how long that took.
    frame = np.frombuffer(udp(ADDRESS, 9, mac=MAC).frame, dtype=np.uint8)
    frames = np.tile(frame, (max(keys, _SLICE), 1))
    frames[:, 26:30] = np.resize(random_sources(keys), (len(frames), 4))
    with Generation.load(policy, read_contents(policy).members, sizes={"bans": 16}) as generation:
        began = time.monotonic()
        with ThreadPoolExecutor() as cpus:
            runs = [
                cpus.submit(_send, generation.program, frames, cpu, began + seconds)
                for cpu in range(_CPUS)
            ]
            sent = sum(run.result() for run in runs)
        elapsed = time.monotonic() - began
        counted = stats.rules(generation.loaded.maps["rule_counters"], {"all": 0})["all"]
    return counted.packets - counted.dropped, sent / elapsed, elapsed


def _send(to: Program, frames: np.ndarray, cpu: int, until: float) -> int:
    sched_setaffinity(0, {cpu})  # of this thread
    sent, part = 0, cpu * len(frames) // _CPUS // _SLICE
    lengths = np.full(_SLICE, frames.shape[1], dtype=np.uint32)
    while time.monotonic() < until:
        start = part % (len(frames) // _SLICE) * _SLICE
        offsets = (np.arange(_SLICE, dtype=np.uint64) + start) * frames.shape[1]
        to.test_runs(frames.reshape(-1), offsets, lengths, bytearray())
        sent += _SLICE
        part += 1
    return sent
