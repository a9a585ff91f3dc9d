"""Which prefix lengths packets probe for bans, and what limits have made of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from wirepath.kernel.maps import Map

_WIDE: Final = 8  # bytes of a 64-bit number


class Lengths:
    """The prefix lengths that packets probe for bans: ``ban_lengths``.

    Each is written before it is counted, and taken out of the count before it is overwritten, so
    that no packet misses one that is in use.
    """

    def __init__(self, of: Map) -> None:
        self._map = of

    @property
    def refused(self) -> int:
        """How many bans of limits have found the table full."""
        return int(self._map[0]["refused"])

    def probed(self) -> list[int]:
        """Give those that packets probe."""
        value = self._map[0]
        return list(value["bits"][: value["count"]])

    def forgive(self) -> None:
        """Count the refused ones anew."""
        self._store("refused", 0)

    def mark(self) -> None:
        """Note that user space sets bans."""
        self._store("set", 1)

    def expect(self, lengths: Collection[int]) -> None:
        """Have packets probe *lengths* too."""
        probed = self.probed()
        count = len(probed)
        for bits in sorted(set(lengths) - set(probed)):
            self._store_length(count, bits)
            count += 1
            self._store("count", count)

    def keep(self, used: Collection[int], *, any_set: bool) -> None:
        """Probe none but *used* any more."""
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
        # Where a member of struct ban_lengths lies, and its size.
        offset, ctype = self._map.btf.record("struct ban_lengths").members[name]
        return offset, ctype.size
