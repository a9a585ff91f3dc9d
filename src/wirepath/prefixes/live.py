"""Live sets, which change while packets read them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from errno import ENOSPC
from typing import TYPE_CHECKING, NamedTuple, Self

from wirepath.errors import KernelError, LayoutError
from wirepath.native import ffi, lib
from wirepath.prefixes.members import SETS_MAX, Members
from wirepath.prefixes.tables import pointer, room

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed import WriteableBuffer

_LOW = (1 << 64) - 1
_ALL_SETS = (1 << SETS_MAX) - 1
_SIZE_MAX = (1 << 8 * ffi.sizeof("size_t")) - 1
# The memories of a table, each an array of this struct.
_STRUCTS = {
    "lines": "line",
    "fences": "fence",
    "leaves": "leaf",
    "prefix_head": "prefix_head",
    "members": "member",
    "set_classes": "set_class",
    "set_head": "set_head",
    "hosts": "host_line",
    "ipv4_hosts": "ipv4_host_line",
}
_APART = ("hosts", "ipv4_hosts")  # may be empty
_ROOMS = ("lines", "fences", "leaves", "members", "set_classes", *_APART)


class Full(KernelError):  # noqa: N818 - the name says it all
    """A live table has no room for a change; nothing was changed. The table must be rebuilt.

    Attributes:
        room: what ran out: ``lines``, ``leaves``, ``fences``, ``members`` or ``classes``.
    """

    def __init__(self, room: str) -> None:
        self.room = room
        super().__init__(
            "change a set", ENOSPC, what=f"no room for more {room}", cure="build the table anew"
        )


class Dirty(KernelError):  # noqa: N818 - the name says it all
    """A change of a live table was interrupted. The table must be rebuilt from its members."""

    def __init__(self) -> None:
        super().__init__(
            "change a set", what="an earlier change was cut short", cure="build the table anew"
        )


class Change(NamedTuple):
    """The result of a live change.

    Attributes:
        done: number of prefixes added or removed.
        unchanged: number of prefixes that were already there, or already absent.
    """

    done: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMemory:
    """The memory of a set table, written by ``Tables``, with room for changes after it.

    Attributes:
        lines, fences, leaves, prefix_head: read by packets; fences need room for twice as many.
        members, set_classes, set_head: read only by changes.
        root_bits: number of address bits that index the root.
        hosts: read by packets; empty if the table has no IPv6 hosts apart from its leaves.
        ipv4_hosts: likewise of IPv4 hosts and the root.
    """

    lines: WriteableBuffer
    fences: WriteableBuffer
    leaves: WriteableBuffer
    prefix_head: WriteableBuffer
    members: WriteableBuffer
    set_classes: WriteableBuffer
    set_head: WriteableBuffer
    root_bits: int
    hosts: WriteableBuffer = field(default_factory=bytearray)
    ipv4_hosts: WriteableBuffer = field(default_factory=bytearray)


class LiveSets:
    """A set table that packets are reading, with methods to change it.

    A change is atomic for each host in a table of its own, each slot of 2^(32 - root_bits) IPv4
    addresses and each leaf of IPv6 addresses: a packet sees the sets from before or from after it.
    Only one process may change a table at a time; the caller holds the lock. Leaving the context
    releases the memory.

    Args:
        memory: used in place, not copied.
        on_new_classes: called with ``[(class, sets)]`` before packets can find these classes, so
            that the caller can write their rows. If it raises, nothing is changed.

    Raises:
        LayoutError: *memory* does not hold a set table.
    """

    def __init__(
        self, memory: SetMemory, on_new_classes: Callable[[list[tuple[int, int]]], None]
    ) -> None:
        self._on_new_classes = on_new_classes
        self._buffers = []
        struct = ffi.new("struct live_memory *", {"root_bits": memory.root_bits})
        for name, ctype in _STRUCTS.items():
            least = 0 if name in _APART else 1
            held = pointer(ctype, getattr(memory, name), least, writable=True)
            self._buffers.append(held)
            setattr(struct, name, held)
        for name in _ROOMS:
            setattr(struct, f"{name}_room", room(_STRUCTS[name], getattr(memory, name)))
        if not lib.wp_live_sound(struct):
            raise LayoutError("open sets: the memory holds no set table of this version")
        live = lib.wp_live_open(struct)
        if live == ffi.NULL:
            raise MemoryError
        self._live = ffi.gc(live, lib.wp_live_close)

    def close(self) -> None:
        """Release the memory; the object cannot be used afterwards."""
        ffi.release(self._live)
        while self._buffers:
            ffi.release(self._buffers.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def dirty(self) -> bool:
        """Whether a change was interrupted; then rebuild the table from ``all_members()``."""
        return bool(lib.wp_live_dirty(self._live))

    def add(self, set_id: int, prefixes: Members) -> Change:
        """Add *prefixes* to a set (0 to 63); the set numbers in *prefixes* are ignored.

        Raises:
            Full: there is no room; nothing was changed.
            Dirty: an earlier change was interrupted.
        """
        return self._change(set_id, prefixes, removing=False)

    def remove(self, set_id: int, prefixes: Members) -> Change:
        """Remove exactly *prefixes* from a set, not longer prefixes inside them.

        Raises:
            Full: there is no room to write the remaining members; nothing was changed.
            Dirty: an earlier change was interrupted.
        """
        return self._change(set_id, prefixes, removing=True)

    def _change(self, set_id: int, prefixes: Members, *, removing: bool) -> Change:
        if self.dirty:
            raise Dirty
        done = ffi.new("size_t *")
        fault = lib.wp_live_prepare(
            self._live, prefixes.pointer(), len(prefixes), set_id, removing, done
        )
        if fault == lib.TABLE_MEMORY:
            raise MemoryError
        if fault != lib.TABLE_OK:
            raise Full(_full(fault))
        try:
            self._announce_classes()
        except BaseException:
            lib.wp_live_abort(self._live)
            raise
        lib.wp_live_publish(self._live)
        return Change(done[0], len(prefixes) - done[0])

    def _announce_classes(self) -> None:
        first = ffi.new("uint16_t *")
        count = lib.wp_live_new_classes(self._live, first)
        if count:
            classes = range(first[0], first[0] + count)
            self._on_new_classes([(i, lib.wp_live_sets(self._live, i)) for i in classes])

    def members_of(self, set_id: int) -> Members:
        """Copy the members of one set, in order."""
        return self._members(1 << set_id)

    def all_members(self) -> Members:
        """Copy the members of all sets, in order, for example to rebuild the table."""
        return self._members(_ALL_SETS)

    def _members(self, sets: int) -> Members:
        count = lib.wp_live_members(self._live, sets, ffi.NULL)
        if count == _SIZE_MAX:
            raise MemoryError
        members = Members.room(count)
        lib.wp_live_members(self._live, sets, members.pointer())
        return members

    def counts(self) -> list[int]:
        """Count the members of each of the 64 sets."""
        counts = array("Q", bytes(8 * SETS_MAX))
        lib.wp_live_count(self._live, ffi.from_buffer("uint64_t[]", counts))
        return counts.tolist()

    def sets_of(self, address: int) -> int:
        """Look up the sets of *address* as a packet would; bit i stands for set i."""
        return int(lib.wp_live_lookup(self._live, address >> 64, address & _LOW))


def _full(fault: int) -> str:
    return {
        lib.TABLE_LINES: "lines",
        lib.TABLE_LEAVES: "leaves",
        lib.TABLE_FENCES: "fences",
        lib.TABLE_MEMBERS: "members",
        lib.TABLE_CLASSES: "classes",
    }[fault]
