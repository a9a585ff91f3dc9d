"""Block lists: the cost of packets from listed and from other sources."""

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from results import Table, costs
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import Traffic, addresses, from_sources, random_sources, udp

HOSTS = 100_000
MANY = 1_000_000
OTHERS = 2  # a seed for other addresses than those of seed 1
IPV6 = "2001:db8::1"  # no address of the receiver: its stack drops what passes
_IPV6_GOALS = {HOSTS: 1.8, MANY: 2.4}
_POLICY = """\
[set.listed]
files = ["{file}"]

[[rule]]
name = "listed"
match = {{ src = "@listed" }}
action = "drop"
"""


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure lists of different sizes and kinds; their files go to *directory*."""
    hosts, many = random_sources(HOSTS), random_sources(MANY)
    yield _hits(directory, repetitions, hosts)
    yield _against(
        "1,000,000 hosts, every packet listed, 100,000 sources",
        directory, repetitions, addresses(many), many[:HOSTS], goal=1.5,
    )  # fmt: skip
    yield _against(
        "1,000,000 hosts, every packet listed, 1,000,000 sources",
        directory, repetitions, addresses(many), many,
    )  # fmt: skip
    prefixes, inside = mixed(HOSTS)
    yield _against(
        "100,000 prefixes of /12 to /32 and IPv6, every packet listed",
        directory, repetitions, prefixes, inside,
    )  # fmt: skip
    yield _misses(directory, repetitions, hosts, many)
    for count, goal in _IPV6_GOALS.items():
        yield _ipv6_hits(directory, repetitions, count, goal)
    yield _ipv6_misses(directory, repetitions)


def listing(directory: Path, name: str, prefixes: list[str]) -> Path:
    """Write a list and a policy that drops its sources; return the policy file."""
    (directory / f"{name}.txt").write_text("\n".join(prefixes) + "\n")
    policy = directory / f"{name}.toml"
    policy.write_text(_POLICY.format(file=f"{name}.txt"))
    return policy


def _from(sources: NDArray[np.uint8]) -> Traffic:
    to = ADDRESS if sources.shape[1] == len(socket.inet_aton(ADDRESS)) else IPV6
    return from_sources(udp(to, 9, mac=MAC), sources)


def _hits(directory: Path, repetitions: int, hosts: NDArray[np.uint8]) -> Table:
    listed = addresses(hosts)
    policy = listing(directory, "hosts", listed)
    subjects = [
        program(BARE, "bare_drop"),
        Subject("wirepath", partial(subject.attach, policy)),
        Subject("nft set", partial(peers.nft_set, listed)),
        Subject("ipset", partial(peers.ipset, listed)),
    ]
    measured = compare(subjects, _from(hosts), repetitions=repetitions)
    title = "100,000 hosts, every packet listed, 100,000 sources"
    return costs(title, measured, {"wirepath": 1.4})


def _against(
    title: str,
    directory: Path,
    repetitions: int,
    listed: list[str],
    sources: NDArray[np.uint8],
    *,
    goal: float | None = None,
) -> Table:
    policy = listing(directory, "list", listed)
    subjects = [program(BARE, "bare_drop"), Subject("wirepath", partial(subject.attach, policy))]
    measured = compare(subjects, _from(sources), repetitions=repetitions)
    return costs(title, measured, {"wirepath": goal} if goal else None)


def mixed(count: int) -> tuple[list[str], NDArray[np.uint8]]:
    """Draw prefixes of /12 to /32 and of IPv6; return them, and a source in each of IPv4."""
    rng = np.random.default_rng(1)
    lengths = rng.choice(
        [12, 16, 20, 22, 24, 28, 32], count, p=[0.001, *[0.083] * 3, 0.35, 0.1, 0.3]
    )
    sources = random_sources(count)
    numbers = sources.view(">u4").reshape(-1).astype(np.uint32)
    networks = numbers & (0xFFFFFFFF << (32 - lengths)).astype(np.uint32)
    rows = networks.astype(">u4").view(np.uint8).reshape(-1, 4)
    listed = [f"{text}/{bits}" for text, bits in zip(addresses(rows), lengths, strict=True)]
    other = random_sources(count // 10, version=6)
    other[:, 8:] = 0
    return listed + [f"{text}/64" for text in addresses(other)], sources


def _misses(
    directory: Path, repetitions: int, hosts: NDArray[np.uint8], many: NDArray[np.uint8]
) -> Table:
    subjects = [program(BARE, "bare_pass")]
    goals = {}
    for name, listed in (("wirepath, 100,000 hosts", hosts), ("wirepath, 1,000,000 hosts", many)):
        policy = listing(directory, f"miss-{len(listed)}", addresses(listed))
        subjects.append(Subject(name, partial(subject.attach, policy)))
        goals[name] = 1.3
    others = random_sources(HOSTS, seed=OTHERS)
    measured = compare(subjects, _from(others), repetitions=repetitions)
    return costs("no packet listed, 100,000 sources, on to a closed port", measured, goals)


def _ipv6_hits(directory: Path, repetitions: int, count: int, goal: float) -> Table:
    # IPv4 hosts of the same number stand next to them, with frames of their own.
    subjects = [program(BARE, "bare_drop")]
    for version in (6, 4):
        hosts = random_sources(count, version=version)
        policy = listing(directory, f"ipv{version}-{count}", addresses(hosts))
        attach = partial(subject.attach, policy)
        subjects.append(Subject(f"wirepath, IPv{version}", attach, _from(hosts[:HOSTS])))
    measured = compare(subjects, _from(random_sources(HOSTS, version=6)), repetitions=repetitions)
    title = f"{count:,} IPv6 hosts, every packet listed, 100,000 sources"
    return costs(title, measured, {"wirepath, IPv6": goal})


def _ipv6_misses(directory: Path, repetitions: int) -> Table:
    subjects = [program(BARE, "bare_pass")]
    for count in _IPV6_GOALS:
        listed = addresses(random_sources(count, version=6))
        policy = listing(directory, f"ipv6-miss-{count}", listed)
        name = f"wirepath, {count:,} hosts"
        subjects.append(Subject(name, partial(subject.attach, policy)))
    others = random_sources(HOSTS, version=6, seed=OTHERS)
    measured = compare(subjects, _from(others), repetitions=repetitions)
    return costs("no IPv6 packet listed, 100,000 sources, dropped by the stack", measured)
