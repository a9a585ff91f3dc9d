"""IPv4 hosts next to the root: long lists, full lines, hosts without a place, live changes."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.set_memory import (
    HOST_SEED,
    IPV4,
    IPV4_HOST_LINES,
    Lookup,
    Slack,
    hosts_of_line,
    naive_sets,
    set_memory,
    structs,
)
from wirepath.native import lib
from wirepath.net import Prefix
from wirepath.prefixes import LiveSets, Members, SetMemory, Tables
from wirepath.prefixes.offline import offline

LEAST = 36_864  # hosts that a table of their own is worth
LINE_HOSTS = 23
BYTES_A_HOST = 8  # at a million
Pairs = set[tuple[Prefix, int]]


def hosts(count: int, seed: int = 1) -> list[Prefix]:
    draw = Random(seed)  # noqa: S311 - a seed, so that it fails again
    return [Prefix(IPV4 | address, 128) for address in sorted(draw.sample(range(1 << 32), count))]


def members_of(pairs: Pairs) -> Members:
    return Members.join([Members.of([prefix], set_id=number) for prefix, number in sorted(pairs)])


def small(pairs: Pairs, slack: Slack | None = None) -> tuple[SetMemory, dict[int, int]]:
    """Build a table with the fewest lines; return its memory and the sets of its classes."""
    tables = Tables.build(members_of(pairs), ipv4_host_lines=IPV4_HOST_LINES, host_seed=HOST_SEED)
    return set_memory(tables, slack or Slack()), dict(enumerate(tables.masks))


def lanes(memory: SetMemory) -> NDArray[np.uint64]:
    """Give the lanes of every line; the first is the class."""
    words = np.frombuffer(memory.ipv4_hosts, dtype=np.uint64).reshape(-1, 8)[:-1]
    return (words[:, :, None] >> np.arange(0, 63, 21, dtype=np.uint64) & 0x1FFFFF).reshape(-1, 24)


def taken(memory: SetMemory) -> int:
    """Count the hosts in lines."""
    used = lanes(memory)
    used = used[used[:, 0] > 0, 1:]
    return sum(len(set(line)) for line in used.tolist())


def test_a_long_list_takes_few_bytes_and_no_root() -> None:
    listed = hosts(100_000)
    tables = Tables.build(Members.of(listed))
    assert tables.root_bits == 10
    assert tables.ipv4_hosts * lib.wp_ipv4_host_line_size < 4 * len(listed)
    assert taken(set_memory(tables, Slack())) > 0.98 * len(listed)
    with offline(tables) as sets:
        assert all(sets.sets_of(host.address) == 1 for host in listed)
        assert not any(
            sets.sets_of(host.address) for host in set(hosts(100_000, seed=2)) - set(listed)
        )


@pytest.mark.parametrize("seed", [0, 1, 1 << 32, HOST_SEED])
def test_a_million_hosts_within_sixteen_networks(seed: int) -> None:
    """The addresses of neighbours are spread evenly, so hardly any host is left to the root."""
    listed = (IPV4 | 0x0A100000) + np.arange(1 << 20)
    count = len(listed)
    members = Members.of_columns([0] * count, listed.tolist(), [128] * count)
    some = members_of({(Prefix(IPV4 | 0x0A100000, 112), 1)})
    tables = Tables.build(Members.join([members, some]), host_seed=seed)
    size = tables.ipv4_hosts * lib.wp_ipv4_host_line_size + tables.lines * lib.wp_line_size
    assert size < BYTES_A_HOST * count
    assert taken(set_memory(tables, Slack())) > 0.9 * count
    with offline(tables) as sets:
        for address in listed[:: count // 10_000].tolist():
            assert sets.sets_of(address) == (3 if address >> 16 == listed[0] >> 16 else 1)
        assert not sets.sets_of(int(listed[0]) - 1)
        assert not sets.sets_of(int(listed[-1]) + 1)


@pytest.mark.parametrize(("count", "apart"), [(0, False), (LEAST - 1, False), (LEAST, True)])
def test_few_hosts_are_in_the_root(count: int, apart: bool) -> None:  # noqa: FBT001
    tables = Tables.build(Members.of(hosts(count)))
    assert bool(tables.ipv4_host_lines) == apart
    assert bool(tables.ipv4_hosts) == apart


def test_hosts_of_other_classes_are_in_the_root() -> None:
    """The table holds the most frequent class; hosts of others have their sets all the same."""
    listed = hosts(6_000)
    pairs: Pairs = {(host, 0) for host in listed}
    pairs |= {(host, 1) for host in listed[::3]}
    pairs |= {(host, 63) for host in listed[::7]}
    pairs |= {(Prefix.around(host.address, 112), 6) for host in listed[::500]}
    tables = Tables.build(members_of(pairs), ipv4_host_lines=IPV4_HOST_LINES)
    look_up = Lookup(tables)
    nets = {(p, n) for p, n in pairs if p.bits < 128}
    own = {prefix.address: naive_sets(nets, prefix.address) for prefix, _ in pairs}
    for prefix, number in pairs:
        own[prefix.address] |= 1 << number
    for address, sets in own.items():
        assert look_up(address) == sets
    frequent = sum(sets == 1 for sets in own.values())
    assert 0.99 * frequent < taken(set_memory(tables, Slack())) <= frequent


def test_hosts_beyond_a_full_line_are_in_the_root() -> None:
    crowd = hosts_of_line(7, 60)
    memory, _ = small({(host, 0) for host in crowd})
    assert taken(memory) == LINE_HOSTS
    with LiveSets(memory, lambda _: None) as live:
        assert all(live.sets_of(host.address) == 1 for host in crowd)
        assert not any(live.sets_of(host.address) for host in hosts_of_line(8, 60))


def test_added_hosts_take_free_lanes_and_then_go_to_the_root() -> None:
    crowd = hosts_of_line(7, 60)
    some, more = crowd[:10], crowd[10:]
    memory, _ = small({(host, 0) for host in some})
    with LiveSets(memory, lambda _: None) as live:
        for at in range(0, len(more), 7):
            assert live.add(0, Members.of(more[at : at + 7])).done
            assert all(live.sets_of(host.address) == 1 for host in crowd[: at + 17])
        assert taken(memory) == LINE_HOSTS
        live.remove(0, Members.of(more))
        assert [live.sets_of(host.address) for host in crowd] == [1] * 10 + [0] * 50
        assert taken(memory) == len(some)
        live.add(0, Members.of(more[:5]))  # takes lanes that others had
        assert [live.sets_of(host.address) for host in crowd] == [1] * 15 + [0] * 45
        assert taken(memory) == 15


def test_a_line_without_hosts_takes_those_of_any_class() -> None:
    one, two = hosts_of_line(7, 2)
    memory, classes = small({(one, 0)})
    with LiveSets(memory, classes.update) as live:
        live.add(3, Members.of([two]))  # not in a line of set 0
        assert taken(memory) == 1
        live.remove(0, Members.of([one]))
        assert taken(memory) == 0
        live.add(3, Members.of([one]))
        assert taken(memory) == 1
        assert live.sets_of(one.address) == live.sets_of(two.address) == 1 << 3


def test_a_host_that_changes_its_sets_moves_to_the_root() -> None:
    crowd = hosts_of_line(7, 20)
    memory, classes = small({(host, 0) for host in crowd})
    with LiveSets(memory, classes.update) as live:
        for host in crowd[::2]:
            live.add(1, Members.of([host]))
        assert [live.sets_of(host.address) for host in crowd] == [3, 1] * 10
        assert taken(memory) == 10
        live.remove(0, Members.of(crowd))
        assert [live.sets_of(host.address) for host in crowd] == [2, 0] * 10
        assert taken(memory) == 0


def test_a_prefix_that_comes_and_goes_changes_the_hosts_inside() -> None:
    listed = hosts(4_000)
    memory, classes = small({(host, 0) for host in listed}, Slack(lines=20_000))
    around = Prefix.around(IPV4 | 0x80000000, 97)
    inside = sum(host.address in around for host in listed)
    with LiveSets(memory, classes.update) as live:
        for change, sets in ((live.add, 3), (live.remove, 1)) * 3:
            assert change(1, Members.of([around])).done == 1
            for host in listed:
                assert live.sets_of(host.address) == (sets if host.address in around else 1)
            assert live.sets_of(around.last) == sets & 2
            assert taken(memory) == len(listed) - inside


def test_a_change_that_is_refused_takes_no_lane() -> None:
    def refuse(_: object) -> None:
        raise ValueError

    listed, more = hosts_of_line(7, 10), hosts_of_line(8, 5)
    memory, _ = small({(host, 0) for host in listed})
    before = bytes(memory.ipv4_hosts)
    with LiveSets(memory, refuse) as live:
        for _ in range(3):
            with pytest.raises(ValueError):  # noqa: PT011
                live.add(1, Members.of(listed[:3] + more))
        assert bytes(memory.ipv4_hosts) == before
        assert all(live.sets_of(host.address) == 1 for host in listed)
        assert not any(live.sets_of(host.address) for host in more)
        assert live.add(0, Members.of(listed + more)).done == len(more)
        assert taken(memory) == len(listed) + len(more)
        assert all(live.sets_of(host.address) == 1 for host in listed + more)


def test_memory_of_an_older_version_has_no_ipv4_hosts() -> None:
    listed = hosts(LEAST)
    memory = set_memory(Tables.build(Members.of(listed), ipv4_host_lines=0), Slack(lines=50_000))
    assert memory.ipv4_hosts == structs("ipv4_host_line", 0)
    with LiveSets(memory, lambda _: None) as live:
        assert live.remove(0, Members.of(listed[:500])).done == 500
        assert [live.sets_of(host.address) for host in listed[:1000]] == [0] * 500 + [1] * 500


@settings(deadline=None)  # a change may wait for readers
@given(
    st.sets(st.integers(0, 29), min_size=1),
    st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 29), min_size=1)), max_size=6),
)
def test_a_host_that_stays_keeps_a_lane(
    first: set[int], steps: list[tuple[bool, set[int]]]
) -> None:
    """A packet reads the lanes one after the other, while a change stores them."""
    crowd = hosts_of_line(7, 30)
    there = set(first)
    memory, _ = small({(crowd[i], 0) for i in first})
    with LiveSets(memory, lambda _: None) as live:
        for adding, some in steps:
            before = lanes(memory)[7].tolist()
            change = live.add if adding else live.remove
            change(0, Members.of(crowd[i] for i in some))
            there = there | some if adding else there - some
            assert [live.sets_of(host.address) for host in crowd] == [i in there for i in range(30)]
            after = lanes(memory)[7].tolist()
            kept = {a for a, b in zip(before, after, strict=True) if a == b}
            if before[0] and after[0]:
                assert set(before) & set(after) <= kept
