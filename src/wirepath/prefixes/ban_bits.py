"""The two filters of bits ahead of the bans, as memory: `wirepath.datapath.live.ban_filter`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable


def add(filters: memoryview, keys: bytes | bytearray) -> None:
    """Set the bits of bans in the filter that packets read.

    Args:
        filters: the map's memory; packets may read it and set bits meanwhile.
        keys: an array of ``struct ban_key``.
    """
    _add(filters, lib.BAN_FILTER_USED, keys)


def renew(filters: memoryview, batches: Iterable[bytes | bytearray]) -> None:
    """Set the bits of bans in the other filter, and no others; then let packets read that one.

    Args:
        filters: the map's memory.
        batches: arrays of ``struct ban_key``, asked for when the filter is clear.
    """
    both = ffi.from_buffer("struct ban_filters *", filters)
    lib.wp_ban_filter_clear(both)
    for keys in batches:
        _add(filters, lib.BAN_FILTER_OTHER, keys)
    lib.wp_ban_filter_switch(both)


def _add(filters: memoryview, place: int, keys: bytes | bytearray) -> None:
    both = ffi.from_buffer("struct ban_filters *", filters)
    each = ffi.from_buffer("struct ban_key *", keys)
    lib.wp_ban_filter_add(both, place, each, len(keys) // lib.wp_ban_key_size)
