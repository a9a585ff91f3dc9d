"""Sets that change: after every step the table answers like a new one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.set_memory import (
    HOST_SEED,
    IPV4_HOST_LINES,
    MEMBERS,
    PREFIXES,
    SETS,
    Lookup,
    Slack,
    edges,
    naive_sets,
    set_memory,
    structs,
)
from wirepath.errors import LayoutError
from wirepath.net import Prefix
from wirepath.prefixes import Change, Dirty, Full, LiveSets, Members, SetMemory, Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINE_WORDS = 16
Pairs = set[tuple[Prefix, int]]
Verb = Literal["add", "remove"]
Step = tuple[Verb, int, list[Prefix]]
ROOMS = st.integers(0, 3)
# None of their own, all in one line, too few for all, room for more.
HOST_LINES = st.sampled_from([None, 1, 2, 5, 100])
IPV4_LINES = st.sampled_from([0, IPV4_HOST_LINES])
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), SETS, st.lists(PREFIXES, max_size=30)),
    min_size=1,
    max_size=6,
)


def members_of(members: Pairs) -> Members:
    return Members.join([Members.of([prefix], set_id=number) for prefix, number in members])


@dataclass
class Twin:
    """A live table, and a plain set of the prefixes that should be in it."""

    members: Pairs
    slack: Slack = field(default_factory=Slack)
    root_bits: int | None = None
    host_lines: int | None = None
    ipv4_host_lines: int | None = None
    classes: dict[int, int] = field(default_factory=dict)
    memory: SetMemory = field(init=False)
    live: LiveSets = field(init=False)

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> None:
        tables = Tables.build(
            members_of(self.members),
            root_bits=self.root_bits,
            host_lines=self.host_lines,
            ipv4_host_lines=self.ipv4_host_lines,
            host_seed=HOST_SEED,
        )
        self.classes = dict(enumerate(tables.masks))
        self.memory = set_memory(tables, self.slack)
        self.live = LiveSets(self.memory, self.classes.update)

    def step(self, what: Verb, number: int, prefixes: list[Prefix]) -> Change:
        """Change both; build the table anew if it is full."""
        pairs = {(prefix, number) for prefix in prefixes}
        wanted = self.members | pairs if what == "add" else self.members - pairs
        change = self.live.add if what == "add" else self.live.remove
        try:
            done = change(number, Members.of(prefixes))
        except Full:
            self.check()
            self.members = wanted
            self.build()
            return Change(-1, -1)
        assert done == (
            len(wanted ^ self.members),
            len(prefixes) - len(wanted ^ self.members),
        )
        self.members = wanted
        return done

    def check(self) -> None:
        fresh = Lookup(Tables.build(self.live.all_members()))
        assert list(self.live.all_members()) == sorted(self.members)
        assert not self.live.dirty
        for address in edges(self.members):
            sets = naive_sets(self.members, address)
            assert self.live.sets_of(address) == sets, hex(address)
            assert fresh(address) == sets
            assert sets in self.classes.values()


@settings(deadline=None, max_examples=50)  # fences wait for readers
@given(MEMBERS, STEPS, st.sampled_from([10, 12, 15]), HOST_LINES, IPV4_LINES)
def test_changes(
    members: Pairs, steps: list[Step], root_bits: int, host_lines: int | None, ipv4_lines: int
) -> None:
    twin = Twin(members, root_bits=root_bits, host_lines=host_lines, ipv4_host_lines=ipv4_lines)
    for step in steps:
        twin.step(*step)
        twin.check()


@settings(deadline=None, max_examples=50)  # fences wait for readers
@given(MEMBERS, STEPS)
def test_a_packet_that_came_before_a_change_sees_nothing_of_it(
    members: Pairs, steps: list[Step]
) -> None:
    twin = Twin(members)
    for what, number, prefixes in steps:
        memory, before = twin.memory, set(twin.members)
        heads = first_words(memory).copy()
        twin.step(what, number, [prefix for prefix in prefixes if prefix.is_ipv4])
        if twin.memory is not memory:
            continue  # built anew, elsewhere
        late = replace(memory, lines=bytearray(memory.lines))
        first_words(late)[:] = heads
        with LiveSets(late, pytest.fail) as packet:
            for address in edges(before | twin.members):
                assert packet.sets_of(address) == naive_sets(before, address), hex(address)


def first_words(memory: SetMemory) -> NDArray[np.uint32]:
    """Return the word of every root line that a packet reads only once."""
    words = np.frombuffer(memory.lines, dtype=np.uint32).reshape(-1, LINE_WORDS)
    return words[: 1 << memory.root_bits, 0]


@settings(deadline=None)  # fences wait for readers
@given(
    MEMBERS,
    STEPS,
    st.builds(
        Slack, st.integers(0, 4), st.integers(0, 2), st.integers(0, 2), st.integers(1, 9), ROOMS
    ),
    HOST_LINES,
    IPV4_LINES,
)
def test_changes_where_room_is_short(
    members: Pairs, steps: list[Step], slack: Slack, host_lines: int | None, ipv4_lines: int
) -> None:
    twin = Twin(members, slack, host_lines=host_lines, ipv4_host_lines=ipv4_lines)
    for step in steps:
        twin.step(*step)
        twin.check()


@settings(deadline=None, max_examples=50)  # fences wait for readers
@given(MEMBERS, STEPS, IPV4_LINES)
def test_a_new_process_goes_on(members: Pairs, steps: list[Step], ipv4_lines: int) -> None:
    twin = Twin(members, ipv4_host_lines=ipv4_lines)
    older = twin.live
    for step in steps:
        twin.live = LiveSets(twin.memory, twin.classes.update)
        twin.step(*step)
        twin.check()
    twin.live = older
    twin.check()
    twin.step("add", 1, [Prefix.parse("192.0.2.1"), Prefix.parse("2001:db8::1")])
    twin.check()


def test_what_is_there_and_what_is_not() -> None:
    one, two = Prefix.parse("192.0.2.1"), Prefix.parse("2001:db8::/48")
    twin = Twin({(one, 0)})
    assert twin.live.add(0, Members.of([one, two, two])) == Change(1, 2)
    assert twin.live.remove(1, Members.of([one])) == Change(0, 1)
    assert twin.live.remove(0, Members.of([one, one])) == Change(1, 1)
    assert twin.live.remove(0, Members.of([one])) == Change(0, 1)
    assert twin.live.add(0, Members.of([one])) == Change(1, 0)
    assert twin.live.add(0, Members.of([])) == Change(0, 0)
    assert twin.live.counts()[:2] == [2, 0]


def test_leaves_split_and_fences_move_to_and_fro() -> None:
    twin = Twin(set(), Slack(leaves=2000, fences=400, members=4000))
    network = Prefix.parse("2001:db8::/32").address
    for i in range(36):
        twin.step(
            "add", i % 3, [Prefix.around(network + (i * 40 + j << 65), 64) for j in range(12)]
        )
    twin.check()
    assert twin.live.remove(0, twin.live.members_of(0)).done == 144
    twin.members = {member for member in twin.members if member[1]}
    twin.check()


def test_all_of_both_families_at_once() -> None:
    # Slots with the same contents share a chunk: a line, and one more around each host.
    twin = Twin(set(), Slack(lines=12))
    everything = [Prefix.parse("0.0.0.0/0"), Prefix.parse("::/0")]
    hosts = [Prefix.parse("10.0.0.1"), Prefix.parse("255.255.255.255"), Prefix.parse("2001:db8::1")]
    assert twin.step("add", 0, hosts).done == 3
    twin.check()
    assert twin.step("add", 1, everything).done == 2
    twin.check()
    assert twin.step("remove", 0, hosts).done == 3
    twin.check()
    assert twin.step("remove", 1, everything).done == 2
    twin.check()


@pytest.mark.parametrize(
    ("before", "what", "change", "lines"),
    [
        (0, "add", range(1), 1),  # from nothing to a chunk
        (0, "add", range(30), 2),
        (14, "add", range(14, 15), 1),  # contents that would also fit into a line
        (14, "add", range(14, 16), 2),
        (15, "remove", range(15), 1),  # to one class
        (15, "remove", range(3), 1),
        (15, "add", range(15), 0),  # already members
        (30, "add", range(30, 60), 4),  # from chunk to chunk
        (30, "remove", range(20), 1),
        (30, "remove", range(30), 1),
    ],
)
def test_hosts_of_one_slot(before: int, what: Verb, change: range, lines: int) -> None:
    def host(i: int) -> Prefix:
        return Prefix(Prefix.parse("10.0.0.0").address + 5 * i, 128)

    twin = Twin({(host(i), 0) for i in range(before)})
    used = Tables.build(members_of(twin.members)).lines
    line = memoryview(twin.memory.lines)[(10 << 2) * 64 :][:64]
    old = bytes(line)
    assert twin.step(what, 0, [host(i) for i in change]).unchanged == (not lines) * len(change)
    twin.check()
    assert memoryview(twin.memory.set_head).cast("B").cast("Q")[2] == used + lines
    assert line[4:] == old[4:]
    twin.build()
    twin.check()


def test_no_more_classes_than_a_word_can_name() -> None:
    # Hosts in every set of 9 sets but the empty one: 512 classes, class 0 included.
    first = Prefix.parse("10.0.0.0").address
    parts = [
        Members.of((Prefix(first + i, 128) for i in range(512) if i >> k & 1), set_id=k)
        for k in range(9)
    ]
    tables = Tables.build(Members.join(parts))
    assert (tables.root_bits, tables.classes) == (10, 512)
    live = LiveSets(set_memory(tables, Slack()), pytest.fail)
    with pytest.raises(Full, match="classes"):
        live.add(9, Members.of([Prefix.parse("192.0.2.1")]))
    assert live.sets_of(first + 511) == 511
    assert live.add(8, Members.of([Prefix(first, 128)])).done == 1
    assert live.sets_of(first) == 1 << 8


def test_no_more_of_one_slot_than_a_chunk_holds() -> None:
    twin = Twin(set(), Slack(lines=1 << 15, members=1 << 18))
    first = Prefix.parse("10.0.0.0").address
    many = Members.of(Prefix(first + 4 * i, 127) for i in range((1 << 17) + 1))
    with pytest.raises(Full, match="lines"):
        twin.live.add(0, many)
    twin.check()
    assert twin.live.add(0, Members.of(Prefix(first + 4 * i, 127) for i in range(1 << 17))).done
    assert [twin.live.sets_of(first + (1 << 19) + i) for i in range(-4, 2)] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("room", ["lines", "leaves", "fences", "members", "classes"])
def test_a_full_table_says_of_what_and_stays(room: str) -> None:
    twin = Twin({(Prefix.parse("192.0.2.0/24"), 0)}, replace(Slack(), **{room: 0}))
    network = Prefix.parse("2001:db8::/32").address
    before = bytes(twin.memory.members), bytes(twin.memory.set_head), bytes(twin.memory.lines[:99])
    prefixes = [Prefix(network + 2 * i, 128) for i in range(100)] + [Prefix.parse("192.0.2.1")]
    with pytest.raises(Full) as caught:
        twin.live.add(1, Members.of(prefixes))
    assert caught.value.room == room
    assert str(caught.value) == (
        f"change a set: no room for more {room} [ENOSPC] (build the table anew)"
    )
    twin.check()
    after = bytes(twin.memory.members), bytes(twin.memory.set_head), bytes(twin.memory.lines[:99])
    assert room == "members" or before[1:] == after[1:]


def test_rows_are_written_before_packets_can_need_them() -> None:
    address = Prefix.parse("192.0.2.1").address
    seen = []

    def write_rows(classes: list[tuple[int, int]]) -> None:
        seen.append((classes, live.sets_of(address), live.dirty))

    tables = Tables.build(Members.of([Prefix.parse("192.0.2.0/24")]))
    live = LiveSets(set_memory(tables, Slack()), write_rows)
    live.add(5, Members.of([Prefix.parse("192.0.2.1")]))
    assert seen == [([(2, 1 | 1 << 5)], 1, True)]
    assert live.sets_of(address) == 1 | 1 << 5
    live.add(5, Members.of([Prefix.parse("192.0.2.2")]))
    assert len(seen) == 1


def test_nothing_changes_if_rows_cannot_be_written() -> None:
    def refuse(classes: list[tuple[int, int]]) -> None:
        raise InterruptedError

    twin = Twin({(Prefix.parse("192.0.2.0/24"), 0)})
    twin.live = LiveSets(twin.memory, refuse)
    with pytest.raises(InterruptedError):
        twin.live.add(1, Members.of([Prefix.parse("192.0.2.1")]))
    twin.check()
    twin.live = LiveSets(twin.memory, twin.classes.update)
    assert twin.step("add", 1, [Prefix.parse("192.0.2.1")]) == Change(1, 0)
    twin.check()


def test_a_change_that_was_cut_short_is_noticed() -> None:
    def notice(classes: list[tuple[int, int]]) -> None:
        halves.append(SetMemory(**{name: copy(name) for name in SetMemory.__slots__}))

    def copy(name: str) -> object:
        value = getattr(memory, name)
        return value if name == "root_bits" else bytearray(value)

    halves: list[SetMemory] = []
    one = Prefix.parse("192.0.2.0/24")
    memory = set_memory(Tables.build(Members.of([one])), Slack())
    LiveSets(memory, notice).add(1, Members.of([Prefix.parse("192.0.2.1")]))
    cut_short = LiveSets(halves[0], pytest.fail)
    assert cut_short.dirty
    with pytest.raises(Dirty, match="cut short"):
        cut_short.add(1, Members.of([Prefix.parse("192.0.2.1")]))
    assert list(cut_short.all_members()) == [(one, 0)]
    anew = set_memory(Tables.build(cut_short.all_members()), Slack())
    two = Prefix.parse("198.51.100.0/24")
    assert LiveSets(anew, pytest.fail).add(0, Members.of([one, two])) == Change(1, 1)


def test_memory_without_a_table() -> None:
    memory = set_memory(Tables.build(Members.of([])), Slack())
    with pytest.raises(LayoutError, match="no set table"):
        LiveSets(replace(memory, set_head=structs("set_head", 1)), pytest.fail)
    with pytest.raises(LayoutError, match="1 needed"):
        LiveSets(replace(memory, members=bytearray(3)), pytest.fail)


def test_memory_is_let_go() -> None:
    memory = set_memory(Tables.build(Members.of([])), Slack())
    with LiveSets(memory, pytest.fail) as live:
        with pytest.raises(BufferError):
            memory.lines.append(0)  # type: ignore[union-attr]
        live.add(0, Members.of([]))
    memory.lines.append(0)  # type: ignore[union-attr]
