"""The prefix lengths at which the data plane looks bans up, and the number of refused bans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from wirepath.kernel.maps import Map

_WIDE: Final = 8  # bytes of a 64-bit number


class Lengths:
    """The map ``ban_lengths``: the prefix lengths at which packets are looked up in the bans.

    A length is written before the count includes it, and the count leaves it out before it is
    overwritten, so that no packet misses a length that is in use.
    """

    def __init__(self, of: Map) -> None:
        self._map = of

    @property
    def refused(self) -> int:
        """How many bans of limits were refused because the table was full."""
        return int(self._map[0]["refused"])

    def probed(self) -> list[int]:
        """List the lengths that packets probe."""
        value = self._map[0]
        return list(value["bits"][: value["count"]])

    def forgive(self) -> None:
        """Reset the number of refused bans."""
        self._store("refused", 0)

    def mark(self) -> None:
        """Record in the map that user space has set bans."""
        self._store("set", 1)

    def expect(self, lengths: Collection[int]) -> None:
        """Make packets probe *lengths* as well."""
        probed = self.probed()
        count = len(probed)
        for bits in sorted(set(lengths) - set(probed)):
            self._store_length(count, bits)
            count += 1
            self._store("count", count)

    def keep(self, used: Collection[int], *, any_set: bool) -> None:
        """Make packets probe only the lengths *used*; *any_set* says whether any ban is left."""
        listed = self.probed()
        for place in range(len(listed) - 1, -1, -1):
            if listed[place] not in used:
                listed[place] = listed[-1]
                self._store_length(place, listed[-1])
                listed.pop()
                self._store("count", len(listed))
        self._store("set", int(any_set))

    def _store_length(self, place: int, bits: int) -> None:
        offset, _ = self._member("bits")
        with self._map.memory() as memory:
            memory[offset + place] = bits

    def _store(self, name: str, value: int) -> None:
        offset, size = self._member(name)
        with self._map.memory() as memory:
            memory[offset : offset + size].cast("Q" if size == _WIDE else "I")[0] = value

    def _member(self, name: str) -> tuple[int, int]:
        # Offset and size of a member of struct ban_lengths.
        offset, ctype = self._map.btf.record("struct ban_lengths").members[name]
        return offset, ctype.size
