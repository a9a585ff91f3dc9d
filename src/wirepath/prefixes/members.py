"""Large arrays of prefixes in the form of the kernel's tables, read from and written to lists."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from wirepath.errors import RequestError
from wirepath.native import ffi, lib
from wirepath.net import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from _typeshed import ReadableBuffer

SETS_MAX = 64
_LOW = (1 << 64) - 1
_WHY_SIZE = 128
_AT_ONCE = 16384  # members in one part of a list
_SHOWN = 64  # characters of a bad line in a message


class Members:
    """An array of ``struct member``: prefixes, each with the number of its set.

    Iterating gives ``(prefix, set)``, which is meant for tests and small arrays.

    Args:
        memory: a whole number of ``struct member``; used in place, not copied.

    Attributes:
        memory: the array, as bytes.
    """

    __slots__ = ("memory",)

    def __init__(self, memory: ReadableBuffer) -> None:
        self.memory = memoryview(memory).cast("B")

    @classmethod
    def of(cls, prefixes: Iterable[Prefix], *, set_id: int = 0) -> Members:
        """Make members of *set_id* (0 to 63) from a few prefixes."""
        few = list(prefixes)
        return cls.of_columns(
            [prefix.address >> 64 for prefix in few],
            [prefix.address & _LOW for prefix in few],
            [prefix.bits for prefix in few],
            set_id=set_id,
        )

    @classmethod
    def of_columns(
        cls, hi: Sequence[int], lo: Sequence[int], bits: Sequence[int], *, set_id: int = 0
    ) -> Members:
        """Make members of *set_id* from address halves and prefix lengths (IPv4 adds 96)."""
        members = cls.room(len(bits))
        lib.wp_members_pack(
            ffi.from_buffer("uint64_t[]", array("Q", hi)),
            ffi.from_buffer("uint64_t[]", array("Q", lo)),
            ffi.from_buffer("uint8_t[]", array("B", bits)),
            set_id,
            len(bits),
            members.pointer(),
        )
        return members

    @classmethod
    def join(cls, parts: Sequence[Members]) -> Members:
        """Copy all *parts* into one array, one after the other."""
        return cls(b"".join(part.memory for part in parts))

    @classmethod
    def room(cls, count: int) -> Members:
        """Allocate room for *count* members, which C will write."""
        return cls(bytearray(count * lib.wp_member_size))

    def pointer(self) -> Any:
        """Give the array as a ``struct member *`` that is valid while the result lives."""
        return ffi.from_buffer("struct member *", self.memory)

    def in_set(self, set_id: int) -> Members:
        """Copy the members, all with the set *set_id* (0 to 63)."""
        copy = Members(bytearray(self.memory))
        lib.wp_members_number(copy.pointer(), len(copy), set_id)
        return copy

    def in_order(self) -> Members:
        """Copy the members sorted and without repeats."""
        count = ffi.new("size_t *", len(self))
        copy = lib.wp_members_in_order(self.pointer(), count)
        if copy == ffi.NULL:
            raise MemoryError
        owned = ffi.gc(ffi.cast("char *", copy), lib.wp_free)
        return Members(ffi.buffer(owned, count[0] * lib.wp_member_size))

    def common(self, set_id: int, other: Members, other_id: int) -> int:
        """Count the prefixes of a set that are also in a set of *other*; both must be in order."""
        return int(
            lib.wp_members_common(
                self.pointer(), len(self), set_id, other.pointer(), len(other), other_id
            )
        )

    def counts(self) -> list[int]:
        """Count the members of each of the 64 sets."""
        counts = array("Q", bytes(8 * SETS_MAX))
        lib.wp_members_count(self.pointer(), len(self), ffi.from_buffer("uint64_t[]", counts))
        return counts.tolist()

    def __len__(self) -> int:
        return len(self.memory) // int(lib.wp_member_size)

    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """Return four arrays: upper halves of addresses, lower halves, prefix lengths, sets."""
        count = len(self)
        hi, lo = array("Q", bytes(8 * count)), array("Q", bytes(8 * count))
        bits, sets = array("B", bytes(count)), array("B", bytes(count))
        lib.wp_members_unpack(
            self.pointer(),
            count,
            ffi.from_buffer("uint64_t[]", hi),
            ffi.from_buffer("uint64_t[]", lo),
            ffi.from_buffer("uint8_t[]", bits),
            ffi.from_buffer("uint8_t[]", sets),
        )
        return hi, lo, bits, sets

    def __repr__(self) -> str:
        return f"<{len(self):,} prefixes>"

    def __iter__(self) -> Iterator[tuple[Prefix, int]]:
        for hi, lo, bits, set_id in zip(*self.columns(), strict=True):
            yield Prefix(hi << 64 | lo, bits), set_id


class BadLine(NamedTuple):
    """A line of a list that is not a prefix.

    Attributes:
        line: its number, from 1.
        text: the line without comment, shortened if long.
        why: what is wrong and what would be right.
    """

    line: int
    text: str
    why: str


class Widest(NamedTuple):
    """The shortest prefix of a family in a list, and the line where it is first."""

    prefix: Prefix
    line: int


class ParsedList(NamedTuple):
    """The contents of a list.

    Attributes:
        file: as given.
        members: in file order, repeats included.
        bad: lines that were skipped, in file order.
        unread: how many JSON objects have no prefix, as metadata or objects of another kind.
        widest: the shortest prefix of each family that the list has; hosts do not count.
    """

    file: str
    members: Members
    bad: list[BadLine]
    unread: int = 0
    widest: tuple[Widest, ...] = ()

    @property
    def is_no_list(self) -> bool:
        """Whether the file has lines, but none of them is a prefix."""
        return not self.members and bool(self.bad or self.unread)


def parse_list(text: ReadableBuffer, file: str, *, set_id: int = 0) -> ParsedList:
    """Read prefixes and addresses of both families, one per line.

    Blank lines and comments (``#`` or ``;`` to the end of a line) are skipped. A line that begins
    with ``{`` is a JSON object (RFC 8259), of which only the member ``cidr`` counts; an object
    without it is skipped. Parsing is strict: leading zeros, host bits, IPv4 inside IPv6 and text
    after a prefix make a line bad.

    Args:
        text: the whole list, in ASCII; a UTF-8 byte order mark is skipped.
        file: its name, for reports of bad lines.
        set_id: the set of the members, 0 to 63.

    Raises:
        RequestError: so many lines are bad that it is no list at all.
    """
    source = ffi.from_buffer("char[]", text)
    parsed = lib.wp_list_parse(source, len(source), set_id)
    if parsed == ffi.NULL:
        raise MemoryError
    parsed = ffi.gc(parsed, lib.wp_list_free)
    if parsed.problem_count == lib.PROBLEMS_MAX:
        what = f"{lib.PROBLEMS_MAX:,} lines are no prefixes, the last of them line {_last(parsed)}"
        raise RequestError(f"{file or 'list'}: {what} (name a list, one prefix a line)")
    bad = [_bad_line(source, parsed.problems[i]) for i in range(parsed.problem_count)]
    size = parsed.count * lib.wp_member_size
    owned = ffi.gc(ffi.cast("char *", lib.wp_list_take(parsed)), lib.wp_free)
    widest = tuple(
        Widest(Prefix(each.hi << 64 | each.lo, each.bits), each.line)
        for each in (parsed.ipv4, parsed.ipv6)
        if each.line
    )
    members = Members(ffi.buffer(owned, size))
    return ParsedList(file, members, bad, parsed.unread, widest)


def _last(parsed: Any) -> int:
    return int(parsed.problems[parsed.problem_count - 1].line)


def _bad_line(source: Any, problem: Any) -> BadLine:
    words = ffi.buffer(source + problem.at, min(problem.length, 4 * _SHOWN))
    text = bytes(words).decode(errors="replace")
    why = ffi.new("char[]", _WHY_SIZE)
    lib.wp_list_why(ffi.addressof(problem), why)
    return BadLine(
        problem.line,
        text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...",
        ffi.string(why).decode(),
    )


def format_members(members: Members) -> Iterator[bytes]:
    """Write a list in parts: one prefix per line, as in RFC 5952; host addresses have no length."""
    length = ffi.new("size_t *")
    for first in range(0, len(members), _AT_ONCE):
        count = min(_AT_ONCE, len(members) - first)
        text = lib.wp_list_format(members.pointer(), first, count, length)
        if text == ffi.NULL:
            raise MemoryError
        yield bytes(ffi.buffer(ffi.gc(text, lib.wp_free), length[0]))
