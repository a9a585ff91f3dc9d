"""The match key for zones of conntrack, in which ``ct`` looks for the connection: ``ct_zone``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from wirepath.errors import RequestError, shown
from wirepath.policy.predicate import Members, Predicate
from wirepath.policy.sketch import UNKNOWN, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wirepath.document import Table
    from wirepath.net import Packet
    from wirepath.policy import Policy
    from wirepath.policy.tables import Rule

ZONES_MAX: Final = 2  # CT_ZONES of bpf/packet/pkt.h
"""How many zones the rules of a hook may ask about; a rule without `ct_zone` asks about one too."""

_LAST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Zones(Predicate):
    """A condition that the state of a connection is its state in one of some zones.

    Attributes:
        zones: ascending, each once.
    """

    zones: tuple[int, ...]

    @classmethod
    def read(cls, match: Table) -> Self | None:
        """Read ``ct_zone`` of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each("ct_zone", _read)
        return cls("ct_zone", tuple(found), tuple(sorted(set(found)))) if found else None

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell that it holds: a packet of no known connection has the same state in every zone."""
        return None if packet.ct is UNKNOWN or isinstance(packet, Sketch) else True


def zones_of(policy: Policy) -> tuple[int | None, ...]:
    """List the zones that rules of *policy*, which is that of one hook, ask about.

    None, for rules that name no zone, comes first.
    """
    zones = {zone for rule in policy.rules if rule.match.ct for zone in rule.match.zones}
    return tuple(sorted(zones, key=lambda zone: -1 if zone is None else zone))


def misplaced(rules: Iterable[Rule]) -> Iterator[tuple[int, str, str]]:
    """Yield (rule, key, message) for what rules ask of conntrack and cannot get at their hooks."""
    asked: dict[str, set[int | None]] = {}
    for number, rule in enumerate(rules):
        match = rule.match
        if match.ct is None:
            continue
        early = [hook for hook in rule.hooks if hook != "egress"]
        if early and "untracked" in match.ct.states:
            why = f"at {early[0]} netfilter has not decided yet what it tracks"
            yield number, "ct", f'"untracked": {why} (write hook = "egress")'
        for hook in rule.hooks:
            zones = asked.setdefault(hook, set())
            known = len(zones)
            zones.update(match.zones)
            if len(zones) > ZONES_MAX >= known:
                message = f"rules at {hook} ask about more than {ZONES_MAX} zones"
                cure = "rules without ct_zone ask about one too: name fewer"
                yield number, "ct_zone" if match.ct_zone else "ct", f"{message} ({cure})"


def _read(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST:
        return value
    cure = f"write a number from 0 to {_LAST} or a list of at most {ZONES_MAX}"
    raise RequestError(f"{shown(value)}: not a zone ({cure})")
