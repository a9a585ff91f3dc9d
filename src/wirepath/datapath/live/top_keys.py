"""The keys that use most of their limit, for exact limits, whose map holds whole keys.

Other limits store only tags of keys; their sources show once they are banned.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from wirepath.kernel import clock
from wirepath.net import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.actions.limit import Limit
    from wirepath.datapath.handles import Handles

_CELLS = "limit_exact_cells"
_COLUMNS = ("src.hi", "src.lo", "dst.hi", "dst.lo", "ports", "rule")  # of struct limit_key


@dataclass(frozen=True, slots=True)
class TopKey:
    """A key of an exact limit.

    Attributes:
        rule: the rule that has the limit.
        src, dst: prefixes; None if `per` of the limit does not name them.
        sport, dport: ports; None if `per` of the limit does not name them.
        used: the share of the burst that is used up, 0 to 1.
    """

    rule: str
    src: Prefix | None
    dst: Prefix | None
    sport: int | None
    dport: int | None
    used: float

    def document(self) -> dict[str, Any]:
        """Give the key as plain values, for JSON."""
        return {
            "rule": self.rule,
            "src": None if self.src is None else str(self.src),
            "dst": None if self.dst is None else str(self.dst),
            "sport": self.sport,
            "dport": self.dport,
            "used": round(self.used, 3),
        }

    def __str__(self) -> str:
        parts = {"": self.src, "to ": self.dst, "from port ": self.sport, "port ": self.dport}
        return " ".join(f"{what}{of}" for what, of in parts.items() if of is not None) or "all"


def top_keys(handles: Handles, count: int) -> list[TopKey]:
    """List the *count* keys that have used up most of their burst, most first."""
    if handles.maps[_CELLS].max_entries == 1:  # no limit is exact
        return []
    from wirepath.plan.limits import limits_of

    slots = handles.manifest.counters
    limits = {slots[name]: (name, of) for name, of in limits_of(handles.policy).items() if of.exact}
    now = clock.monotonic_ns()
    busy = (
        ((ends - now) / limits[slot][1].burst_ns, key, slot)
        for *key, slot, ends in _cells(handles)
        if ends > now and slot in limits
    )
    return [_top_key(used, key, *limits[slot]) for used, key, slot in nlargest(count, busy)]


def _cells(handles: Handles) -> Iterator[tuple[int, ...]]:
    cells = handles.maps[_CELLS]
    record = cells.btf.record("struct limit_key")
    for keys, values in cells.raw_batches():
        columns = [record.column(keys, name).tolist() for name in _COLUMNS]
        yield from zip(*columns, memoryview(values).cast("Q"), strict=True)


def _top_key(used: float, key: list[int], name: str, limit: Limit) -> TopKey:
    per, ports = limit.per, key[4]
    return TopKey(
        name,
        _prefix(key[0] << 64 | key[1], per.src) if any(per.src) else None,
        _prefix(key[2] << 64 | key[3], per.dst) if any(per.dst) else None,
        ports >> 16 if per.sport else None,
        ports & 0xFFFF if per.dport else None,
        min(used, 1.0),
    )


def _prefix(address: int, bits: tuple[int, int]) -> Prefix:
    v4 = Prefix.around(address, 128).is_ipv4
    return Prefix.around(address, bits[0] + 96 if v4 else bits[1])
