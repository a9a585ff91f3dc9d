"""Counters of single prefixes, in sets with ``counters = true``.

The data plane counts in the table (``bpf/prefixes/prefix_counters.h``). The table is carried from
generation to generation, so no count is lost by a swap.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from wirepath.errors import KernelError
from wirepath.net import Prefix
from wirepath.prefixes.members import SETS_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from wirepath.kernel.maps import Map
    from wirepath.prefixes import Members

_HEAD_BITS: Final = 32  # PREFIX_COUNTER_HEAD_BITS of bpf/prefixes/prefix_counters.h
_MAPPED: Final = 0xFFFF  # above IPv4 addresses; RFC 4291 section 2.5.5.2
_UNCOUNTED: Final = -1


class PrefixCount(NamedTuple):
    """The counters of one prefix of a set.

    Attributes:
        prefix: the prefix.
        packets: packets with an address that a rule found in the set, whose longest match in the
            set this prefix is.
        bytes: the bytes of their frames.
    """

    prefix: Prefix
    packets: int
    bytes: int

    def document(self) -> dict[str, Any]:
        """Give the counters as plain values, for JSON."""
        return {"prefix": str(self.prefix), "packets": self.packets, "bytes": self.bytes}


class Replacement(NamedTuple):
    """An exchange of counted prefixes: new entries are there already, old ones still are.

    Attributes:
        table: the map ``prefix_counters``.
        added: the keys of the new entries.
        old: the keys of the entries to be removed.
    """

    table: Map
    added: bytes
    old: bytes

    def undo(self) -> None:
        """Remove the new entries."""
        self.table.raw_delete_batch(self.added)

    def finish(self) -> None:
        """Remove the old entries."""
        self.table.raw_delete_batch(self.old)


class PrefixCounters:
    """The prefix counters of all sets that count; the caller of methods that write holds the lock.

    Args:
        maps: the maps of a generation, by C name.
        numbers: for each set that counts, by its position in the policy, its number in the keys.
    """

    def __init__(self, maps: Mapping[str, Map], numbers: Mapping[int, int]) -> None:
        self._table = maps["prefix_counters"]
        self._key = np.dtype(self._table.key.dtype)
        self._value = np.dtype(self._table.value.dtype)
        self._member = np.dtype(maps["set_members"].value.dtype)
        self._numbers = np.full(SETS_MAX, _UNCOUNTED)
        self._numbers[list(numbers)] = list(numbers.values())

    def counts(self, number: int) -> Iterator[PrefixCount]:
        """Yield the counters of each prefix of a set, by address; *number* is its number in keys.

        Raises:
            KernelError: the table cannot be read.
        """
        keys, values = self._read()
        wanted = np.flatnonzero(keys["set"] == number)
        keys, values = keys[wanted], values[wanted]
        rows = _distinct(keys)
        columns = (keys["hi"], keys["lo"], keys["bits"], values["packets"], values["bytes"])
        for hi, lo, bits, *counted in zip(*(c[rows].tolist() for c in columns), strict=True):
            yield PrefixCount(Prefix(hi << 64 | lo, bits - _HEAD_BITS), *counted)

    def replace(self, members: Members, counting: Collection[int] = ()) -> Replacement:
        """Add counters for *members*; `Replacement.finish` then removes all other counters.

        Prefixes that stay keep their counts.

        Args:
            members: the prefixes of all sets.
            counting: the numbers of sets that count already. Entries of other numbers remain from a
                change that was cut short, and are removed first.

        Raises:
            KernelError: the table cannot be read or written; the counters are unchanged.
        """
        there, wanted = self._read()[0], self._keys(members)
        stale = ~np.isin(there["set"], list(counting))
        self._table.raw_delete_batch(there[stale].tobytes())
        there = there[~stale]
        new = _missing(wanted, there)
        self._insert(new)
        return Replacement(self._table, added=new.tobytes(), old=_missing(there, wanted).tobytes())

    @contextmanager
    def adding(self, members: Members) -> Iterator[None]:
        """Add counters for *members*; an error in the context removes them again.

        Raises:
            KernelError: the table cannot be read or written.
        """
        keys = self._keys(members)
        new = np.array([not self._has(key) for key in keys], dtype=bool)
        self._insert(keys[new])
        try:
            yield
        except BaseException:
            with suppress(KernelError):
                self._table.raw_delete_batch(keys[new].tobytes())
            raise

    def remove(self, members: Members) -> None:
        """Remove the counters of *members*, if there are any.

        Raises:
            KernelError: the table cannot be written.
        """
        self._table.raw_delete_batch(self._keys(members).tobytes())

    def _insert(self, keys: NDArray[Any]) -> None:
        values = np.zeros(len(keys), dtype=self._value)
        values["bits"] = keys["bits"]
        try:
            self._table.raw_update_batch(keys.tobytes(), values.tobytes())
        except BaseException:
            with suppress(KernelError):
                self._table.raw_delete_batch(keys.tobytes())
            raise

    # A lookup in a trie finds the longest prefix, which may be shorter than that of *key*.
    def _has(self, key: np.void) -> bool:
        found = self._table.get(self._table.key.unpack(key.tobytes()))
        return found is not None and bool(found["bits"] == key["bits"])

    def _read(self) -> tuple[NDArray[Any], NDArray[Any]]:
        keys, values = bytearray(), bytearray()
        for some_keys, some_values in self._table.raw_batches():
            keys += some_keys
            values += some_values
        return np.frombuffer(keys, dtype=self._key), np.frombuffer(values, dtype=self._value)

    def _keys(self, members: Members) -> NDArray[Any]:
        rows = np.frombuffer(members.memory, dtype=self._member)
        numbers = self._numbers[rows["set"]]
        rows, numbers = rows[numbers != _UNCOUNTED], numbers[numbers != _UNCOUNTED]
        keys = np.zeros(len(rows), dtype=self._key)
        keys["bits"] = rows["bits"].astype(np.uint32) + _HEAD_BITS
        keys["set"] = numbers
        keys["family"] = np.where((rows["hi"] == 0) & (rows["lo"] >> 32 == _MAPPED), 4, 6)
        keys["hi"], keys["lo"] = rows["hi"], rows["lo"]
        return keys


def _missing(keys: NDArray[Any], there: NDArray[Any]) -> NDArray[Any]:
    # Keys that are not in *there*, sorted: a trie takes sorted keys three times faster.
    both = np.concatenate((there, keys), dtype=keys.dtype)  # without dtype numpy swaps bytes
    rows = _distinct(both)
    return both[rows[rows >= len(there)]]


def _distinct(keys: NDArray[Any]) -> NDArray[np.int64]:
    # The first row of each key, sorted by set and address, shorter prefixes first.
    fields = [keys[name].astype(np.uint64) for name in ("bits", "lo", "hi", "set")]
    rows = np.lexsort(fields)
    new = np.zeros(len(rows), dtype=bool)
    new[:1] = True
    for field in fields:
        new[1:] |= np.diff(field[rows]) != 0
    return rows[new]
