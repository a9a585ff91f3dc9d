"""C types as they are in memory: Python values to bytes and back.

===================  =====================================  ======================================
C                    Python                                 note
===================  =====================================  ======================================
integer              int                                    ``__be16`` and so on: network order
bool                 bool
enum                 str: lower case, no common prefix      accepts int; gives int if unnamed
char[n]              str                                    ends at the first NUL
8-bit integer[n]     bytes
T[n]                 list
struct               dict by member                         members of unnamed members count too
union                dict                                   pack takes one member, unpack gives all
===================  =====================================  ======================================
"""

import operator
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wirepath.errors import LayoutError

_WIDEST: Final = 8  # bytes of numpy's widest integer
_CODES: Final[Mapping[int, Literal["B", "H", "I", "Q"]]] = {
    1: "B",
    2: "H",
    4: "I",
    8: "Q",
}  # of memoryview.cast, by size
Buffer = bytes | bytearray | memoryview
Writable = bytearray | memoryview


class CType(ABC):
    """One C type.

    Attributes:
        name: as C writes it: ``struct set_head``, ``__u32``, ``__u64[4]``.
        size: in bytes, padding included.
    """

    name: str
    size: int

    def pack(self, value: object) -> bytes:
        """Give the bytes of *value*.

        Args:
            value: of the Python type that the table above lists, with every member and element.

        Raises:
            LayoutError: members are missing or unknown, or a number does not fit.
        """
        buffer = bytearray(self.size)
        self.write(buffer, 0, value)
        return bytes(buffer)

    def unpack(self, buffer: Buffer, offset: int = 0) -> object:
        """Read a value at *offset*.

        Raises:
            LayoutError: *buffer* ends too early.
        """
        if len(buffer) - offset < self.size:
            have = max(0, len(buffer) - offset)
            raise LayoutError(f"unpack {self.name}: {have} bytes, not {self.size}")
        return self.read(buffer, offset)

    @property
    @abstractmethod
    def dtype(self) -> Any:
        """The argument of ``numpy.dtype()`` for this type; equal for types of equal form."""

    @abstractmethod
    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write *value* at *offset*, where *buffer* must be large enough and zero."""

    @abstractmethod
    def read(self, buffer: Buffer, offset: int) -> object:
        """Read the value at *offset*; the caller has checked that *buffer* holds it."""

    def refuse(self, value: object) -> LayoutError:
        """Make the error that says that *value* does not fit this type."""
        return LayoutError(f"pack {self.name}: {value!r} does not fit {self.size} bytes")


@dataclass(frozen=True, slots=True)
class Integer(CType):
    """An integer of up to 128 bits."""

    name: str
    size: int
    signed: bool = False
    order: Literal["little", "big"] = sys.byteorder

    @property
    def dtype(self) -> Any:
        """``<u4`` and the like. 128-bit integers become opaque bytes, since numpy has none."""
        if self.size > _WIDEST:
            return f"V{self.size}"
        return f"{'<' if self.order == 'little' else '>'}{'i' if self.signed else 'u'}{self.size}"

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write an int."""
        try:
            number = operator.index(value)  # type: ignore[arg-type] # TypeError says so
            packed = number.to_bytes(self.size, self.order, signed=self.signed)
        except (OverflowError, TypeError) as error:
            raise self.refuse(value) from error
        buffer[offset : offset + self.size] = packed

    def read(self, buffer: Buffer, offset: int) -> int:
        """Read an int."""
        return int.from_bytes(buffer[offset : offset + self.size], self.order, signed=self.signed)


@dataclass(frozen=True, slots=True)
class Boolean(CType):
    """A C bool."""

    name: str = "bool"
    size: int = 1

    @property
    def dtype(self) -> Any:
        """One byte."""
        return "?"

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write a bool, or 0 or 1."""
        if value not in (0, 1):
            raise self.refuse(value)
        buffer[offset] = int(bool(value))

    def read(self, buffer: Buffer, offset: int) -> bool:
        """Read a bool."""
        return buffer[offset] != 0


@dataclass(frozen=True, slots=True)
class Enumeration(CType):
    """A C enum.

    Attributes:
        number: the integer type that stores it.
        values: by name, lower case, without the common prefix.
    """

    name: str
    size: int
    number: Integer
    values: Mapping[str, int]

    @property
    def dtype(self) -> Any:
        """The dtype of the integer that stores it."""
        return self.number.dtype

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write a name or a number."""
        if isinstance(value, str):
            if value not in self.values:
                raise LayoutError(f"pack {self.name}: no {value!r} in it")
            value = self.values[value]
        self.number.write(buffer, offset, value)

    def read(self, buffer: Buffer, offset: int) -> str | int:
        """Read a name, or the number if it has no name."""
        number = self.number.read(buffer, offset)
        return next((name for name, of in self.values.items() if of == number), number)


@dataclass(frozen=True, slots=True)
class Text(CType):
    """An array of char: UTF-8, padded with NULs; text that fills the array has no NUL."""

    name: str
    size: int

    @property
    def dtype(self) -> Any:
        """NUL-padded bytes."""
        return f"S{self.size}"

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write a str."""
        if not isinstance(value, str) or len(raw := value.encode()) > self.size:
            raise self.refuse(value)
        buffer[offset : offset + len(raw)] = raw

    def read(self, buffer: Buffer, offset: int) -> str:
        """Read a str; bytes that are not UTF-8 become replacement characters."""
        raw = bytes(buffer[offset : offset + self.size])
        return raw.split(b"\0", 1)[0].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Octets(CType):
    """An array of 8-bit integers, or a type of which only the size is known."""

    name: str
    size: int

    @property
    def dtype(self) -> Any:
        """Numbers of one byte."""
        return ("u1", (self.size,))

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write bytes of exactly this size."""
        if not isinstance(value, bytes | bytearray | memoryview) or len(value) != self.size:
            raise self.refuse(value)
        buffer[offset : offset + self.size] = value

    def read(self, buffer: Buffer, offset: int) -> bytes:
        """Read bytes."""
        return bytes(buffer[offset : offset + self.size])


@dataclass(frozen=True, slots=True)
class Array(CType):
    """An array: a fixed number of elements of one type."""

    name: str
    size: int
    element: CType
    count: int

    @property
    def dtype(self) -> Any:
        """A subarray."""
        return (self.element.dtype, (self.count,))

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write a sequence of that length."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise LayoutError(f"pack {self.name}: {value!r} is no sequence")
        if len(value) != self.count:
            raise LayoutError(f"pack {self.name}: {len(value)} elements")
        for index, item in enumerate(value):
            self.element.write(buffer, offset + index * self.element.size, item)

    def read(self, buffer: Buffer, offset: int) -> list[object]:
        """Read a list."""
        step = self.element.size
        return [self.element.read(buffer, offset + i * step) for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class Record(CType):
    """A struct, a union, or a section of variables.

    Attributes:
        members: ``{name: (offset in bytes, ctype)}``, those of unnamed members included.
        union: whether the members overlap, so that exactly one is written.
    """

    name: str
    size: int
    members: Mapping[str, tuple[int, CType]]
    union: bool = False

    @property
    def dtype(self) -> Any:
        """Named fields at their offsets."""
        return {
            "names": list(self.members),
            "formats": [ctype.dtype for _, ctype in self.members.values()],
            "offsets": [offset for offset, _ in self.members.values()],
            "itemsize": self.size,
        }

    def write(self, buffer: Writable, offset: int, value: object) -> None:
        """Write a dict: every member, or exactly one of a union."""
        if not isinstance(value, Mapping):
            raise LayoutError(f"pack {self.name}: {value!r} is no mapping")
        unknown = value.keys() - self.members.keys()
        if wrong := unknown if self.union else value.keys() ^ self.members.keys():
            raise LayoutError(f"pack {self.name}: members differ: {', '.join(sorted(wrong))}")
        if self.union and len(value) != 1:
            raise LayoutError(f"pack {self.name}: {len(value)} members given, not one")
        for name, item in value.items():
            at, ctype = self.members[name]
            ctype.write(buffer, offset + at, item)

    def read(self, buffer: Buffer, offset: int) -> dict[str, object]:
        """Read a dict."""
        return {name: ctype.read(buffer, offset + at) for name, (at, ctype) in self.members.items()}

    def column(self, records: Buffer, path: str) -> memoryview:
        """Give a view of one member across an array of records.

        Args:
            records: an array of this type; writes to the view go there.
            path: of an unsigned member in host byte order: ``bits``, or ``addr.hi``.
        """
        at, inside = 0, self
        *outer, last = path.split(".")
        for name in outer:
            offset, ctype = inside.members[name]
            if not isinstance(ctype, Record):
                raise LayoutError(f"find {path}: {ctype.name} has no members")
            at, inside = at + offset, ctype
        offset, number = inside.members[last]
        at += offset
        if at % number.size or self.size % number.size:
            raise LayoutError(f"find {path}: it does not lie at multiples of its size")
        words: memoryview = memoryview(records).cast(_CODES[number.size])
        return words[at // number.size :: self.size // number.size]


def fits(mine: CType, theirs: CType) -> bool:
    """Tell whether memory of type *theirs* can be read and written as *mine*.

    Both must have the same size, and *theirs* must have every member of *mine* at the same offset.
    *Theirs* may have more members: further names for the same bytes.
    """
    if isinstance(mine, Record) and isinstance(theirs, Record):
        return mine.size == theirs.size and all(
            name in theirs.members
            and theirs.members[name][0] == offset
            and fits(ctype, theirs.members[name][1])
            for name, (offset, ctype) in mine.members.items()
        )
    if isinstance(mine, Array) and isinstance(theirs, Array):
        return mine.count == theirs.count and fits(mine.element, theirs.element)
    return bool(mine.dtype == theirs.dtype)
