"""``challenge = "cookie"``: SYNs to listeners of this host get the SYN cookies of these, from XDP.

The kernel's half is ``bpf/actions/cookie.h``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wirepath.actions.action import Action, Memory
from wirepath.actions.limit import Limit
from wirepath.actions.needs import Sysctl
from wirepath.actions.placed import Placed
from wirepath.net import Packet, VerdictName

_SYN: Final = 0x02
_ACK: Final = 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie(Action):
    """SYNs are answered for the listener that they are for, where the kernel makes a cookie.

    Attributes:
        above: the rate of SYNs up to which all go on; None if none do.
    """

    above: Limit | None

    kind: ClassVar[str] = "cookie"
    configs: ClassVar[str] = "cookies"
    tcp_flags: ClassVar[tuple[tuple[int, int], ...]] = ((_SYN, _ACK),)

    @property
    def needs(self) -> tuple[Sysctl, ...]:
        """The kernel makes cookies."""
        return (Sysctl("net.ipv4.tcp_syncookies", ("1", "2")),)

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Nothing, or this."""
        return ("tx",)

    @property
    def limits(self) -> dict[str, Limit]:
        """That rate."""
        return {"above": self.above} if self.above else {}

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Let *packet* go on: the model has no listeners, and neither has a replay."""

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - it is alike everywhere
        """Give ``struct cookie``, but for its limit."""
        return {"above_limit": 0, "always": self.above is None}

    def describe(self) -> str:
        """Say ``challenge cookie above 1k/s``."""
        return "challenge cookie" + (f" above {self.above.rate}" if self.above else "")

    def document(self) -> dict[str, Any]:
        """Give the rule's key."""
        above = {"above": str(self.above.rate)} if self.above else {}
        return {"challenge": {"mode": "cookie", **above}}
