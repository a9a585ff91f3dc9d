"""The match of a rule: conditions on packets, all of which must hold."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Self

from wirepath.document import Table
from wirepath.net import Packet
from wirepath.policy.addresses import Addresses
from wirepath.policy.flags import Fragments, TcpFlags
from wirepath.policy.names import ICMP, ICMPV6, TCP, UDP
from wirepath.policy.numbers import IcmpTypes, Numbers, Ranges, in_ranges
from wirepath.policy.predicate import Members, Predicate
from wirepath.policy.sketch import Sketch
from wirepath.policy.states import States
from wirepath.policy.zones import Zones

_SYN = "syn"

# Protocols whose headers are parsed.
_LAYER4: Final = {ICMP: "icmp", ICMPV6: "icmpv6", TCP: "tcp", UDP: "udp"}
# The protocols that a key makes sense for; for icmp_type, see `_icmp_protocols`.
_NEEDS: Final[Mapping[str, frozenset[int]]] = {
    "sport": frozenset({TCP, UDP}),
    "dport": frozenset({TCP, UDP}),
    "port": frozenset({TCP, UDP}),
    "tcp_flags": frozenset({TCP}),
    "icmp_type": frozenset(),
    "ct": frozenset({ICMP, ICMPV6, TCP, UDP}),
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Match:
    """The conditions of a rule, all of which must hold; without any, every IP packet matches.

    The attributes are the keys of the policy; None stands for an absent key.
    """

    src: Addresses | None = None
    dst: Addresses | None = None
    proto: Numbers | None = None
    sport: Numbers | None = None
    dport: Numbers | None = None
    port: Numbers | None = None
    tcp_flags: TcpFlags | None = None
    icmp_type: IcmpTypes | None = None
    vlan: Numbers | None = None
    length: Numbers | None = None
    ttl: Numbers | None = None
    dscp: Numbers | None = None
    fragment: Fragments | None = None
    ct: States | None = None
    ct_zone: Zones | None = None

    @classmethod
    def read(cls, table: Table, known_sets: Collection[str]) -> Self:
        """Read every match key of *table* and record what is wrong with them.

        Args:
            table: ``match`` of a rule.
            known_sets: the names that ``@name`` may use.
        """
        found: dict[str, Any] = {}
        for key in table.present(_KEYS):
            found[key] = _read(table, key, known_sets)
        match = cls(**found)
        table.done()
        for key, message in match.contradictions():
            table.wrong(key, message)
        return match

    def for_syns(self, table: Table, masks: tuple[tuple[int, int], ...]) -> Self:
        """Narrow the match to TCP packets with the flags *masks*, for a challenge.

        The operator may write ``tcp_flags = "syn"`` or no flags; anything else is recorded in
        *table* as wrong.
        """
        if self.tcp_flags and self.tcp_flags.words != (_SYN,):
            table.wrong("tcp_flags", f'a challenge is for SYNs (write "{_SYN}", or leave it out)')
            return self
        narrowed = replace(self, tcp_flags=TcpFlags("tcp_flags", (_SYN,), masks))
        if any(narrowed.contradictions()) and not any(self.contradictions()):
            table.wrong("", "a challenge is for SYNs, and this excludes them (match TCP)")
        return narrowed

    @property
    def zones(self) -> tuple[int | None, ...]:
        """The zones of conntrack that it asks about; (None,) if it names none."""
        return self.ct_zone.zones if self.ct_zone else (None,)

    def predicates(self) -> list[Predicate]:
        """Give the conditions that are present, in a fixed order."""
        return [predicate for predicate in _values(self) if predicate is not None]

    def holds(self, packet: Packet, sets: Mapping[str, Members]) -> bool:
        """Tell whether *packet*, which must be IP, matches; *sets* has the contents of all sets."""
        return all(predicate.judge(packet, sets) for predicate in self.predicates())

    def is_for_ports_of(self, proto: int) -> bool:
        """Tell whether it matches only packets of *proto*, TCP or UDP, on ports that it names."""
        ports = self.sport or self.dport or self.port
        return (
            ports is not None and self.proto is not None and self.proto.ranges == ((proto, proto),)
        )

    def of_answers(self) -> Self:
        """Give the match of answers: packets from the ports that this one names, to any address."""
        return type(self)(
            proto=self.proto,
            sport=self.dport and replace(self.dport, key="sport"),
            dport=self.sport and replace(self.sport, key="dport"),
            port=self.port,
        )

    def judge(self, sketch: Sketch, sets: Mapping[str, Members]) -> bool | None:
        """Tell whether all packets (True) or none (False) like *sketch* match; None if some do."""
        answers = {predicate.judge(sketch, sets) for predicate in self.predicates()}
        if False in answers:
            return False
        return None if None in answers else True

    def describe(self) -> str:
        """Describe it in one line: ``src @bad, proto tcp, dport 22``."""
        return ", ".join(p.describe() for p in self.predicates()) or "every ip packet"

    def __repr__(self) -> str:
        return f"<match {self.describe()}>"

    def document(self) -> dict[str, Any]:
        """Give the table from which `read` makes an equal match."""
        return {predicate.key: predicate.document() for predicate in self.predicates()}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield (key, message) for each key that can never hold together with the others."""
        possible = _layer4(self.proto.ranges) if self.proto else frozenset(_LAYER4)
        for key, protos in _NEEDS.items():
            if getattr(self, key) is None:
                continue
            possible = possible & (protos or self._icmp_protocols())
            if not possible:
                names = " or ".join(_LAYER4[n] for n in sorted(protos or self._icmp_protocols()))
                yield key, f"only {names} has this, and the other keys exclude it (take one out)"
                break
            if self.fragment and self.fragment.kinds == {"later"}:
                yield key, "later fragments do not carry this (take it or fragment out)"
        yield from self._nowhere()
        if self.ct_zone and not self.ct:
            yield "ct_zone", 'says where ct looks (add ct = "established", for example)'
        elif self.ct_zone and self.ct and "untracked" in self.ct.states:
            yield "ct_zone", "what is untracked is in no zone (leave it out)"

    def _icmp_protocols(self) -> set[int]:
        kinds = self.icmp_type
        if kinds is None:
            return set()
        return {n for n, ranges in ((ICMP, kinds.icmp), (ICMPV6, kinds.icmpv6)) if ranges}

    def _nowhere(self) -> Iterator[tuple[str, str]]:
        asked = {each.key: each.families for each in (self.src, self.dst) if each}
        empty = [key for key, families in asked.items() if not families]
        for key in empty:
            yield key, "what is negated covers all the rest (no packet can match)"
        if len(asked) > 1 and not empty and asked["src"].isdisjoint(asked["dst"]):
            yield "dst", "of another family than src (no packet can match)"


_KEYS = tuple(field.name for field in fields(Match))
_values: Callable[[Match], tuple[Predicate | None, ...]] = attrgetter(*_KEYS)


# How keys are read that are neither addresses nor plain numbers.
_READERS: Final[Mapping[str, Callable[[Table], Predicate | None]]] = {
    "tcp_flags": TcpFlags.read,
    "icmp_type": IcmpTypes.read,
    "fragment": Fragments.read,
    "ct": States.read,
    "ct_zone": Zones.read,
}


def _read(table: Table, key: str, known_sets: Collection[str]) -> Predicate | None:
    if key in ("src", "dst"):
        return Addresses.read(table, key, known_sets)
    reader = _READERS.get(key)
    return reader(table) if reader else Numbers.read(table, key)


@lru_cache
def _layer4(ranges: Ranges) -> frozenset[int]:
    # Protocols in *ranges* whose headers are parsed.
    return frozenset(number for number in _LAYER4 if in_ranges(ranges, number))
