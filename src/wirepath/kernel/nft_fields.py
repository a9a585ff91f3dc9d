"""What is known of packets while a rule of nft is followed: fields by ranges of their values.

Ranges are too wide rather than too narrow: a condition that is not understood narrows nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Ranges = tuple[tuple[int, int], ...]
"""Ranges of numbers, both ends included."""

IPV4: Final = 4
_WIDTHS: Final = {"nfproto": 1, "l4proto": 1, "iif": 4, "iifname": 16, "sport": 2, "dport": 2}
_ADDRESS_BYTES: Final = {4: 4, 6: 16}
NAME_BYTES: Final = 16  # IFNAMSIZ

# By base (NFT_PAYLOAD_*) and offset, the fields that begin there.
_NETWORK, _TRANSPORT = 1, 2
_LAYOUT: Final[Mapping[tuple[int, int], Mapping[int, tuple[str, ...]]]] = {
    (_NETWORK, 4): {9: ("l4proto",), 12: ("saddr", "daddr"), 16: ("daddr",)},
    (_NETWORK, 6): {6: ("l4proto",), 8: ("saddr", "daddr"), 24: ("daddr",)},
    (_TRANSPORT, 4): {0: ("sport", "dport"), 2: ("dport",)},
    (_TRANSPORT, 6): {0: ("sport", "dport"), 2: ("dport",)},
}
_META: Final = {4: "iif", 6: "iifname", 15: "nfproto", 16: "l4proto"}  # NFT_META_*


class Part(NamedTuple):
    """Bytes of a register.

    Attributes:
        field: the field that they are the first bytes of; empty if it is none that is known.
        size: how many bytes.
        bits: how many bits of them a mask has left, from the first on.
    """

    field: str
    size: int
    bits: int


Known = dict[str, Ranges]
"""By field, the values that packets may have; a field that is absent may have any."""


def meta(key: int) -> list[Part]:
    """Give what ``meta load`` writes to a register."""
    field = _META.get(key, "")
    size = _WIDTHS.get(field, 4)
    return [Part(field, size, size * 8)]


def payload(base: int, offset: int, size: int, family: int) -> list[Part]:
    """Give what ``payload load`` writes to a register, for packets of *family*."""
    parts, left = [], size
    for field in _LAYOUT.get((base, family), {}).get(offset, ()):
        here = min(left, width(field, family))
        if here:
            parts.append(Part(field, here, here * 8))
        left -= here
    return [*parts, Part("", left, 0)] if left else parts


def masked(parts: Sequence[Part], mask: bytes, xor: bytes) -> list[Part]:
    """Give what ``bitwise`` leaves of a register."""
    size = sum(part.size for part in parts)
    if len(parts) != 1 or any(xor) or parts[0].field == "iif":
        return [Part("", size, 0)]
    bits = f"{int.from_bytes(mask, 'big'):0{len(mask) * 8}b}"
    kept = len(bits.rstrip("0"))
    if "0" in bits[:kept]:
        return [Part("", size, 0)]
    return [parts[0]._replace(bits=kept)]


def width(field: str, family: int) -> int:
    """Give the size of *field* in bytes, in packets of *family*."""
    return _WIDTHS.get(field) or _ADDRESS_BYTES[family]


def narrow(
    known: Known, parts: Iterable[Part], low: bytes, high: bytes, family: int
) -> Known | None:
    """Keep the packets that have, part by part, values from *low* to *high*; None if none has."""
    kept, at = dict(known), 0
    for part in parts:
        if at >= len(low):
            break
        if part.field:
            wanted = _range(part, low[at : at + part.size], high[at : at + part.size], family)
            kept[part.field] = both(known.get(part.field, _any(part.field, family)), (wanted,))
            if not kept[part.field]:
                return None
        at += part.size
    return kept


def exclude(known: Known, parts: Sequence[Part], gone: Iterable[tuple[bytes, bytes]], family: int
) -> Known | None:  # fmt: skip
    """Keep the packets that have none of some values; None if none is left."""
    if len(parts) != 1 or not parts[0].field:
        return known
    part = parts[0]
    left = known.get(part.field, _any(part.field, family))
    for low, high in gone:
        first, last = _range(part, low, high, family)
        left = both(left, ((0, first - 1), (last + 1, 1 << 129)))
    return {**known, part.field: left} if left else None


def either(several: Sequence[Known]) -> Known:
    """Give what is known of packets that are of one of *several* kinds."""
    common = set.intersection(*(set(each) for each in several))
    return {field: joined(r for each in several for r in each[field]) for field in common}


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort *ranges* and join those that touch."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def both(one: Ranges, other: Ranges) -> Ranges:
    """Give the numbers that are in both."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(sorted((low, high) for low, high in pairs if low <= high))


def _any(field: str, family: int) -> Ranges:
    return ((0, (1 << width(field, family) * 8) - 1),)


# A register may hold the first bytes of a field only, and a mask may have cleared the last bits.
def _range(part: Part, low: bytes, high: bytes, family: int) -> tuple[int, int]:
    if part.field == "iif":  # in the host's own order
        order = sys.byteorder
        return int.from_bytes(low, order), int.from_bytes(high, order)
    bits = min(part.bits, len(low) * 8)
    rest = width(part.field, family) * 8 - bits
    cleared = len(low) * 8 - bits
    first = int.from_bytes(low, "big") >> cleared << rest
    last = int.from_bytes(high, "big") >> cleared << rest | ((1 << rest) - 1)
    return first, last
