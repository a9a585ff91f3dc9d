"""How much stack a compiled program may need, whatever its constants and whatever the kernel.

The verifier bounds the frames of a program and of all that it calls, one inside another, by 512
bytes.  It does so before it removes what constants rule out: calls that no packet can reach count,
too.  So what any policy may need stands in the compiled file, and is read there without a kernel.
Each frame is rounded up: by Linux 6.1 to 32 bytes, by newer kernels with a JIT to 16.

Source: kernel/bpf/verifier.c, ``check_max_stack_depth`` and ``update_stack_depth``.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

STACK_MAX: Final = 512
ROUNDED_TO: Final = 32  # by Linux 6.1

_SYMTAB, _REL = 2, 9  # section types of ELF
_FUNC, _SECTION = 2, 3  # symbol types
_INSN: Final = struct.Struct("<BBhi")
_CALL, _MOVE, _ADD, _WIDE = 0x85, 0xBF, 0x07, 0x18
_LDX, _ST, _STX = 1, 2, 3  # classes, the low bits of an opcode
_FRAME_POINTER: Final = 10


class Insn(NamedTuple):
    """One instruction of BPF."""

    code: int
    registers: int
    offset: int
    immediate: int

    @property
    def target(self) -> int:
        """The register that is written, or the address that is stored to."""
        return self.registers & 15

    @property
    def source(self) -> int:
        """The register that is read."""
        return self.registers >> 4

    @property
    def touches_frame(self) -> bool:
        """Whether it loads from the function's own frame or stores there."""
        kind = self.code & 7
        base = self.source if kind == _LDX else self.target
        return kind in {_LDX, _ST, _STX} and base == _FRAME_POINTER

    @property
    def takes_frame(self) -> bool:
        """Whether it copies the frame pointer; the next instruction then says how far down."""
        return self.code == _MOVE and self.source == _FRAME_POINTER


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


class _Symbol(NamedTuple):
    name: str
    kind: int
    section: int
    value: int
    size: int


@dataclass(frozen=True)
class Function:
    """One function of a compiled file.

    Attributes:
        name: of the C function.
        at: where its code lies in the file.
        size: of its code, bytes.
        frame: bytes of stack that it uses itself.
        calls: names of the functions that it calls or gives to a helper to call.
    """

    name: str
    at: int
    size: int
    frame: int
    calls: frozenset[str]


class Chain(NamedTuple):
    """Functions that call each other, and the stack that they need together.

    Attributes:
        bytes: as the kernel counts, each frame rounded up.
        functions: the outermost first.
    """

    bytes: int
    functions: tuple[Function, ...]

    def __str__(self) -> str:
        return " > ".join(f"{each.name} {each.frame}" for each in self.functions)


class Compiled:
    """The functions of one compiled file, by name.

    Attributes:
        functions: all of them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        (start,) = struct.unpack_from("<Q", data, 40)
        (count,) = struct.unpack_from("<H", data, 60)
        self._sections = [
            _Section(*struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * number))
            for number in range(count)
        ]
        self._symbols = list(self._read_symbols())
        self._relocations = dict(self._read_relocations())
        self.functions: Mapping[str, Function] = {
            symbol.name: self._function(symbol) for symbol in self._symbols if symbol.kind == _FUNC
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a compiled ``.bpf.o``."""
        return cls(path.read_bytes())

    def deepest(self, name: str, rounded_to: int = ROUNDED_TO) -> Chain:
        """Find the calls from *name* on that need the most stack."""
        function = self.functions[name]
        deeper = (self.deepest(each, rounded_to) for each in function.calls)
        rest = max(deeper, default=Chain(0, ()), key=lambda chain: chain.bytes)
        own = -(-max(function.frame, 1) // rounded_to) * rounded_to
        return Chain(own + rest.bytes, (function, *rest.functions))

    def padded(self, name: str, pad: int) -> bytes:
        """Give the file with *pad* bytes more in the frame of *name*, which nothing uses."""
        data = bytearray(self._data)
        function, lowered = self.functions[name], False
        for at, insn in self._code(function.at, function.size):
            if insn.touches_frame:
                changed = insn._replace(offset=insn.offset - pad)
            elif lowered:
                changed = insn._replace(immediate=insn.immediate - pad)
            else:
                changed = insn
            _INSN.pack_into(data, at, *changed)
            lowered = insn.takes_frame
        return bytes(data)

    def _read_symbols(self) -> Iterator[_Symbol]:
        [table] = (section for section in self._sections if section.kind == _SYMTAB)
        names = self._sections[table.link].offset
        for at in range(table.offset, table.offset + table.size, table.entry):
            name, kind, _, section, value, size = struct.unpack_from("<IBBHQQ", self._data, at)
            end = self._data.index(b"\0", names + name)
            yield _Symbol(self._data[names + name : end].decode(), kind & 15, section, value, size)

    # The symbol that an instruction refers to, by the instruction's place in the file.
    def _read_relocations(self) -> Iterator[tuple[int, _Symbol]]:
        for section in self._sections:
            if section.kind != _REL:
                continue
            base = self._sections[section.info].offset
            for at in range(section.offset, section.offset + section.size, section.entry):
                place, info = struct.unpack_from("<QQ", self._data, at)
                yield base + place, self._symbols[info >> 32]

    def _function(self, symbol: _Symbol) -> Function:
        at = self._sections[symbol.section].offset + symbol.value
        frame, calls, lowered = 0, set(), False
        for place, insn in self._code(at, symbol.size):
            if insn.touches_frame:
                frame = max(frame, -insn.offset)
            if lowered:
                assert insn.code == _ADD, f"{symbol.name}: how far down is not a constant"
                frame = max(frame, -insn.immediate)
            lowered = insn.takes_frame
            calls.update(self._callee(symbol.section, place, insn))
        return Function(symbol.name, at, symbol.size, frame, frozenset(calls))

    def _code(self, at: int, size: int) -> Iterator[tuple[int, Insn]]:
        place = at
        while place < at + size:
            insn = Insn(*_INSN.unpack_from(self._data, place))
            yield place, insn
            place += 2 * _INSN.size if insn.code == _WIDE else _INSN.size

    # The function of ours that an instruction calls or has the address of, if any.
    def _callee(self, section: int, place: int, insn: Insn) -> Iterator[str]:
        call = insn.code == _CALL and insn.source == 1
        if not call and insn.code != _WIDE:
            return
        symbol = self._relocations.get(place)
        # A call's number counts instructions behind it, an address's bytes.
        ahead = (insn.immediate + 1) * _INSN.size if call else insn.immediate
        if symbol is None and call:
            start = place - self._sections[section].offset
            yield from self._named(section, start + ahead)
        elif symbol is not None and symbol.section:  # else it is the kernel's
            offset = ahead if symbol.kind == _SECTION else 0
            yield from self._named(symbol.section, symbol.value + offset)

    def _named(self, section: int, value: int) -> Iterator[str]:
        for symbol in self._symbols:
            if (symbol.kind, symbol.section, symbol.value) == (_FUNC, section, value):
                yield symbol.name
