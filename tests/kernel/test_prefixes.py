"""Sets in the kernel: the program finds the same as a plain set of prefixes, also after changes.

Prefixes are close together in a few places, so that there are root slots of every kind:
empty, with hosts only, with boundaries, too full for a line.
"""

import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from harness.frames import Eth, IPv4, IPv6, Udp
from wirepath.datapath.generation.load import Generation
from wirepath.kernel.program import XdpAction
from wirepath.model import PrefixSet
from wirepath.net import Prefix, format_address
from wirepath.policy import Policy
from wirepath.prefixes import LiveSets, Members, SetMemory

pytestmark = pytest.mark.kernel

POLICY = Policy.parse(
    "[set.listed]\n[set.other]\n"
    '[[rule]]\nname = "listed"\nmatch = { src = "@listed" }\naction = "drop"\n'
)
IPV4 = 0xFFFF << 32
LAST = (1 << 128) - 1
# So that no change makes a combination of sets that has no rows yet.
ALONE, OTHER, BOTH = map(Prefix.parse, ("192.0.2.0/25", "198.51.100.0/25", "203.0.113.0/25"))
PLACES = [IPV4 + 0x0A000000, IPV4 + 0xC0A80000, IPV4 + 0xFFFFFFFF, 0x20010DB8 << 96]
NOISE = [3, 8, 16, 24]  # bits: from neighbours to separate slots


def prefixes(rng: random.Random, count: int) -> set[Prefix]:
    """Choose prefixes; every third is shorter than a host's, and some are the same."""
    found = set()
    for _ in range(count):
        address = rng.choice(PLACES) ^ rng.getrandbits(rng.choice(NOISE))
        found.add(Prefix.around(address, rng.choice([128, 128, rng.randrange(110, 128)])))
    return found


def addresses(rng: random.Random, members: Iterable[Prefix]) -> list[int]:
    """List both ends of every prefix, the addresses just outside, and some anywhere."""
    found = {IPV4 - 1, IPV4, IPV4 + 0xFFFFFFFF, IPV4 + (1 << 32), 0, LAST}
    for prefix in members:
        found |= {prefix.address, prefix.last}
        found |= {max(prefix.address - 1, 0), min(prefix.last + 1, LAST)}
    found |= {IPV4 + rng.getrandbits(32) for _ in range(1000)}
    found |= {rng.choice(PLACES) ^ rng.getrandbits(rng.choice(NOISE)) for _ in range(1000)}
    return sorted(found)


def frame(address: int) -> bytes:
    ip = IPv4 if address >> 32 == 0xFFFF else IPv6
    return bytes(Eth() / ip(src=format_address(address)) / Udp())


def listed(generation: Generation, sources: list[int]) -> list[bool]:
    """Return for each source whether the program drops it."""
    return drops(generation, [frame(source) for source in sources])


def drops(generation: Generation, frames: list[bytes]) -> list[bool]:
    """Return for each frame whether the program drops it."""
    lengths = np.array([len(each) for each in frames], dtype=np.uint32)
    traces = np.zeros(len(frames), dtype=generation.btf.ctype("struct trace").dtype)
    traces["wire_bytes"] = lengths
    returned = generation.program.test_runs(
        b"".join(frames),
        np.cumsum(lengths, dtype=np.uint64) - lengths,
        lengths,
        traces.view(np.uint8),
    )
    assert set(returned) <= {XdpAction.DROP, XdpAction.PASS}
    return [verdict == XdpAction.DROP for verdict in returned]


@contextmanager
def live(generation: Generation) -> Iterator[LiveSets]:
    """Open the set table in the memory that the program reads, to change it."""
    maps = generation.maps
    memory = SetMemory(
        lines=maps["set_lines"].memory(),
        fences=maps["set_fences"].memory(),
        leaves=maps["set_leaves"].memory(),
        prefix_head=maps["set_fence_head"].memory(),
        members=maps["set_members"].memory(),
        set_classes=maps["set_classes"].memory(),
        set_head=maps["set_head"].memory(),
        root_bits=generation.planned.tables.root_bits,
        hosts=maps["set_hosts"].memory(),
        ipv4_hosts=maps["set_ipv4_hosts"].memory(),
    )
    with LiveSets(memory, lambda classes: pytest.fail(f"new classes: {classes}")) as sets:
        yield sets


def agree(generation: Generation, inside: Iterable[Prefix], sources: list[int]) -> None:
    """Compare the program with a plain set."""
    expected = PrefixSet(inside)
    for source, dropped in zip(sources, listed(generation, sources), strict=True):
        assert dropped == (source in expected), format_address(source)


@contextmanager
def loaded(inside: set[Prefix], others: set[Prefix]) -> Iterator[Generation]:
    members = Members.join([Members.of(inside), Members.of(others, set_id=1)])
    with Generation.load(POLICY, members, replaying=True, sizes={"bans": 16}) as generation:
        yield generation


@pytest.mark.parametrize(("seed", "count"), [(1, 30), (2, 300), (3, 3000), (4, 8000)])
def test_random_sets_and_changes_of_them(seed: int, count: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a seed, so that it fails again
    inside = prefixes(rng, count) | {ALONE, BOTH}
    others = prefixes(rng, count // 10) | {OTHER, BOTH}
    with loaded(inside, others) as generation, live(generation) as sets:
        agree(generation, inside, addresses(rng, inside | others))
        for _ in range(3):
            gone = set(rng.sample(sorted(inside), count // 8))
            assert sets.remove(0, Members.of(gone)).done == len(gone)
            inside -= gone
            come = prefixes(rng, 40) | set(rng.sample(sorted(others), len(others) // 2))
            assert sets.add(0, Members.of(come)).done == len(come - inside)
            inside |= come
            agree(generation, inside, addresses(rng, inside | gone))
        assert sets.remove(0, Members.of(inside)).done == len(inside)
        agree(generation, [], addresses(rng, inside))


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_one_family_comes_and_goes(everything: str) -> None:
    rng = random.Random(5)  # noqa: S311 - likewise
    whole = Prefix.parse(everything)
    inside, others = prefixes(rng, 100) | {ALONE, BOTH}, prefixes(rng, 100) | {OTHER, BOTH}
    sources = addresses(rng, inside | others)
    with loaded(inside, others) as generation, live(generation) as sets:
        for _ in range(3):
            assert sets.add(0, Members.of([whole])).done == 1
            agree(generation, inside | {whole}, sources)
            assert sets.remove(0, Members.of([whole])).done == 1
            agree(generation, inside, sources)


@pytest.mark.parametrize(
    ("network", "bits", "staying", "around"),
    [(0x20010DB8 << 96, 32, 2_000, 34), (IPV4, 96, 40_000, 104)],
    ids=["ipv6", "ipv4"],
)
def test_packets_never_miss_a_host_that_stays(
    network: int, bits: int, staying: int, around: int
) -> None:
    """Packets from hosts that stay, while others come and go in the same lines of the table."""
    rng = random.Random(6)  # noqa: S311 - a seed, so that it fails again
    drawn = {Prefix(network | rng.getrandbits(128 - bits), 128) for _ in range(staying + 4000)}
    chosen = sorted(drawn, key=lambda _: rng.random())
    stay, others = set(chosen[:staying]), chosen[staying:]
    nets = [Prefix.around(host.address, around) for host in chosen[:60]]
    inside = {prefix.address for prefix in stay if any(prefix.address in net for net in nets)}
    sources = rng.sample(sorted(inside), 1500)
    frames = [frame(source) for source in sources]
    missed: list[int] = []
    rounds = 0
    ended = threading.Event()

    def read(generation: Generation) -> None:
        nonlocal rounds
        while not ended.is_set():
            found = drops(generation, frames)
            missed.extend(s for s, dropped in zip(sources, found, strict=True) if not dropped)
            rounds += 1

    with loaded(stay | {ALONE, BOTH}, {OTHER, BOTH}) as generation, live(generation) as sets:
        tables = generation.planned.tables
        assert tables.ipv4_host_lines if network == IPV4 else tables.host_lines
        reader = threading.Thread(target=read, args=(generation,))
        reader.start()
        for net in nets:
            some = Members.of(rng.sample(others, 400))
            sets.add(0, some)
            sets.add(1, Members.of([net]))
            sets.remove(0, some)
            sets.remove(1, Members.of([net]))
        ended.set()
        reader.join()
        assert rounds
        assert not missed
        agree(generation, stay, sources + [each.address for each in others])
