"""Bans listed the slow way, in Python, to compare the native listing with."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wirepath.datapath.live.ban_view import NEVER_NS, BanEntry
from wirepath.prefixes.ban_rows import Offsets
from wirepath.quantities import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wirepath.net import Prefix
    from wirepath.prefixes.ban_rows import Moment

OFFSETS: Final = Offsets(size=56, expires_ns=8, packets=24, bytes=40, rule=0)
"""An unusual layout of values, so that none is taken for granted."""
_KEY: Final = struct.Struct("=QQII")
_VALUE: Final = struct.Struct("=QQ8xQ8xQ8x")
_LOW: Final = (1 << 64) - 1


@dataclass(frozen=True)
class Row:
    """One entry of a map of bans."""

    prefix: Prefix
    scope: int = 0
    expires_ns: int = NEVER_NS
    rule: int = 0
    packets: int = 0
    bytes: int = 0

    def key(self) -> bytes:
        """Pack the key, a ``struct ban_key``."""
        address = self.prefix.address
        return _KEY.pack(address >> 64, address & _LOW, self.prefix.bits, self.scope)

    def value(self) -> bytes:
        """Pack the value as `OFFSETS` says."""
        return _VALUE.pack(self.rule, self.expires_ns, self.packets, self.bytes)


def batch(rows: Sequence[Row]) -> tuple[bytes, bytes]:
    """Pack *rows* as a map of bans gives them."""
    return b"".join(row.key() for row in rows), b"".join(row.value() for row in rows)


def listed(rows: Sequence[Row], now_ns: int, rules: Mapping[int, str]) -> list[BanEntry]:
    """List the bans in force, by address."""
    order = sorted(rows, key=lambda row: (row.prefix.address, row.prefix.bits, row.scope))
    return [
        BanEntry(
            row.prefix,
            rules.get(row.rule),
            rules.get(row.scope),
            None if row.expires_ns == NEVER_NS else (row.expires_ns - now_ns) / SECOND_NS,
            row.packets,
            row.bytes,
        )
        for row in order
        if row.expires_ns > now_ns and (not row.scope or row.scope in rules)
    ]


def saved(entries: Sequence[BanEntry], moment: Moment) -> str:
    """Write the file of bans that these are saved to."""
    return "".join(f"{{{_line(ban, moment)}}}\n" for ban in entries)


def _line(ban: BanEntry, moment: Moment) -> str:
    left = ban.remaining_s
    values = {
        "cidr": json.dumps(str(ban.prefix)),
        "expires": "null" if left is None else f"{moment.wall_s + left:.3f}",
        "rule": json.dumps(ban.rule),
        "scope": json.dumps(ban.scope),
    }
    return ", ".join(f'"{name}": {value}' for name, value in values.items())
