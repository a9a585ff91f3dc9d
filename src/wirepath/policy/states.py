"""The match key for the state of a connection: ``ct``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from wirepath.document import Table, closest
from wirepath.errors import RequestError, shown
from wirepath.net import Ct, Packet
from wirepath.policy.predicate import Members, Predicate
from wirepath.policy.sketch import UNKNOWN, Sketch

_STATES: Final[Mapping[str, Ct]] = {
    "new": "new",
    "established": "established",
    "related": "related",
    "invalid": "invalid",
    "untracked": "untracked",
}
_CURE: Final = "write " + ", ".join(f'"{state}"' for state in _STATES) + ", or a list of them"


@dataclass(frozen=True, slots=True)
class States(Predicate):
    """A condition that the connection of a packet is in one of some states.

    Attributes:
        states: the states that satisfy it.
    """

    states: frozenset[Ct]

    @classmethod
    def read(cls, match: Table) -> Self | None:
        """Read ``ct`` of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each("ct", _read)
        return cls("ct", tuple(found), frozenset(found)) if found else None

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell whether the state is one of them."""
        return None if packet.ct is UNKNOWN else packet.ct in self.states


def _read(value: Any) -> Ct:
    if isinstance(value, str) and value in _STATES:
        return _STATES[value]
    cure = closest(value, _STATES) if isinstance(value, str) else None
    raise RequestError(f"{shown(value)}: not a state of a connection ({cure or _CURE})")
