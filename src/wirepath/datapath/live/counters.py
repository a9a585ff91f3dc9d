"""Counters of packets and rules, summed over all CPUs, by name."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from itertools import chain, repeat
from operator import sub
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wirepath.datapath.handles import Handles
    from wirepath.kernel.ctype import Array, Record
    from wirepath.kernel.maps import Map

RULES: Final = "rule_counters"
_WORDS: Final = ("packets", "bytes", "dropped", "exceeded")  # of struct rule_counter
_WORD: Final = 8  # bytes of a counter


class Count(NamedTuple):
    """A number of packets, and the bytes of their frames."""

    packets: int
    bytes: int


class RuleCount(NamedTuple):
    """The counters of a rule.

    Attributes:
        packets, bytes: packets that matched, and the bytes of their frames.
        dropped: packets that the rule dropped.
        exceeded: of these, packets that exceeded its limit.
        own: counters that only its action has, by name.
    """

    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    exceeded: int = 0
    own: Mapping[str, int] = MappingProxyType({})

    @property
    def conformed(self) -> int:
        """Packets that matched and that the rule did not drop."""
        return self.packets - self.dropped

    def one_more(self, size: int, *, dropped: bool, exceeded: bool) -> RuleCount:
        """Return the counters after one more packet, whose frame has *size* bytes."""
        return self._replace(
            packets=self.packets + 1,
            bytes=self.bytes + size,
            dropped=self.dropped + dropped,
            exceeded=self.exceeded + exceeded,
        )

    def document(self, names: Sequence[str] = ()) -> dict[str, int]:
        """Give the counters as plain values, for JSON, including those of the action in *names*."""
        counts = {"packets": self.packets, "bytes": self.bytes, "dropped": self.dropped}
        more = {"conformed": self.conformed, "exceeded": self.exceeded, **self.own}
        return counts | {name: more.get(name, 0) for name in names}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Numbers of packets by outcome.

    Attributes:
        verdicts, reasons, faults: packets by each; every name is present.
        states: packets by the state of their connection; empty if no rule matches on it.
    """

    verdicts: Mapping[str, Count]
    reasons: Mapping[str, Count]
    faults: Mapping[str, Count]
    states: Mapping[str, int]

    @classmethod
    def together(cls, parts: Iterable[Outcomes]) -> Outcomes:
        """Sum *parts*; there must be at least one."""
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
        """All packets that were judged."""
        return sum(count.packets for count in self.verdicts.values())

    @property
    def bytes(self) -> int:
        """Bytes of the frames of all packets that were judged."""
        return sum(count.bytes for count in self.verdicts.values())

    def document(self) -> dict[str, Any]:
        """Give the outcomes as plain values, for JSON.

        Names with no packets are left out, except pass, drop, and states of connections.
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


@dataclass(frozen=True, slots=True, repr=False)
class Stats:
    """All counters of a datapath.

    Attributes:
        iface: the interface.
        hooks: the outcomes of packets, by hook.
        rules: the counters of rules, by name, in the order of the policy.
        names: by rule, the names of its counters besides packets, bytes and drops.
    """

    iface: str
    hooks: Mapping[str, Outcomes]
    rules: Mapping[str, RuleCount]
    names: Mapping[str, Sequence[str]]

    @property
    def own(self) -> Sequence[str]:
        """The names of counters that only some actions have, each once."""
        return list(dict.fromkeys(name for count in self.rules.values() for name in count.own))

    @property
    def outcomes(self) -> Outcomes:
        """The outcomes of all hooks together; a packet counts once at each hook that it reaches."""
        return Outcomes.together(self.hooks.values())

    def document(self) -> dict[str, Any]:
        """Give the counters as plain values, for JSON."""
        return {
            "iface": self.iface,
            **self.outcomes.document(),
            "hooks": {hook: outcomes.document() for hook, outcomes in self.hooks.items()},
            "rules": {
                name: count.document(self.names.get(name, ())) for name, count in self.rules.items()
            },
        }

    def __repr__(self) -> str:
        verdicts = self.outcomes.document()["verdicts"]
        counted = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.items())
        return f"<counters of {self.iface}: {counted}>"


def read(handles: Handles) -> Stats:
    """Read all counters of the generation of *handles*."""
    from wirepath.actions import counting

    manifest = handles.manifest
    counts = {rule["name"]: counting(rule) for rule in manifest.policy["rule"]}
    own = {name: of.own for name, of in counts.items() if of.own}
    counted = rules(handles.maps, manifest.counters, own, manifest.counted)
    if manifest.counters_schema == 1:
        counted |= {name: _of_schema_1(counted[name], counts[name].names) for name in own}
    names = {name: of.names for name, of in counts.items()}
    return Stats(handles.device, hooks(handles), counted, names)


# Programs of schema 1 had the same struct for all rules: actions with counters of their own wrote
# them in place of dropped and exceeded.
def _of_schema_1(count: RuleCount, names: Sequence[str]) -> RuleCount:
    own = dict(zip(names, (count.dropped, count.exceeded), strict=True))
    return RuleCount(count.packets, count.bytes, own=own)


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
    """Sum the map ``outcomes`` over all CPUs, by hook."""
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
    maps: Mapping[str, Map],
    slots: Mapping[str, int],
    own: Mapping[str, str] | None = None,
    before: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, RuleCount]:
    """Sum the counters of rules over all CPUs.

    Args:
        maps: the maps of a generation, by C name.
        slots: the slot of each rule.
        own: by rule, the C name of the map with counters that only its action has.
        before: by rule, the counts of its slot when the rule got it, as in `Slots`; all 0 for rules
            that are not in it.
    """
    counters = BySlot(maps)
    return {
        name: counters.rule(slot, (own or {}).get(name), (before or {}).get(name, ()))
        for name, slot in slots.items()
    }


class _Summed(NamedTuple):
    # A summed map: the counters of all slots, how many a slot has, and the index of each in a slot.
    totals: array[int]
    width: int
    at: Mapping[str, int]


class BySlot:
    """Maps of counters by slot, each summed over all CPUs when it is first needed.

    Args:
        maps: the maps of a generation, by C name.
    """

    def __init__(self, maps: Mapping[str, Map]) -> None:
        self._maps = maps
        self._summed: dict[str, _Summed] = {}

    def rule(self, slot: int, own: str | None, before: Sequence[int]) -> RuleCount:
        """Give the counters of the rule in *slot*, and those in the map *own*, less *before*."""
        counts = [*self.words(RULES, slot), *(self.words(own, slot) if own else ())]
        since = list(map(sub, counts, chain(before, repeat(0))))
        rules = self._of(RULES)
        more = {name: since[rules.width + at] for name, at in self._of(own).at.items()}
        packets, size, dropped, exceeded = (since[rules.at[name]] for name in _WORDS)
        return RuleCount(packets, size, dropped, exceeded, more)

    def words(self, name: str, slot: int) -> Sequence[int]:
        """Give all counters of *slot* in the map *name*; empty if there is no such map."""
        totals, width, _ = self._of(name)
        # A map that no rule needs has fewer slots.
        return totals[slot * width : (slot + 1) * width] or (0,) * width

    def _of(self, name: str | None) -> _Summed:
        if name is None or name not in self._maps:
            return _Summed(array("Q"), 0, {})
        if name not in self._summed:
            of = self._maps[name]
            _, block = cast("Record", of.value).members["of"]
            counter = cast("Record", cast("Array", block).element)
            at = {member: offset // _WORD for member, (offset, _) in counter.members.items()}
            self._summed[name] = _Summed(of.totals(), counter.size // _WORD, at)
        return self._summed[name]


def _names(of: Map, enum: str) -> list[str]:
    return [name for name in of.btf.enum(enum) if name != "max"]


def _offset(of: Map, member: str) -> int:
    # The offset in 64-bit words.
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
