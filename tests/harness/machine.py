"""A machine for instructions of BPF, in Python: RFC 9669, as much as comes before libraries."""

import struct
from collections.abc import Callable, Sequence
from typing import Final

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)
BASE: Final = 0x0BAD_0000_0000  # where the constants lie, if somebody looks at the pointer itself
_MAP_VALUE, _CALL, _FUNC = 2, 1, 4  # pseudo sources
_LOW: Final = (1 << 32) - 1
_ALL: Final = (1 << 64) - 1
_SIZES: Final = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}
_ALU: Final = {
    "add": 0x00, "sub": 0x10, "mul": 0x20, "or": 0x40, "and": 0x50, "lsh": 0x60, "rsh": 0x70,
    "neg": 0x80, "xor": 0xA0, "mov": 0xB0, "arsh": 0xC0,
}  # fmt: skip
_JUMPS: Final = {
    "eq": 0x10, "gt": 0x20, "ge": 0x30, "set": 0x40, "ne": 0x50, "sgt": 0x60, "sge": 0x70,
    "lt": 0xA0, "le": 0xB0, "slt": 0xC0, "sle": 0xD0,
}  # fmt: skip
Insn = bytes
"""One instruction, 8 bytes; a wide one is 16."""


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> Insn:
    return struct.pack("<BBhI", code, dst | src << 4, off, imm & _LOW)


NOTHING: Final = _insn(0x05)
EXIT: Final = _insn(0x95)


def alu(op: str, dst: int, imm: int = 0, *, src: int | None = None, bits: int = 64) -> Insn:
    """``dst op= imm``, or a register."""
    code = _ALU[op] | (0x07 if bits == 64 else 0x04)
    return _insn(code, dst, imm=imm) if src is None else _insn(code | 0x08, dst, src)


def jump(op: str, dst: int, off: int, imm: int = 0, *, src: int | None = None) -> Insn:
    """``if dst op imm goto off``, of 64 bits."""
    code = _JUMPS[op] | 0x05
    return _insn(code, dst, 0, off, imm) if src is None else _insn(code | 0x08, dst, src, off)


def jump32(op: str, dst: int, off: int, imm: int = 0, *, src: int | None = None) -> Insn:
    """The same of the lower 32 bits."""
    code = _JUMPS[op] | 0x06
    return _insn(code, dst, 0, off, imm) if src is None else _insn(code | 0x08, dst, src, off)


def go(off: int) -> Insn:
    """``goto off``."""
    return _insn(0x05, off=off)


def load(size: int, dst: int, src: int, off: int = 0) -> Insn:
    """``dst = *(src + off)``."""
    return _insn(0x61 | _SIZES[size], dst, src, off)


def store(src: int, off: int) -> Insn:
    """``*(r10 + off) = src``."""
    return _insn(0x7B, R10, src, off)


def call(function: int = 1) -> Insn:
    """Call a helper."""
    return _insn(0x85, imm=function)


def call_at(off: int) -> Insn:
    """Call a function of the program."""
    return _insn(0x85, src=_CALL, imm=off)


def wide(dst: int, number: int) -> Insn:
    """``dst = number``, of 64 bits."""
    return _insn(0x18, dst, imm=number) + _insn(0, imm=number >> 32)


def place(dst: int, fd: int, off: int = 0) -> Insn:
    """``dst = &constants[off]``."""
    return _insn(0x18, dst, _MAP_VALUE, imm=fd) + _insn(0, imm=off)


def function(dst: int, off: int) -> Insn:
    """The address of a function of the program."""
    return _insn(0x18, dst, _FUNC, imm=off) + _insn(0)


def run(program: bytes, registers: Sequence[int], constants: bytes) -> list[int]:
    """Run *program* without functions of its own, until it exits.

    Memory that is not of the constants holds whatever its address says.

    Returns:
        What it stored and what it gave to calls, in order, and then R0.
    """
    r, seen, at = [*registers], [], 0
    while True:
        code, regs, off, imm = struct.unpack_from("<BBhi", program, at)
        dst, src = regs & 15, regs >> 4
        at += 8
        match code & 0x07:
            case _ if code == 0x95:
                return [*seen, r[R0]]
            case _ if code == 0x85:
                seen += r[R1 : R5 + 1]
                r[R0 : R5 + 1] = [sum(r[R1 : R5 + 1]) + n & _ALL for n in range(6)]
            case _ if code == 0x18:
                high = struct.unpack_from("<I", program, at + 4)[0]
                r[dst] = BASE + high if src == _MAP_VALUE else high << 32 | imm & _LOW
                at += 8
            case 0x01:
                size = next(n for n, bits in _SIZES.items() if bits == code & 0x18)
                r[dst] = _memory(r[src] + off & _ALL, size, constants)
            case 0x03:
                seen.append(r[src])
            case 0x04 | 0x07:
                operand = r[src] if code & 0x08 else imm & _ALL
                r[dst] = _computed(code, r[dst], operand)
            case _:
                operand = r[src] if code & 0x08 else imm & _ALL
                if code & 0xF0 == 0 or _holds(code, r[dst], operand):
                    at += 8 * off


def _memory(at: int, size: int, constants: bytes) -> int:
    inside = at - BASE
    if 0 <= inside <= len(constants) - size:
        return int.from_bytes(constants[inside : inside + size], "little")
    return at * 0x9E3779B97F4A7C15 & (1 << 8 * size) - 1


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> bits - 1 else number


def _computed(code: int, a: int, b: int) -> int:
    bits = 64 if code & 0x07 == 0x07 else 32
    a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    shift = b % bits
    by_code: dict[str, Callable[[], int]] = {
        "add": lambda: a + b, "sub": lambda: a - b, "mul": lambda: a * b, "or": lambda: a | b,
        "and": lambda: a & b, "lsh": lambda: a << shift, "rsh": lambda: a >> shift,
        "neg": lambda: -a, "xor": lambda: a ^ b, "mov": lambda: b,
        "arsh": lambda: _signed(a, bits) >> shift,
    }  # fmt: skip
    return by_code[_name(_ALU, code)]() & (1 << bits) - 1


def _holds(code: int, a: int, b: int) -> bool:
    bits = 64 if code & 0x07 == 0x05 else 32
    a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    x, y = _signed(a, bits), _signed(b, bits)
    return {
        "eq": a == b, "ne": a != b, "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b,
        "set": bool(a & b), "sgt": x > y, "sge": x >= y, "slt": x < y, "sle": x <= y,
    }[_name(_JUMPS, code)]  # fmt: skip


def _name(codes: dict[str, int], code: int) -> str:
    return next(name for name, bits in codes.items() if bits == code & 0xF0)
