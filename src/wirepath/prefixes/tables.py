"""Building prefix tables from members or segments.

A table is built first and written later, since the maps that hold it are created in the size that
it needs.
"""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any, NoReturn

from wirepath.errors import LayoutError, RequestError
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from wirepath.prefixes.members import Members

_LOW = (1 << 64) - 1


def pointer(ctype: str, memory: ReadableBuffer, count: int, *, writable: bool = False) -> Any:
    """Return a ``struct CTYPE *`` to *memory* that is valid while the result lives.

    Args:
        ctype: name of the struct in ``prefix_layout.h``.
        memory: an array of such structs.
        count: their least number.
        writable: whether C will write there.

    Raises:
        LayoutError: *memory* is smaller.
    """
    if room(ctype, memory) < count:
        raise LayoutError(
            f"lay out prefixes: memory for {room(ctype, memory)} struct {ctype}, {count} needed"
        )
    return ffi.from_buffer(f"struct {ctype} *", memory, require_writable=writable)


def room(ctype: str, memory: ReadableBuffer) -> int:
    """Return how many ``struct CTYPE`` fit in *memory*."""
    return memoryview(memory).nbytes // int(getattr(lib, f"wp_{ctype}_size"))


class ClassTable:
    """A table that maps addresses to classes; built, but not yet written.

    Attributes:
        root_bits: number of address bits that index the root, 10 to 18.
        lines, leaves, fences: how many of each ``write`` needs.
    """

    def __init__(self, tables: Any) -> None:
        if tables == ffi.NULL:
            raise MemoryError
        self._tables = ffi.gc(tables, lib.wp_tables_free)
        if tables.fault != lib.TABLE_OK:
            _raise(tables.fault)
        self.root_bits: int = tables.root_bits
        self.lines: int = tables.lines
        self.leaves: int = tables.leaves
        self.fences: int = tables.leaves

    def write(
        self,
        *,
        lines: WriteableBuffer,
        fences: WriteableBuffer,
        leaves: WriteableBuffer,
        prefix_head: WriteableBuffer,
    ) -> None:
        """Write the table into memory of its size or more; the rest is not touched.

        Raises:
            LayoutError: a memory is too small.
        """
        lib.wp_tables_write(
            self._tables,
            pointer("line", lines, self.lines, writable=True),
            pointer("fence", fences, self.fences, writable=True),
            pointer("leaf", leaves, self.leaves, writable=True),
            pointer("prefix_head", prefix_head, 1, writable=True),
        )


class Tables(ClassTable):
    """The table of all sets: the class of an address stands for the sets that it is in.

    Attributes:
        members: number of members, without repeats.
        classes: number of classes; class 0 is in no set.
        host_lines: lines of the table of IPv6 hosts; 0 if they are few and there is none.
        host_seed: seed of the hashes of both tables of hosts.
        hosts: number of ``struct host_line`` that ``write_hosts`` needs.
        ipv4_host_lines: lines of the table of IPv4 hosts; 0 if they are few and there is none.
        ipv4_hosts: number of ``struct ipv4_host_line`` that ``write_ipv4_hosts`` needs.
    """

    def __init__(self, tables: Any) -> None:
        super().__init__(tables)
        self.members: int = tables.ipv4_count + tables.ipv6_count
        self.classes: int = tables.classes.count
        self.host_lines: int = tables.hosts.count
        self.host_seed: int = tables.hosts.seed
        self.hosts: int = self.host_lines + 1 if self.host_lines else 0
        self.ipv4_host_lines: int = tables.ipv4_hosts.count
        self.ipv4_hosts: int = self.ipv4_host_lines + 1 if self.ipv4_host_lines else 0

    @classmethod
    def build(
        cls,
        members: Members,
        *,
        spare_classes: int = 0,
        root_bits: int | None = None,
        host_lines: int | None = None,
        ipv4_host_lines: int | None = None,
        host_seed: int | None = None,
    ) -> Tables:
        """Build the table of *members*, which may come in any order and more than once.

        Args:
            members: of all sets together.
            spare_classes: room for classes that live changes add.
            root_bits: 10 to 18; if None, chosen by the number of prefixes and classes.
            host_lines: of the table of IPv6 hosts; if None, chosen by the number of hosts.
            ipv4_host_lines: of the table of IPv4 hosts, 0 or at least 2,048; likewise.
            host_seed: 64 bits for the hashes of hosts, which authors of lists must not know; random
                if None.

        Raises:
            RequestError: the sets overlap in too many ways, or are too large for one table or for
                *root_bits*.
        """
        return cls(
            lib.wp_tables_build(
                members.pointer(),
                len(members),
                spare_classes,
                root_bits or 0,
                -1 if host_lines is None else host_lines,
                -1 if ipv4_host_lines is None else ipv4_host_lines,
                int.from_bytes(os.urandom(8), "little") if host_seed is None else host_seed,
            )
        )

    @property
    def masks(self) -> array[int]:
        """The sets of every class; bit i stands for set i."""
        masks = array("Q", bytes(8 * self.classes))
        lib.wp_tables_masks(self._tables, ffi.from_buffer("uint64_t[]", masks))
        return masks

    def write_hosts(self, *, hosts: WriteableBuffer) -> None:
        """Write the table of IPv6 hosts, if there is one, into memory of its size.

        Raises:
            LayoutError: the memory is too small.
        """
        memory = pointer("host_line", hosts, self.hosts, writable=True)
        if self.hosts:
            lib.wp_tables_write_hosts(self._tables, memory)

    def write_ipv4_hosts(self, *, ipv4_hosts: WriteableBuffer) -> None:
        """Write the table of IPv4 hosts, if there is one, into memory of its size.

        Raises:
            LayoutError: the memory is too small.
        """
        memory = pointer("ipv4_host_line", ipv4_hosts, self.ipv4_hosts, writable=True)
        if self.ipv4_hosts:
            lib.wp_tables_write_ipv4_hosts(self._tables, memory)

    def write_sets(
        self,
        *,
        members: WriteableBuffer,
        set_classes: WriteableBuffer,
        set_head: WriteableBuffer,
    ) -> None:
        """Write the data that live changes need, into memory of its size or more.

        Raises:
            LayoutError: a memory is too small.
        """
        lib.wp_tables_write_sets(
            self._tables,
            pointer("member", members, self.members, writable=True),
            pointer("set_class", set_classes, self.classes, writable=True),
            pointer("set_head", set_head, 1, writable=True),
        )


def build_class_table(
    starts_hi: ReadableBuffer,
    starts_lo: ReadableBuffer,
    classes: ReadableBuffer,
    root_bits: int | None = None,
) -> ClassTable:
    """Build a table from segments with given classes.

    Args:
        starts_hi: upper halves of the first addresses, u64. The addresses ascend from 0; IPv4
            ones are in ::ffff:0:0/96.
        starts_lo: lower halves of the first addresses, u64.
        classes: class of each segment, u16.
        root_bits: 10 to 18; if None, chosen by the number of segments and classes.

    Raises:
        RequestError: there are too many segments for one table.
        ValueError: the addresses do not ascend from 0, or the arrays differ in length.
    """
    hi, lo = ffi.from_buffer("uint64_t[]", starts_hi), ffi.from_buffer("uint64_t[]", starts_lo)
    numbers = ffi.from_buffer("uint16_t[]", classes)
    if not len(hi) == len(lo) == len(numbers):
        raise ValueError("segments: as many upper halves as lower ones and classes")
    return ClassTable(lib.wp_tables_from_segments(hi, lo, numbers, len(hi), root_bits or 0))


def lookup(
    address: int,
    *,
    lines: ReadableBuffer,
    fences: ReadableBuffer,
    leaves: ReadableBuffer,
    prefix_head: ReadableBuffer,
    root_bits: int,
    hosts: ReadableBuffer = b"",
    ipv4_hosts: ReadableBuffer = b"",
) -> int:
    """Find the class of *address* in a table, as the data plane does.

    Raises:
        LayoutError: a memory is too small to be a table.
    """
    held = pointer("host_line", hosts, 0)
    table = ffi.new("struct hosts *", lib.wp_hosts_open(held, room("host_line", hosts)))
    held_ipv4 = pointer("ipv4_host_line", ipv4_hosts, 0)
    opened = lib.wp_ipv4_hosts_open(held_ipv4, room("ipv4_host_line", ipv4_hosts))
    ipv4_table = ffi.new("struct ipv4_hosts *", opened)
    return int(
        lib.wp_lookup(
            pointer("line", lines, 1 << root_bits),
            root_bits,
            pointer("fence", fences, 1),
            pointer("prefix_head", prefix_head, 1),
            pointer("leaf", leaves, 1),
            table,
            ipv4_table,
            address >> 64,
            address & _LOW,
        )
    )


def set_rows(needs: ReadableBuffer, masks: ReadableBuffer, rows: WriteableBuffer) -> None:
    """Write, for each class, a row of bits: bit i is set if its sets satisfy clause i.

    Args:
        needs: the need of each clause, ``struct set_need``.
        masks: the sets of each class, u64.
        rows: one row for each mask, all of the same number of u64; bits after the last clause
            are cleared.

    Raises:
        LayoutError: *rows* cannot be divided into one row per mask, or the rows are too short for
            the clauses.
    """
    count = room("set_need", needs)
    sets = ffi.from_buffer("uint64_t[]", masks)
    words, rest = divmod(memoryview(rows).nbytes // 8, len(sets))
    if rest or words * 64 < count:
        raise LayoutError(f"write rows of sets: {len(sets)} rows of {count} bits do not fit")
    lib.wp_set_rows(
        pointer("set_need", needs, count),
        count,
        sets,
        len(sets),
        ffi.from_buffer("uint64_t[]", rows, require_writable=True),
        words,
    )


def _raise(fault: int) -> NoReturn:
    if fault == lib.TABLE_MEMORY:
        raise MemoryError
    if fault == lib.TABLE_UNSORTED:
        raise ValueError("segments: they must ascend from address 0")
    if fault == lib.TABLE_CLASSES:
        raise RequestError(
            "build sets: they overlap in more than 65,534 different ways (use fewer sets)"
        )
    raise RequestError("build sets: too many prefixes for one table (split them over interfaces)")
