"""IPv6 hosts next to the leaves: few lines, full lines, hosts that find no place, live changes."""

from random import Random

import pytest

from harness.set_memory import Lookup, Slack, naive_sets, set_memory, structs
from wirepath.native import lib
from wirepath.net import Prefix
from wirepath.prefixes import LiveSets, Members, Tables

NETWORK = 0x20010DB8 << 96
BYTES_A_HOST = 24
Pairs = set[tuple[Prefix, int]]


def hosts(count: int, seed: int = 1) -> list[Prefix]:
    draw = Random(seed)  # noqa: S311 - a seed, so that it fails again
    chosen = {NETWORK | draw.getrandbits(96) for _ in range(count)}
    return [Prefix(address, 128) for address in sorted(chosen)]


def test_a_long_list_takes_few_bytes_and_no_leaves() -> None:
    listed = hosts(100_000)
    tables = Tables.build(Members.of(listed))
    assert tables.leaves == 1
    assert tables.host_lines * lib.wp_host_line_size <= BYTES_A_HOST * len(listed)
    look_up = Lookup(tables)
    assert all(look_up(host.address) == 1 for host in listed)
    assert not any(look_up(host.address) for host in hosts(10_000, seed=2))


@pytest.mark.parametrize(("count", "apart"), [(0, False), (255, False), (256, True)])
def test_few_hosts_are_in_the_leaves(count: int, apart: bool) -> None:  # noqa: FBT001
    tables = Tables.build(Members.of(hosts(count)))
    assert bool(tables.host_lines) == apart
    assert bool(tables.hosts) == apart


@pytest.mark.parametrize("lines", [1, 2, 100, 670, 720, 10_000])
def test_hosts_that_find_no_place_are_in_the_leaves(lines: int) -> None:
    """Collisions cost time only: 2,000 hosts have their sets at any number of lines."""
    members: Pairs = {(host, number % 3) for number, host in enumerate(hosts(2_000))}
    members |= {(host, 5) for host in hosts(2_000)[::7]}
    members |= {(Prefix.around(host.address, 40), 6) for host in hosts(2_000)[::500]}
    tables = Tables.build(
        Members.join([Members.of([prefix], set_id=number) for prefix, number in members]),
        host_lines=lines,
    )
    look_up = Lookup(tables)
    others = [*hosts(500, seed=2), Prefix(NETWORK, 128)]
    for prefix in {prefix for prefix, _ in members} | set(others):
        for address in (prefix.address, prefix.last):
            assert look_up(address) == naive_sets_of(members, address)


def naive_sets_of(members: Pairs, address: int) -> int:
    near = {(p, n) for p, n in members if p.bits < 128 or p.address == address}
    return naive_sets(near, address)


def test_added_hosts_take_free_entries_and_then_go_to_the_leaves() -> None:
    some, more = hosts(300), hosts(2_000, seed=2)
    slack = Slack(members=9_000, leaves=500, fences=500)
    memory = set_memory(Tables.build(Members.of(some), host_lines=400), slack)
    with LiveSets(memory, lambda _: None) as live:
        for at in range(0, len(more), 100):
            live.add(0, Members.of(more[at : at + 100]))
        assert all(live.sets_of(host.address) == 1 for host in some + more)
        apart = taken(memory.hosts)
        assert 0.8 * 3 * 400 < apart <= 3 * 400
        live.remove(0, Members.of(more))
        assert all(live.sets_of(host.address) == 1 for host in some)
        assert not any(live.sets_of(host.address) for host in more)
        assert taken(memory.hosts) == len(some)
        live.add(0, Members.of(more[:100]))  # takes entries that others had
        assert all(live.sets_of(host.address) == 1 for host in some + more[:100])
        assert taken(memory.hosts) > len(some)


def test_a_prefix_that_comes_and_goes_changes_the_hosts_inside() -> None:
    listed = hosts(1_000)
    tables = Tables.build(Members.of(listed))
    classes = dict(enumerate(tables.masks))
    memory = set_memory(tables, Slack())
    around = Prefix.around(NETWORK, 33)
    with LiveSets(memory, classes.update) as live:
        for change, sets in ((live.add, 3), (live.remove, 1)) * 3:
            assert change(1, Members.of([around])).done == 1
            for host in listed:
                assert live.sets_of(host.address) == (sets if host.address in around else 1)
            assert live.sets_of(around.last) == sets & 2
            assert sets in classes.values()
        assert taken(memory.hosts) == len(listed)


def test_a_change_that_is_refused_takes_no_entry() -> None:
    def refuse(_: object) -> None:
        raise ValueError

    listed, more = hosts(300), hosts(50, seed=2)
    memory = set_memory(Tables.build(Members.of(listed)), Slack())
    with LiveSets(memory, refuse) as live:
        for _ in range(3):
            with pytest.raises(ValueError):  # noqa: PT011
                live.add(1, Members.of(listed[:10] + more))
        assert all(live.sets_of(host.address) == 1 for host in listed)
        assert not any(live.sets_of(host.address) for host in more)
        assert live.add(0, Members.of(listed + more)).done == len(more)
        assert taken(memory.hosts) == len(listed) + len(more)
        assert all(live.sets_of(host.address) == 1 for host in listed + more)


def test_memory_of_an_older_version_has_no_hosts() -> None:
    listed = hosts(1_000)
    memory = set_memory(Tables.build(Members.of(listed), host_lines=0), Slack())
    assert memory.hosts == structs("host_line", 0)
    with LiveSets(memory, lambda _: None) as live:
        assert live.remove(0, Members.of(listed[:500])).done == 500
        assert [live.sets_of(host.address) for host in listed] == [0] * 500 + [1] * 500


def taken(memory: object) -> int:
    """Count the entries with a class."""
    import numpy as np

    lines = np.frombuffer(memory, dtype=np.uint16).reshape(-1, 32)[:-1]
    assert (lines[:, 24:27] == lines[:, 27:30]).all()  # nothing is half done
    return int(np.count_nonzero(lines[:, 24:27]))
