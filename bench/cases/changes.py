"""The duration of changes: loading sets, adding prefixes, applying policies under load."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import rulesets
from cases.blocklist import HOSTS, MANY, OTHERS, listing
from results import Row, Table, timed, times
from wirepath.bench.wire import ADDRESS, IFNAME, MAC, Wire, wire
from wirepath.datapath import Datapath
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import addresses, from_sources, random_sources, udp
from wirepath.net import Prefix
from wirepath.policy import Policy
from wirepath.prefixes import Members

_ADDS: Final = 200
_APPLIES: Final = 100


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure changes in this process, by the Python interface."""
    with wire("change") as way:
        yield _loading(way, directory, repetitions)
        yield _adding(way, directory)
        yield _applying(way, directory, repetitions)
        yield _under_load(way, directory)


def _loading(way: Wire, directory: Path, repetitions: int) -> Table:
    policy = listing(directory, "million", addresses(random_sources(MANY)))
    runs = []
    with way.receiver.entered():
        for _ in range(max(3, repetitions // 4)):
            runs.append(timed(partial(_up, policy)))
            with Datapath.open(IFNAME) as datapath:
                datapath.down()
    row = times("a text file of 1,000,000 prefixes", runs, goal=1_000)
    return Table("up: from the policy file to packets that are judged", [row])


def _up(policy: Path) -> None:
    Datapath.up(IFNAME, Policy.load(policy))


def _adding(way: Wire, directory: Path) -> Table:
    policy = listing(directory, "live", addresses(random_sources(HOSTS)))
    others = addresses(random_sources(_ADDS, seed=OTHERS))
    with way.receiver.entered(), Datapath.up(IFNAME, Policy.load(policy)) as datapath:
        singles = [Members.of([Prefix.parse(text)]) for text in others]
        adds = [timed(partial(datapath.sets.add, "listed", one)) for one in singles]
        removes = [timed(partial(datapath.sets.remove, "listed", one)) for one in singles]
        datapath.down()
    rows = [times("add one", adds, goal=1), times("remove one", removes, goal=1)]
    return Table("a live set of 100,000 prefixes", rows)


def _applying(way: Wire, directory: Path, repetitions: int) -> Table:
    (directory / "blocked.txt").write_text("\n".join(addresses(random_sources(HOSTS))) + "\n")
    texts = [
        '[set.blocked]\nfiles = ["blocked.txt"]\n\n'
        + rulesets.wirepath_policy(rulesets.draw("realistic", 1_000, seed))
        for seed in (1, 2)
    ]
    policies = [directory / f"apply-{number}.toml" for number in range(len(texts))]
    for path, text in zip(policies, texts, strict=True):
        path.write_text(text)
    with way.receiver.entered(), Datapath.up(IFNAME, Policy.load(policies[0])) as datapath:
        runs = [
            timed(partial(_apply, datapath, policies[turn % 2]))
            for turn in range(1, max(3, repetitions) + 1)
        ]
        datapath.down()
    return Table("apply", [times("1,000 rules, 100,000 prefixes", runs, goal=300)])


def _apply(datapath: Datapath, policy: Path) -> None:
    datapath.apply(Policy.load(policy))


def _under_load(way: Wire, directory: Path) -> Table:
    # Both policies drop all packets, by different lists, so a packet that passes is an error.
    sources = random_sources(1_000)
    first = listing(directory, "first", addresses(sources))
    second = listing(directory, "second", [str(IPv4Address(2**32 - 1)), *addresses(sources)])
    policies = [Policy.load(path) for path in (first, second)]
    with ExitStack() as stack:
        flood = stack.enter_context(
            Flood(way.sender, IFNAME, from_sources(udp(ADDRESS, 9, mac=MAC), sources))
        )
        stack.enter_context(way.receiver.entered())
        datapath = stack.enter_context(Datapath.up(IFNAME, policies[0]))
        before = way.overflowed()
        flood.start(seconds=60)
        runs = [
            timed(partial(datapath.apply, policies[turn % 2])) for turn in range(1, _APPLIES + 1)
        ]
        sent = flood.stop().packets
        judged = datapath.counters().rules["listed"].dropped
        overflowed = way.overflowed() - before
        datapath.down()
    lost = sent - overflowed - judged
    return Table(
        f"{_APPLIES} applies while packets arrive, all to be dropped",
        [
            times("one apply", runs),
            Row("packets that arrived", sent - overflowed, "", 0, 0),
            Row("of them lost or let through", lost, "", 0, 0, goal=0),
        ],
    )
