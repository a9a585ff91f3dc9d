"""The filter ahead of the bans: bits by which most packets see that their source is not banned.

The data plane reads it (``bpf/guard/ban_layout.h``), and sets the bits of bans that limits impose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wirepath.prefixes import ban_bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wirepath.kernel.maps import Map


class BanFilter:
    """The map ``ban_filters``.

    A ban holds only where its bits are set, so they are set before it is in the table: a command
    that is killed in between leaves bits without a ban. Like those of bans that are gone, they stay
    until `renew`, and cost packets a search that finds nothing.
    """

    def __init__(self, of: Map | None) -> None:
        self._map = of

    @classmethod
    def of(cls, maps: Mapping[str, Map]) -> Self:
        """Make the filter of a generation; packets of one that an older wirepath made read none."""
        return cls(maps.get("ban_filters"))

    def add(self, keys: bytes | bytearray) -> None:
        """Set the bits of bans that are to be made; *keys* is an array of ``struct ban_key``."""
        if self._map:
            ban_bits.add(self._map.memory(), keys)

    def renew(self, batches: Iterable[bytes | bytearray]) -> None:
        """Keep only the bits of the bans that are in the table.

        Args:
            batches: arrays of ``struct ban_key``, read from the table as they are asked for.
        """
        if self._map:
            ban_bits.renew(self._map.memory(), batches)
