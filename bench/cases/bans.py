"""Bans: what bans of others cost a packet, by their number, and what banned packets cost."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from results import Table, costs
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.tools import run
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import Traffic, addresses, from_sources, random_sources, udp

COUNTS: Final = (1, 1_000, 100_000, 1_000_000)
_SOURCES: Final = 100_000
_GOAL_OTHERS: Final = 1.1
_GOAL_BANNED: Final = 2.0
_IPV6: Final = "2001:db8::1"
_MIDDLE: Final = 112  # first byte of an IPv4 address: below it bans, from it on other sources
_LENGTHS: Final = (12, 16, 20, 22, 24, 28, 32)
_POLICY: Final = """\
[[rule]]
name = "here"
match = { proto = "udp", dport = 9 }
action = "drop"
"""


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure bans of hosts and prefixes; a rule drops what is not banned."""
    policy = directory / "bans.toml"
    policy.write_text(_POLICY)
    for kind in ("IPv4 hosts", "IPv6 hosts", "IPv4 prefixes"):
        yield _others(policy, kind, repetitions)
    yield _banned(policy, repetitions)


def _others(policy: Path, kind: str, repetitions: int) -> Table:
    subjects = [Subject("wirepath, no ban", partial(subject.attach, policy))]
    goals = {}
    for count in COUNTS:
        bans = _bans(kind, count)
        name = f"wirepath, {_words(count)}"
        subjects.append(Subject(name, partial(_with_bans, policy, bans)))
        goals[name] = _GOAL_OTHERS
        if kind == "IPv4 hosts":
            subjects.append(Subject(f"nft set, {_words(count)}", partial(_nft, bans)))
            subjects.append(Subject(f"ipset, {_words(count)}", partial(_ipset, bans)))
    measured = compare(subjects, _traffic(kind), repetitions=repetitions)
    return costs(f"bans of other {kind}, {_SOURCES:,} sources, dropped by a rule", measured, goals)


def _words(count: int) -> str:
    return f"{count:,} ban{'' if count == 1 else 's'}"


def _banned(policy: Path, repetitions: int) -> Table:
    hosts = random_sources(_SOURCES)
    bans = addresses(hosts)
    subjects = [
        program(BARE, "bare_drop"),
        Subject("wirepath", partial(_with_bans, policy, bans)),
        Subject("nft set", partial(peers.nft_set, bans)),
        Subject("ipset", partial(peers.ipset, bans)),
    ]
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), hosts)
    measured = compare(subjects, traffic, repetitions=repetitions)
    title = f"{_SOURCES:,} bans of IPv4 hosts, every packet banned, {_SOURCES:,} sources"
    return costs(title, measured, {"wirepath": _GOAL_BANNED})


def _bans(kind: str, count: int) -> list[str]:
    if kind == "IPv6 hosts":
        return addresses(random_sources(count, version=6))
    rows = _half(count, below=True)
    if kind == "IPv4 hosts":
        return addresses(rows)
    lengths = np.random.default_rng(1).choice(_LENGTHS, count)
    masks = (0xFFFFFFFF << (32 - lengths)).astype(np.uint32)
    numbers = rows.view(">u4").reshape(-1).astype(np.uint32) & masks
    networks = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    texts = (f"{text}/{bits}" for text, bits in zip(addresses(networks), lengths, strict=True))
    return [*dict.fromkeys(texts)]


def _traffic(kind: str) -> Traffic:
    if kind == "IPv6 hosts":
        return from_sources(udp(_IPV6, 9, mac=MAC), random_sources(_SOURCES, version=6, seed=2))
    return from_sources(udp(ADDRESS, 9, mac=MAC), _half(_SOURCES, below=False))


# Random IPv4 addresses of the part below or above; a /12 of one part holds none of the other.
def _half(count: int, *, below: bool) -> NDArray[np.uint8]:
    rows = random_sources(count * 5 // 2 + 100)
    return np.ascontiguousarray(rows[(rows[:, 0] < _MIDDLE) == below][:count])


@contextmanager
def _with_bans(policy: Path, bans: Sequence[str], ifname: str) -> Iterator[None]:
    with subject.attach(policy, ifname) as datapath:
        datapath.bans.restore("\n".join(bans).encode())
        yield


@contextmanager
def _nft(bans: Sequence[str], ifname: str) -> Iterator[None]:
    with peers.nft_set(bans, ifname):
        run(["nft", "add", "rule", "inet", "bench", "raw", "counter", "drop"])
        yield


@contextmanager
def _ipset(bans: Sequence[str], ifname: str) -> Iterator[None]:
    everything = ["PREROUTING", "-j", "DROP"]
    with peers.ipset(bans, ifname):
        run([*peers.IPTABLES, "-A", *everything])
        try:
            yield
        finally:
            run([*peers.IPTABLES, "-D", *everything])
