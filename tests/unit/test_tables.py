"""Whole prefix tables, compared with a naive walk over all prefixes."""

import random
import struct
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.set_memory import (
    IPV4,
    LAST,
    MEMBERS,
    Lookup,
    Slack,
    edges,
    naive_sets,
    set_memory,
    structs,
    written,
)
from wirepath.errors import LayoutError, RequestError
from wirepath.native import ffi, lib
from wirepath.net import Prefix, parse_address
from wirepath.prefixes import (
    LiveSets,
    Members,
    Tables,
    build_class_table,
    format_members,
    lookup,
    parse_list,
    set_rows,
)

ROOT_BITS = st.sampled_from([None, 10, 13, 16, 18])


def members_of(members: set[tuple[Prefix, int]]) -> Members:
    """Make `Members` of pairs of prefix and set number, unsorted, and some of them twice."""
    sets = {number for _, number in members}
    parts = [Members.of((p for p, n in members if n == k), set_id=k) for k in sets]
    return Members.join([*parts, *parts[:1]])


@given(MEMBERS, ROOT_BITS, st.lists(st.integers(0, LAST), max_size=5))
def test_every_address_is_in_the_sets_around_it(
    members: set[tuple[Prefix, int]], root_bits: int | None, others: list[int]
) -> None:
    tables = Tables.build(members_of(members), root_bits=root_bits)
    sets = Lookup(tables)
    assert tables.members == len(members)
    assert len(set(tables.masks)) == tables.classes
    assert tables.masks[0] == 0
    for address in edges(members) | set(others):
        assert sets(address) == naive_sets(members, address), hex(address)


@given(MEMBERS)
def test_members_are_written_in_order(members: set[tuple[Prefix, int]]) -> None:
    memory = set_memory(Tables.build(members_of(members)), Slack())
    with LiveSets(memory, pytest.fail) as live:
        assert list(live.all_members()) == sorted(members)
        assert not live.dirty
        counts = live.counts()
        for number in range(64):
            mine = sorted(member for member in members if member[1] == number)
            assert list(live.members_of(number)) == mine
            assert counts[number] == len(mine)


def test_an_empty_table() -> None:
    tables = Tables.build(Members.of([]))
    assert (tables.members, tables.classes, tables.root_bits) == (0, 1, 10)
    assert (tables.lines, tables.leaves, tables.fences) == (1024, 1, 1)
    sets = Lookup(tables)
    assert {sets(address) for address in (0, IPV4, IPV4 + 0xFFFFFFFF, LAST)} == {0}


def test_everything_is_of_one_family() -> None:
    tables = Tables.build(
        Members.join(
            [
                Members.of([Prefix.parse("0.0.0.0/0")], set_id=0),
                Members.of([Prefix.parse("::/0")], set_id=1),
            ]
        )
    )
    sets = Lookup(tables)
    assert sets(IPV4) == sets(IPV4 + 0xFFFFFFFF) == 1
    assert sets(0) == sets(IPV4 - 1) == sets(IPV4 + (1 << 32)) == sets(LAST) == 2


@pytest.mark.parametrize(
    ("step", "sets", "lines"),
    [
        (1, 2, 4096),  # 65,536 boundaries
        (2, 1, 4096),  # 32,768 hosts and what is around them
        (3, 2, 2048),  # 21,846 hosts and what is around them
    ],
)
def test_a_slash_16_full_of_hosts(step: int, sets: int, lines: int) -> None:
    first = parse_address("10.1.0.0")
    hosts = range(first, first + 65536, step)
    parts = [
        Members.of((Prefix(a, 128) for a in hosts if a // step % sets == k), set_id=k)
        for k in range(sets)
    ]
    tables = Tables.build(Members.join(parts), root_bits=16)
    assert tables.lines == 65536 + lines
    classes = Lookup(tables)
    for address in (first - 1, first + 65536):
        assert classes(address) == 0
    for address in range(first, first + 65536, 7):
        expected = 0 if address not in hosts else 1 << address // step % sets
        assert classes(address) == expected


def test_a_slot_too_large_for_a_chunk() -> None:
    # 2^18 + 2 boundaries inside one /10; more root bits separate them.
    first = parse_address("10.0.0.0")
    members = Members.of(Prefix(first + 4 * i, 127) for i in range((1 << 17) + 1))
    with pytest.raises(RequestError, match="too many prefixes"):
        Tables.build(members, root_bits=10)
    tables = Tables.build(members)
    assert tables.root_bits > 10
    sets = Lookup(tables)
    assert [sets(first + (1 << 19) + i) for i in range(-5, 5)] == [0, 1, 1, 0, 0, 1, 1, 0, 0, 0]


def test_neighbours_in_one_set_are_one_segment() -> None:
    hosts = [Prefix(parse_address("10.0.0.0") + i, 128) for i in range(4096)]
    tables = Tables.build(Members.of(hosts))
    assert tables.lines == 1024


@pytest.mark.parametrize(
    ("hosts", "others", "lines"),
    [
        (range(0, 45, 3), [], 1024),  # 15 hosts after the slot's first word
        (range(0, 48, 3), [], 1024 + 2),  # 16
        (range(15), [], 1024),  # without gaps between them
        (range(0, 15, 3), ["10.0.1.0/24"], 1024),  # 2 boundaries each, 13 words
        (range(0, 24, 3), ["10.0.1.0/24"], 1024 + 2),
        (range(0, 36, 3), ["10.0.1.0/31"], 1024),  # a prefix as two hosts
        (range(0, 45, 3), ["10.0.0.0/8"], 1024),  # everything around them is of one class
        (range(0, 45, 3), ["10.0.0.0/11"], 1024 + 2),  # not the whole slot
        (range((1 << 22) - 45, 1 << 22, 3), ["10.63.255.255"], 1024 + 2),
    ],
)
def test_hosts_of_one_slot(hosts: range, others: list[str], lines: int) -> None:
    first = parse_address("10.0.0.0")
    members = {(Prefix(first + host, 128), host % 2) for host in hosts}
    members |= {(Prefix.parse(other), 7) for other in others}
    tables = Tables.build(members_of(members), root_bits=10)
    assert tables.lines == lines
    sets = Lookup(tables)
    for address in edges(members) | set(range(first - 2, first + 300)):
        assert sets(address) == naive_sets(members, address), hex(address)


@pytest.mark.parametrize(
    ("spare", "root_bits"),
    [(0, 10), (511, 10), (512, 11), (4000, 13), (1 << 15, 17), (1 << 20, 17)],
)
def test_root_bits_leave_room_for_classes(spare: int, root_bits: int) -> None:
    tables = Tables.build(Members.of([]), spare_classes=spare)
    assert (tables.root_bits, tables.lines) == (root_bits, 1 << root_bits)
    if root_bits > 10:
        with pytest.raises(RequestError, match="different ways"):
            Tables.build(Members.of([]), spare_classes=spare, root_bits=10)


@pytest.mark.parametrize(
    ("classes", "root_bits"), [(512, 10), (513, 11), (4097, 14), (32768, 16), (65535, 17)]
)
def test_classes_of_the_caller_are_never_merged(classes: int, root_bits: int) -> None:
    starts = [IPV4 + i * 65537 for i in range(classes)]
    starts[0] = 0
    table = build_class_table(
        array("Q", bytes(8 * classes)), array("Q", starts), array("H", range(classes))
    )
    assert table.root_bits >= root_bits
    memory = written(table)
    for number, start in enumerate(starts[1:], 1):
        assert lookup(start, root_bits=table.root_bits, **memory) == number
        assert lookup(start - 1, root_bits=table.root_bits, **memory) == number - 1


def test_ipv6_of_many_leaves() -> None:
    rng = random.Random(6)  # noqa: S311 - a seed, so that it fails again
    members = set()
    for _ in range(3000):
        network = 0x20010DB8 << 96 | rng.getrandbits(20) << 64
        members.add((Prefix.around(network, 64), rng.randrange(3)))
        members.add((Prefix(network | rng.getrandbits(64), 128), rng.randrange(3)))
    tables = Tables.build(members_of(members))
    assert tables.leaves == tables.fences > 200
    sets = Lookup(tables)
    for prefix, _ in list(members)[:500]:
        for address in (prefix.address, prefix.last, prefix.last + 1):
            near = {m for m in members if m[0].address >> 64 == address >> 64}
            assert sets(address) == naive_sets(near, address)


def test_too_many_classes() -> None:
    # All 131,072 subsets of 17 sets, one for each host.
    parts = []
    for number in range(17):
        hosts = (Prefix(IPV4 + i, 128) for i in range(1 << 17) if i >> number & 1)
        parts.append(Members.of(hosts, set_id=number))
    with pytest.raises(RequestError, match="65,534 different ways"):
        Tables.build(Members.join(parts))


def test_memory_that_is_too_small() -> None:
    tables = Tables.build(Members.of([Prefix.parse("192.0.2.1"), Prefix.parse("2001:db8::1")]))
    memory = written(tables)
    for name in memory:
        small = {**memory, name: memory[name][:-1]}
        with pytest.raises(LayoutError, match="needed"):
            tables.write(**small)


def test_memory_that_is_larger_is_left_alone() -> None:
    tables = Tables.build(Members.of([Prefix.parse("192.0.2.1"), Prefix.parse("2001:db8::1")]))
    exact = written(tables)
    memory = {name: bytearray(b"\xa5") * (len(part) + 5000) for name, part in exact.items()}
    tables.write(**memory)
    for name, part in exact.items():
        assert memory[name][: len(part)] == part
        assert set(memory[name][len(part) :]) == {0xA5}


@given(st.sets(st.integers(0, LAST) | st.integers(IPV4, IPV4 + 0xFFFFFFFF)), ROOT_BITS)
def test_segments_of_the_caller(starts: set[int], root_bits: int | None) -> None:
    ascending = sorted(starts | {0})
    table = build_class_table(
        array("Q", (start >> 64 for start in ascending)),
        array("Q", (start & (1 << 64) - 1 for start in ascending)),
        array("H", range(len(ascending))),
        root_bits,
    )
    memory = written(table)
    for number, start in enumerate(ascending):
        after = [*ascending, LAST + 1][number + 1]
        for address in {start, (start + after) // 2, after - 1}:
            expected = max(i for i, s in enumerate(ascending) if s <= address)
            assert lookup(address, root_bits=table.root_bits, **memory) == expected


@pytest.mark.parametrize("step", [1, 2, 16])
def test_hosts_of_different_classes_are_no_words_of_hosts(step: int) -> None:
    """Such hosts get no words of hosts: bpf/prefixes/literals.h would not look for them."""
    starts = [0, *(IPV4 + 0x0A000000 + i * step for i in range(300))]
    table = build_class_table(
        array("Q", bytes(8 * len(starts))), array("Q", starts), array("H", range(len(starts)))
    )
    lines = np.frombuffer(written(table)["lines"], dtype=np.uint32).reshape(-1, 16)
    leads_on = lines[:, 0] >> 31 == 1
    assert leads_on.any()
    assert not (lines[~leads_on] >> (table.root_bits - 1) & 1).any()


@pytest.mark.parametrize("starts", [[], [1], [0, 2, 2], [0, 3, 2]])
def test_segments_that_do_not_cover(starts: list[int]) -> None:
    zeros = array("Q", [0] * len(starts))
    with pytest.raises(ValueError, match="ascend"):
        build_class_table(zeros, array("Q", starts), array("H", [0] * len(starts)))
    with pytest.raises(ValueError, match="as many"):
        build_class_table(array("Q", [0, 1, 2, 3]), array("Q", starts), array("H"))


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=130),
    st.lists(st.integers(0, 15), min_size=1, max_size=5),
)
def test_rows_of_clauses(needs: list[tuple[int, int]], masks: list[int]) -> None:
    words = len(needs) // 64 + 1
    rows = array("Q", [LAST & 0xFF] * (words * len(masks)))
    set_rows(b"".join(struct.pack("=QQ", *need) for need in needs), array("Q", masks), rows)
    for number, mask in enumerate(masks):
        row = sum(rows[number * words + w] << 64 * w for w in range(words))
        expected = 0
        for bit, (any_of, none_of) in enumerate(needs):
            if (not any_of or mask & any_of) and not mask & none_of:
                expected |= 1 << bit
        assert row == expected


def test_rows_that_do_not_fit() -> None:
    with pytest.raises(LayoutError, match="2 rows of 65 bits"):
        set_rows(structs("set_need", 65), array("Q", [0, 1]), array("Q", [0, 0]))


def test_a_million() -> None:
    # Multiplied by an odd factor, so that all differ and are out of order.
    numbers = array("Q", ((i * 2654435761 & 0xFFFFFFFF) for i in range(1_000_000)))
    members = Members.room(len(numbers))
    lib.wp_members_pack(
        ffi.from_buffer("uint64_t[]", array("Q", bytes(8 * len(numbers)))),
        ffi.from_buffer("uint64_t[]", array("Q", (IPV4 | n for n in numbers))),
        ffi.from_buffer("uint8_t[]", b"\x80" * len(numbers)),
        7,
        len(numbers),
        members.pointer(),
    )
    text = b"".join(format_members(members))
    assert text.startswith(b"0.0.0.0\n158.55.121.177\n60.110.243.98\n")
    parsed = parse_list(text, "list", set_id=7)
    assert parsed.bad == []
    assert parsed.members.memory == members.memory
    tables = Tables.build(parsed.members)
    assert (tables.members, tables.classes) == (1_000_000, 2)
    sets = Lookup(tables)
    listed = set(numbers)
    for n in numbers[:2000]:
        assert sets(IPV4 | n) == 1 << 7
        assert sets(IPV4 | (n ^ 1)) == (n ^ 1 in listed) << 7
