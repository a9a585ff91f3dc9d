"""Constants in a program's instructions: what changes, what stays, and that it means the same."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.machine import (
    EXIT,
    NOTHING,
    R0,
    R1,
    R2,
    R3,
    R6,
    alu,
    call,
    call_at,
    function,
    go,
    jump,
    jump32,
    load,
    place,
    run,
    store,
    wide,
)
from wirepath.native import ffi, lib

FD = 7
CONSTANTS = bytes(range(1, 9)) + b"\xff" * 8


def specialized(*insns: bytes, constants: bytes = CONSTANTS) -> list[bytes]:
    program = bytearray(b"".join(insns))
    frozen = ffi.new("struct constants *")
    memory = ffi.from_buffer("uint8_t[]", constants)
    frozen.fd, frozen.bytes, frozen.size = FD, memory, len(constants)
    first = ffi.cast("struct bpf_insn *", ffi.from_buffer(program))
    assert lib.wp_specialize(first, len(program) // 8, frozen) == 0
    return [bytes(program[at : at + 8]) for at in range(0, len(program), 8)]


def agree(insns: Sequence[bytes], registers: Sequence[int] = (0,) * 11) -> None:
    before = run(b"".join(insns), registers, CONSTANTS)
    assert run(b"".join(specialized(*insns)), registers, CONSTANTS) == before


@pytest.mark.parametrize(
    ("size", "number"), [(1, 0x03), (2, 0x0403), (4, 0x06050403)], ids=["u8", "u16", "u32"]
)
def test_a_constant_is_a_number(size: int, number: int) -> None:
    after = specialized(place(R1, FD, 1), load(size, R0, R1, 1), EXIT)
    assert after == [NOTHING, NOTHING, alu("mov", R0, number, bits=32), EXIT]


def test_what_fits_no_immediate_is_loaded() -> None:
    insns = (place(R1, FD), load(8, R0, R1), EXIT)
    assert b"".join(specialized(*insns)) == b"".join(insns)


def test_a_negative_number_is_extended_by_its_sign() -> None:
    after = specialized(place(R1, FD, 8), load(8, R0, R1), EXIT)
    assert after[2] == alu("mov", R0, -1)


@pytest.mark.parametrize(
    "insns",
    [
        (place(R1, FD + 1), load(4, R0, R1), EXIT),
        (place(R1, FD), load(4, R0, R1, 13), EXIT),
        (place(R1, FD), load(4, R0, R1, -1), EXIT),
    ],
    ids=["another map", "behind the end", "before the start"],
)
def test_what_is_no_constant_stays(insns: tuple[bytes, ...]) -> None:
    assert b"".join(specialized(*insns)) == b"".join(insns)


def test_numbers_are_computed_and_become_operands() -> None:
    after = specialized(
        alu("mov", R2, 5),
        alu("lsh", R2, 2),
        alu("add", R1, src=R2),
        alu("mov", R0, src=R1),
        EXIT,
    )
    assert after == [NOTHING, NOTHING, alu("add", R1, 20), alu("mov", R0, src=R1), EXIT]


def test_a_jump_never_taken_vanishes_with_what_it_asked() -> None:
    after = specialized(
        place(R1, FD), load(1, R1, R1), jump("ne", R1, 1, 1), alu("add", R0, 1), EXIT
    )
    assert after == [*[NOTHING] * 4, alu("add", R0, 1), EXIT]


def test_a_jump_always_taken_is_left_to_the_verifier() -> None:
    jumps = (alu("mov", R1, 1, bits=32), jump("eq", R1, 1, 1), alu("add", R0, 1), EXIT)
    assert b"".join(specialized(*jumps)) == b"".join(jumps)


def test_the_only_way_to_an_instruction_stays() -> None:
    jumps = (alu("mov", R1, 1, bits=32), jump("ne", R1, 1, 1), EXIT, alu("add", R0, 1), EXIT)
    assert b"".join(specialized(*jumps)) == b"".join(jumps)


@pytest.mark.parametrize(
    ("other", "behind"), [(4, alu("mov", R0, 4, bits=32)), (5, alu("mov", R0, src=R2))]
)
def test_where_ways_meet(other: int, behind: bytes) -> None:
    after = specialized(
        alu("mov", R2, 4),
        jump("eq", R1, 1, 0),
        alu("mov", R2, other),
        alu("mov", R0, src=R2),
        EXIT,
    )
    assert after[3] == behind


def test_a_loop_may_change_a_number() -> None:
    after = specialized(alu("mov", R0, 0), alu("add", R0, 1), jump("lt", R0, -2, 9), EXIT)
    assert after[1:] == [alu("add", R0, 1), jump("lt", R0, -2, 9), EXIT]


def test_a_call_reads_arguments_and_changes_them() -> None:
    after = specialized(
        alu("mov", R1, 1), alu("mov", R6, 2), call(), alu("mov", R0, src=R1), store(R6, -8), EXIT
    )
    assert after[0] == alu("mov", R1, 1, bits=32)
    assert after[3:] == [alu("mov", R0, src=R1), store(R6, -8), EXIT]


def test_functions_begin_with_nothing_known() -> None:
    callback = (function(R2, 5), alu("mov", R1, 3), call(), call_at(2))
    after = specialized(*callback, EXIT, NOTHING, alu("mov", R0, src=R1), EXIT)
    assert after[:2] == [callback[0][:8], callback[0][8:]]
    assert after[7:] == [alu("mov", R0, src=R1), EXIT]


_EDGES = (0, 1, 2, 31, 32, 33, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)
_OPERATIONS = ("add", "sub", "mul", "or", "and", "lsh", "rsh", "xor", "mov", "arsh")
_TESTS = ("eq", "ne", "gt", "ge", "lt", "le", "set", "sgt", "sge", "slt", "sle")


@pytest.mark.parametrize("op", _OPERATIONS)
def test_operations_on_known_numbers(op: str) -> None:
    for a, b, bits in product(_EDGES, _EDGES, (32, 64)):
        both = wide(R1, a) + wide(R2, b)
        agree(
            [
                both,
                alu(op, R1, src=R2, bits=bits),
                alu("mov", R0, src=R1),
                alu("rsh", R0, 16),
                store(R1, -8),
                EXIT,
            ]
        )


@pytest.mark.parametrize("op", _TESTS)
def test_jumps_on_known_numbers(op: str) -> None:
    for a, b, test in product(_EDGES, _EDGES, (jump, jump32)):
        both = wide(R1, a) + wide(R2, b)
        agree([both, test(op, R1, 1, src=R2), alu("add", R0, 1), alu("add", R0, 1), EXIT])


_REGISTERS = st.sampled_from([R0, R1, R2, R3, R6])
_NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(1 << 31), (1 << 31) - 1))
_PLACES = st.integers(0, len(CONSTANTS) + 1)


_BITS = st.sampled_from([32, 64])
_STRAIGHT = st.one_of(
    st.builds(
        lambda dst, off, size: place(dst, FD, off) + load(size, dst, dst),
        _REGISTERS,
        _PLACES,
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.builds(wide, _REGISTERS, st.integers(0, (1 << 64) - 1)),
    st.builds(store, _REGISTERS, st.just(-8)),
    st.builds(call),
    st.builds(alu, st.just("neg"), _REGISTERS, bits=_BITS),
    st.builds(alu, st.sampled_from(_OPERATIONS), _REGISTERS, src=_REGISTERS, bits=_BITS),
    st.builds(alu, st.sampled_from(_OPERATIONS), _REGISTERS, st.integers(0, 31), bits=_BITS),
    st.builds(alu, st.sampled_from(("mov", "add", "and")), _REGISTERS, _NUMBERS, bits=_BITS),
)


@st.composite
def _programs(draw: st.DrawFn) -> list[bytes]:
    parts = draw(st.lists(_STRAIGHT, min_size=1, max_size=25))
    for n in sorted(draw(st.sets(st.integers(0, len(parts) - 1), max_size=6)), reverse=True):
        to = draw(st.integers(n, len(parts)))
        parts.insert(n, draw(_jumps(sum(len(each) // 8 for each in parts[n:to]))))
    return [*parts, EXIT]


@st.composite
def _jumps(draw: st.DrawFn, off: int) -> bytes:
    op, dst, number = draw(st.sampled_from(_TESTS)), draw(_REGISTERS), draw(_NUMBERS)
    match draw(st.integers(0, 5)):
        case 0:
            return jump32(op, dst, off, number)
        case 1:
            return jump(op, dst, off, src=draw(_REGISTERS))
        case 2 if off == 0:
            return go(off)
        case _:
            return jump(op, dst, off, number)


@settings(max_examples=500, deadline=None)
@given(
    parts=_programs(),
    registers=st.lists(st.integers(0, (1 << 64) - 1), min_size=11, max_size=11),
)
def test_it_means_the_same(parts: list[bytes], registers: Sequence[int]) -> None:
    agree(parts, registers)
