"""``dscp``: set the DSCP that a packet leaves with. The walk goes on.

The kernel's half is ``bpf/actions/dscp.h``; ``bpf/rewrite/rewrite_dscp.h`` writes the bytes.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wirepath.actions.action import Action, Key, Memory
from wirepath.actions.placed import Placed
from wirepath.document import closest
from wirepath.errors import RequestError, shown
from wirepath.net import DSCPS, Packet

_MOST: Final = 63
_NAMES: Final = {number: name.upper() for name, number in DSCPS.items()}
_SUCH_AS: Final = f"write a name such as EF, CS1, AF41, or a number from 0 to {_MOST}"


@dataclass(frozen=True, slots=True)
class Dscp(Action):
    """Packets that match leave with another DSCP; the last rule that matches wins.

    Attributes:
        value: 0 to 63.
    """

    value: int

    kind: ClassVar[str] = "dscp"
    configs: ClassVar[str] = "dscps"
    rewrites: ClassVar[bool] = True

    def decide(self, packet: Packet, memory: Memory) -> None:  # noqa: ARG002 - for every packet
        """Note the DSCP and let the packet go on; later rules match it as it arrived."""
        memory.leaves_with[self.kind] = self.value

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - the same on every host
        """Give the values of ``struct dscp``."""
        return {"value": self.value}

    def describe(self) -> str:
        """Say ``dscp EF``."""
        return f"dscp {self._spelt}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        return {"dscp": self._spelt}

    @property
    def _spelt(self) -> str | int:
        return _NAMES.get(self.value, self.value)


def read(value: Any) -> Dscp:
    """Read the value of ``dscp``: a name, in either case, or a number.

    Raises:
        RequestError: *value* is no DSCP; the message has the nearest name.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= _MOST:
            return Dscp(value)
        raise RequestError(f"{value}: not a DSCP (they go from 0 to {_MOST})")
    if isinstance(value, str) and value.lower() in DSCPS:
        return Dscp(DSCPS[value.lower()])
    cure = closest(value, DSCPS) if isinstance(value, str) else ""
    raise RequestError(f"{shown(value)}: not a DSCP ({cure or _SUCH_AS})")


RULE_KEYS: Final = {"dscp": Key(lambda rule: rule.one("dscp", read, None), (Dscp,))}
