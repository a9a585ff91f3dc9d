"""Counters, summed over CPUs and given their names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Mapping, Sequence

    from wirepath.datapath.handles import Handles
    from wirepath.kernel.maps import Map


LIMITING: Final = frozenset({"limit", "wireguard"})
"""Actions whose rules drop what exceeds a rate."""
MIRRORING: Final = "mirror"
"""The action whose rules count copies."""


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
        mirrored, mirror_failed: copies that it sent, and that it could not send.
    """

    packets: int
    bytes: int
    dropped: int
    exceeded: int = 0
    mirrored: int = 0
    mirror_failed: int = 0

    def of_mirror(self) -> RuleCount:
        """Say of a rule that mirrors what it counts in place of what it drops."""
        return RuleCount(self.packets, self.bytes, 0, 0, self.dropped, self.exceeded)

    def document(self, kind: str = "none") -> dict[str, int]:
        """Give it as plain values, for JSON, with what there is more to tell of such an action."""
        counts = {"packets": self.packets, "bytes": self.bytes, "dropped": self.dropped}
        if kind in LIMITING:
            counts |= {"conformed": self.packets - self.dropped, "exceeded": self.exceeded}
        if kind == MIRRORING:
            counts |= {"mirrored": self.mirrored, "mirror_failed": self.mirror_failed}
        return counts


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of packets, by name.

    Attributes:
        verdicts, reasons, faults: each with every name there is.
        states: packets by the state of their connection, likewise; where rules ask for it.
    """

    verdicts: Mapping[str, Count]
    reasons: Mapping[str, Count]
    faults: Mapping[str, Count]
    states: Mapping[str, int]

    @classmethod
    def together(cls, parts: Iterable[Outcomes]) -> Outcomes:
        """Sum *parts*, of which there is at least one."""
        each = list(parts)
        tracking = [part.states for part in each if part.states]
        return cls(
            _together([part.verdicts for part in each]),
            _together([part.reasons for part in each]),
            _together([part.faults for part in each]),
            {name: sum(of[name] for of in tracking) for name in (tracking or [{}])[0]},
        )

    @property
    def packets(self) -> int:
        """All that were judged."""
        return sum(count.packets for count in self.verdicts.values())

    @property
    def bytes(self) -> int:
        """Of the frames of all that were judged."""
        return sum(count.bytes for count in self.verdicts.values())

    def document(self) -> dict[str, Any]:
        """Give packets and bytes, and packets by name.

        Those that are 0 are there of pass and drop, and of the states of connections where a rule
        asks for them.
        """
        verdicts = {n: c.packets for n, c in self.verdicts.items()}
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "verdicts": {n: p for n, p in verdicts.items() if p or n in ("pass", "drop")},
            "reasons": {n: c.packets for n, c in self.reasons.items() if c.packets},
            "faults": {n: c.packets for n, c in self.faults.items() if c.packets},
            **({"conntrack": dict(self.states)} if self.states else {}),
        }


@dataclass(frozen=True, slots=True)
class Stats:
    """All counters of a datapath.

    Attributes:
        iface: which.
        hooks: what became of packets, by hook.
        rules: by name, in the order of the policy.
        kinds: the actions that count more than that, by rule.
    """

    iface: str
    hooks: Mapping[str, Outcomes]
    rules: Mapping[str, RuleCount]
    kinds: Mapping[str, str]

    @property
    def outcomes(self) -> Outcomes:
        """Of all hooks together; a packet is in it once for each that it passed."""
        return Outcomes.together(self.hooks.values())

    def document(self) -> dict[str, Any]:
        """Give them as plain values, for JSON."""
        return {
            "iface": self.iface,
            **self.outcomes.document(),
            "hooks": {hook: outcomes.document() for hook, outcomes in self.hooks.items()},
            "rules": {
                name: count.document(self.kinds.get(name, "none"))
                for name, count in self.rules.items()
            },
        }


def read(handles: Handles) -> Stats:
    """Read all counters of what *handles* are of."""
    manifest = handles.manifest
    kinds = {
        rule["name"]: kind
        for rule in manifest.policy["rule"]
        for kind in (*LIMITING, MIRRORING)
        if kind in rule
    }
    counted = rules(handles.maps["rule_counters"], manifest.counters, manifest.counted)
    counted |= {
        name: counted[name].of_mirror() for name, kind in kinds.items() if kind == MIRRORING
    }
    return Stats(handles.iface, hooks(handles), counted, kinds)


def hooks(handles: Handles) -> dict[str, Outcomes]:
    """Read the counters of verdicts, reasons, faults and states at each hook."""
    found = by_hook(handles.maps["outcomes"])
    tracking = {
        hook
        for rule in handles.manifest.policy["rule"]
        if "ct" in rule.get("match", ())
        for hook in _listed(rule.get("hook", "ingress"))
    }
    return {
        hook: found[hook] if hook in tracking else replace(found[hook], states={})
        for hook in handles.manifest.rows
    }


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def by_hook(of: Map) -> dict[str, Outcomes]:
    """Sum the map ``outcomes``, by hook."""
    totals = of.totals()
    words = len(totals) // of.max_entries
    numbers = _names(of, "hook")
    return {
        hook: _outcomes(of, totals[words * number : words * (number + 1)])
        for number, hook in enumerate(numbers)
    }


def _outcomes(of: Map, totals: array[int]) -> Outcomes:
    verdicts, reasons, faults = (_names(of, name) for name in ("verdict", "reason", "fault"))
    by, by_fault, by_state = (_offset(of, name) for name in ("by", "faults", "tracked"))
    grid = {
        (verdict, reason): _count(totals, by + 2 * (v * len(reasons) + r))
        for v, verdict in enumerate(verdicts)
        for r, reason in enumerate(reasons)
    }
    return Outcomes(
        {v: _sum(grid[v, r] for r in reasons) for v in verdicts if v != "continue"},
        {r: _sum(grid[v, r] for v in verdicts) for r in reasons},
        {f: _count(totals, by_fault + 2 * i) for i, f in enumerate(faults) if f != "none"},
        {state: totals[by_state + i] for i, state in enumerate(_names(of, "ct"))},
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
    width = of.btf.record("struct rule_counter").size // 8
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


def _together(same: Sequence[Mapping[str, Count]]) -> dict[str, Count]:
    return {name: _sum(counts[name] for counts in same) for name in same[0]}


def _sum(counts: Iterable[Count]) -> Count:
    packets, size = 0, 0
    for count in counts:
        packets += count.packets
        size += count.bytes
    return Count(packets, size)
