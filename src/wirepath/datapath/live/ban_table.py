"""The map ``bans``, read and written in batches, by columns: no system call per entry."""

from __future__ import annotations

from array import array
from itertools import compress
from typing import TYPE_CHECKING, Final, Self

from wirepath.datapath.live.ban_filter import BanFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wirepath.kernel.maps import Map
    from wirepath.prefixes.ban_rows import BanRows, Moment

    Raw = bytes | bytearray
    Row = tuple[int, ...]
    Which = Callable[..., bool]

_KEY: Final = ("addr.hi", "addr.lo", "bits", "scope")  # of struct ban_key; the rest is struct ban's
ROW: Final = (*_KEY, "expires_ns", "rule")
"""The columns of a row, by their names in ``bpf/guard/bans.h``: an entry without its counters."""
_FEW: Final = 4096  # entries that one system call reads
ROOMS: Final = (65_536, 262_144, 1_000_000)
"""The numbers of bans that tables are made for. When one is full, the next takes its place."""


def room_for(bans: int) -> int:
    """Give the least of `ROOMS` that is enough for *bans*, or the largest if none is."""
    return next((room for room in ROOMS if room >= bans), ROOMS[-1])


class BanTable:
    """The table of bans.

    Args:
        of: the map ``bans``.
        filtered: the filter ahead of it.
    """

    def __init__(self, of: Map, filtered: BanFilter) -> None:
        self._map = of
        self._filter = filtered

    @classmethod
    def of(cls, maps: Mapping[str, Map]) -> Self:
        """Make the table of the generation that *maps* are of."""
        return cls(maps["bans"], BanFilter.of(maps))

    @property
    def entries(self) -> int:
        """How many entries the map can hold."""
        return self._map.max_entries

    @property
    def room(self) -> int:
        """How many entries the table can hold, once it has grown; only one of `ROOMS` grows."""
        return ROOMS[-1] if self.entries in ROOMS else self.entries

    def fitting(self) -> int:
        """Give the least of `ROOMS` that the entries half fill, or the present size if smaller."""
        if self.entries <= ROOMS[0]:
            return self.entries
        return min(self.entries, room_for(2 * self.used()))

    def used(self) -> int:
        """Count the entries."""
        return self._map.count()

    def is_small(self) -> bool:
        """Tell whether all entries can be read at once, in about a millisecond."""
        batches = self._map.raw_batches(_FEW)
        next(batches, None)
        return next(batches, None) is None

    def rows(self, *names: str) -> Iterator[Row]:
        """Yield the members *names* of each entry; a whole row if none are named."""
        for keys, values in self._map.raw_batches():
            yield from self._rows(keys, values, names or ROW)

    def listing(self, moment: Moment, rules: Mapping[int, str]) -> BanRows:
        """List the entries in force at *moment*; *rules* has names of rules by their number."""
        from wirepath.prefixes.ban_rows import BanRows, Offsets

        members = self._map.btf.record("struct ban").members
        at = {name: members[name][0] for name in Offsets._fields if name in members}
        offsets = Offsets(size=self._map.stride, **at)
        return BanRows(self._map.raw_batches(_FEW), offsets, moment, rules)

    def write(self, rows: Sequence[Row], since_ns: int) -> None:
        """Write new entries, in order, with their counters at 0.

        Raises:
            FullError: the table is full; says how many were written.
        """
        keys = bytearray(len(rows) * self._map.key_size)
        values = bytearray(len(rows) * self._map.stride)
        for name, numbers in zip(ROW, zip(*rows, strict=True), strict=bool(rows)):
            _fill(self._column(keys, values, name), numbers)
        _fill(self._column(keys, values, "since_ns"), [since_ns] * len(rows))
        self._filter.add(keys)
        self._map.raw_update_batch(keys, values)

    def remove(self, which: Which, *names: str) -> list[int]:
        """Remove the entries for which *which*, called with the members *names*, is true.

        Returns:
            The expiry of each removed entry.
        """
        expiries: list[int] = []
        for keys, values in self._map.raw_batches():
            picked = [which(*row) for row in self._rows(keys, values, names)]
            expiries += compress(self._column(keys, values, "expires_ns"), picked)
            self._map.raw_delete_batch(_picked(keys, self._map.key_size, picked))
        self.renew_filter()
        return expiries

    def disown(self, which: Which) -> None:
        """Clear the rule of the entries for which *which*, called with the rule, is true.

        Packets that they drop while they are rewritten are not counted.
        """
        for keys, values in list(self._map.raw_batches()):
            picked = [which(rule) for rule in self._column(keys, values, "rule")]
            bans = bytearray(_picked(values, self._map.stride, picked))
            _fill(self._column(keys, bans, "rule"), [0] * sum(picked))
            self._map.raw_update_batch(_picked(keys, self._map.key_size, picked), bans)

    def renew_filter(self) -> None:
        """Keep only the bits of the bans that are in the table."""
        self._filter.renew(keys for keys, _ in self._map.raw_batches())

    def _rows(self, keys: Raw, values: Raw, names: Iterable[str]) -> Iterator[Row]:
        return zip(*(self._column(keys, values, name).tolist() for name in names), strict=True)

    def _column(self, keys: Raw, values: Raw, name: str) -> memoryview:
        of_key = name in _KEY
        record = self._map.btf.record("struct ban_key" if of_key else "struct ban")
        return record.column(keys if of_key else values, name)


def _picked(raw: Raw, size: int, picked: Sequence[bool]) -> bytes:
    return b"".join(raw[n * size : (n + 1) * size] for n in compress(range(len(picked)), picked))


def _fill(column: memoryview, numbers: Sequence[int]) -> None:
    column[:] = memoryview(array(column.format, numbers))
