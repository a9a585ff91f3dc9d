"""Bans: sources that are dropped ahead of every rule, until they expire.

The table is the data plane's (``bpf/guard.h``): expiry is judged there, so a ban holds and ends
without any process. Here they are set, lifted, listed and swept.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from errno import E2BIG
from typing import TYPE_CHECKING, Any, Final

from wirepath.errors import KernelError
from wirepath.net import Ban, Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from contextlib import AbstractContextManager

    from wirepath.kernel.maps import Map

NEVER_NS: Final = (1 << 64) - 1
_LOW: Final = (1 << 64) - 1
_KEY_WORDS: Final = 3  # hi, lo, bits


@dataclass(frozen=True, slots=True)
class BanEntry:
    """One ban in force.

    Attributes:
        prefix: who is banned.
        remaining_s: until it ends; None if it does not.
        packets, bytes: that it dropped.
    """

    prefix: Prefix
    remaining_s: float | None
    packets: int
    bytes: int

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return {
            "prefix": str(self.prefix),
            "remaining_s": self.remaining_s,
            "packets": self.packets,
            "bytes": self.bytes,
        }


class Bans:
    """The bans of one datapath.

    Args:
        table: ``bans``.
        lengths: ``ban_lengths``.
        changing: gives the operator's lock.
    """

    def __init__(
        self,
        table: Map,
        lengths: Map,
        changing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._table = table
        self._lengths = lengths
        self._changing = changing

    @property
    def room(self) -> int:
        """How many fit."""
        return self._table.max_entries

    def add(self, prefix: Prefix, for_s: float | None = None) -> None:
        """Ban *prefix* for some seconds from now, or until `remove`; an older ban is replaced.

        Raises:
            KernelError: the table is full, even without those that have expired.
        """
        self.add_all([prefix], for_s)

    def add_all(self, prefixes: Collection[Prefix], for_s: float | None = None) -> None:
        """Ban many at once, as `add`.

        Raises:
            KernelError: the table is full; says how many were banned before.
        """
        now = time.monotonic_ns()
        expires = NEVER_NS if for_s is None else min(now + int(for_s * 1e9), NEVER_NS)
        value = self._table.value.pack(
            {"expires_ns": expires, "since_ns": now, "packets": 0, "bytes": 0}
        )
        keys = b"".join(self._table.key.pack(_key(prefix)) for prefix in prefixes)
        with self._changing():
            for bits in sorted({prefix.bits for prefix in prefixes}):
                self._count_length(bits)
            try:
                self._table.raw_update_batch(keys, value * len(prefixes))
            except KernelError as error:
                if error.errno != E2BIG or not self._sweep():
                    raise
                self._table.raw_update_batch(keys, value * len(prefixes))

    def remove(self, prefix: Prefix) -> bool:
        """Lift the ban of exactly *prefix*.

        Returns:
            Whether there was one in force.
        """
        with self._changing():
            found = self._table.get(_key(prefix))
            if found is None:
                return False
            del self._table[_key(prefix)]
            self._recount()
            return bool(found["expires_ns"] > time.monotonic_ns())

    def all(self) -> list[BanEntry]:
        """List those in force, by address."""
        now = time.monotonic_ns()
        entries = [
            BanEntry(
                prefix,
                None if ban["expires_ns"] == NEVER_NS else (ban["expires_ns"] - now) / 1e9,
                ban["packets"],
                ban["bytes"],
            )
            for prefix, ban in self._items()
            if ban["expires_ns"] > now
        ]
        return sorted(entries, key=lambda entry: entry.prefix)

    def for_model(self) -> Iterator[Ban]:
        """Yield them as the model has them."""
        for prefix, ban in self._items():
            yield Ban(prefix, ban["expires_ns"], None)

    def used(self) -> int:
        """Count the entries, expired ones that nobody has swept included."""
        size = self._table.key_size
        return sum(len(keys) // size for keys, _ in self._table.raw_batches())

    def sweep(self) -> int:
        """Remove those that have expired.

        Returns:
            How many there were.
        """
        with self._changing():
            return self._sweep()

    def _sweep(self) -> int:
        now = time.monotonic_ns()
        gone = [
            self._table.key.pack(_key(prefix))
            for prefix, ban in self._items()
            if ban["expires_ns"] <= now
        ]
        self._table.raw_delete_batch(b"".join(gone))
        self._recount()
        return len(gone)

    def _items(self) -> Iterator[tuple[Prefix, dict[str, int]]]:
        for key, ban in self._table.items():
            address = key["addr"]
            yield Prefix(address["hi"] << 64 | address["lo"], key["bits"]), ban

    # The lengths that packets probe: each is written before it is counted, and taken out of the
    # count before it is overwritten, so that no packet misses one that is in use.

    def _count_length(self, bits: int) -> None:
        value = self._lengths[0]
        if bits in value["bits"][: value["count"]]:
            return
        self._store_length(value["count"], bits)
        self._store_count(value["count"] + 1)

    def _recount(self) -> None:
        used = {
            bits
            for keys, _ in self._table.raw_batches()
            for bits in set(memoryview(keys).cast("Q").tolist()[_KEY_WORDS - 1 :: _KEY_WORDS])
        }
        value = self._lengths[0]
        listed = list(value["bits"][: value["count"]])
        for place in range(len(listed) - 1, -1, -1):
            if listed[place] not in used:
                listed[place] = listed[-1]
                self._store_length(place, listed[-1])
                listed.pop()
                self._store_count(len(listed))

    def _store_length(self, place: int, bits: int) -> None:
        offset, _ = self._member("bits")
        with self._lengths.memory() as memory:
            memory[offset + place] = bits

    def _store_count(self, count: int) -> None:
        offset, size = self._member("count")
        with self._lengths.memory() as memory:
            memory[offset : offset + size].cast("I")[0] = count

    def _member(self, name: str) -> tuple[int, int]:
        # Where a member of struct ban_lengths lies, and its size.
        offset, layout = self._lengths.btf.record("struct ban_lengths").members[name]
        return offset, layout.size


def _key(prefix: Prefix) -> dict[str, Any]:
    address = {"hi": prefix.address >> 64, "lo": prefix.address & _LOW}
    return {"addr": address, "bits": prefix.bits}
