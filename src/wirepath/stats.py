"""Counters, summed over CPUs and given their names."""

from __future__ import annotations

from dataclasses import dataclass
from operator import sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Mapping, Sequence

    from wirepath.datapath import Datapath
    from wirepath.kernel.maps import Map


LIMITING: Final = frozenset({"limit", "wireguard"})
"""Actions whose rules drop what exceeds a rate."""


class Count(NamedTuple):
    """Packets, and the bytes of their frames."""

    packets: int
    bytes: int


class RuleCount(NamedTuple):
    """What a rule matched.

    Attributes:
        packets, bytes: that matched.
        dropped: packets that it dropped.
        exceeded: those of them that exceeded its limit.
    """

    packets: int
    bytes: int
    dropped: int
    exceeded: int = 0

    def document(self, *, limited: bool = False) -> dict[str, int]:
        """Give it as plain values, for JSON; of a rule with a limit, who conformed to it too."""
        counts = {"packets": self.packets, "bytes": self.bytes, "dropped": self.dropped}
        if limited:
            counts |= {"conformed": self.packets - self.dropped, "exceeded": self.exceeded}
        return counts


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of packets, by name.

    Attributes:
        verdicts, reasons, faults: each with every name there is.
    """

    verdicts: Mapping[str, Count]
    reasons: Mapping[str, Count]
    faults: Mapping[str, Count]

    @property
    def packets(self) -> int:
        """All that were judged."""
        return sum(count.packets for count in self.verdicts.values())

    @property
    def bytes(self) -> int:
        """Of the frames of all that were judged."""
        return sum(count.bytes for count in self.verdicts.values())

    def document(self) -> dict[str, dict[str, int]]:
        """Give packets by name: verdicts with pass and drop always, others when not 0."""
        verdicts = {n: c.packets for n, c in self.verdicts.items()}
        return {
            "verdicts": {n: p for n, p in verdicts.items() if p or n in ("pass", "drop")},
            "reasons": {n: c.packets for n, c in self.reasons.items() if c.packets},
            "faults": {n: c.packets for n, c in self.faults.items() if c.packets},
        }


@dataclass(frozen=True, slots=True)
class Stats:
    """All counters of a datapath.

    Attributes:
        iface: which.
        outcomes: of all packets.
        rules: by name, in the order of the policy.
        limited: the rules with a limit.
    """

    iface: str
    outcomes: Outcomes
    rules: Mapping[str, RuleCount]
    limited: frozenset[str]

    def document(self) -> dict[str, Any]:
        """Give them as plain values, for JSON."""
        return {
            "iface": self.iface,
            "packets": self.outcomes.packets,
            "bytes": self.outcomes.bytes,
            **self.outcomes.document(),
            "rules": {
                name: count.document(limited=name in self.limited)
                for name, count in self.rules.items()
            },
        }


def read(datapath: Datapath) -> Stats:
    """Read all counters of *datapath*."""
    manifest = datapath.manifest
    return Stats(
        datapath.name,
        outcomes(datapath),
        rules(datapath.maps["rule_counters"], manifest.counters, manifest.counted),
        frozenset(rule["name"] for rule in manifest.policy["rule"] if LIMITING & rule.keys()),
    )


def outcomes(datapath: Datapath) -> Outcomes:
    """Read the counters of verdicts, reasons and faults."""
    return outcomes_of(datapath.maps["outcomes"])


def outcomes_of(of: Map) -> Outcomes:
    """Sum the map ``outcomes``."""
    verdicts, reasons, faults = (_names(of, name) for name in ("verdict", "reason", "fault"))
    totals = of.totals()
    by, by_fault = _offset(of, "by"), _offset(of, "faults")
    grid = {
        (verdict, reason): _count(totals, by + 2 * (v * len(reasons) + r))
        for v, verdict in enumerate(verdicts)
        for r, reason in enumerate(reasons)
    }
    return Outcomes(
        {v: _sum(grid[v, r] for r in reasons) for v in verdicts if v != "continue"},
        {r: _sum(grid[v, r] for v in verdicts) for r in reasons},
        {f: _count(totals, by_fault + 2 * i) for i, f in enumerate(faults) if f != "none"},
    )


def rules(
    of: Map, slots: Mapping[str, int], before: Mapping[str, Sequence[int]] | None = None
) -> dict[str, RuleCount]:
    """Sum the map ``rule_counters``.

    Args:
        of: the map.
        slots: by rule, its slot.
        before: by rule, what its slot had counted for others before; nothing if it is not there.
    """
    totals = of.totals()
    width = len(RuleCount._fields)
    nothing = (0,) * width
    return {
        name: RuleCount(
            *map(sub, totals[slot * width : (slot + 1) * width], (before or {}).get(name, nothing))
        )
        for name, slot in slots.items()
    }


def _names(of: Map, enum: str) -> list[str]:
    return [name for name in of.btf.enum(enum) if name != "max"]


def _offset(of: Map, member: str) -> int:
    # In 64-bit words.
    offset, _ = of.btf.record("struct outcomes").members[member]
    return offset // 8


def _count(totals: array[int], at: int) -> Count:
    return Count(totals[at], totals[at + 1])


def _sum(counts: Iterable[Count]) -> Count:
    packets, size = 0, 0
    for count in counts:
        packets += count.packets
        size += count.bytes
    return Count(packets, size)
