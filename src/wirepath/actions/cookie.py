"""``challenge = "cookie"``: XDP answers SYNs to this host with the listeners' own SYN cookies.

The kernel's half is ``bpf/actions/cookie.h``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from wirepath.actions.action import Action, Memory
from wirepath.actions.limit import Limit
from wirepath.actions.needs import Need, Sysctl, Unmoved
from wirepath.actions.placed import Placed
from wirepath.net import Packet, VerdictName

_SYN: Final = 0x02
_ACK: Final = 0x10

Nat = Literal["refuse", "ignore"]
"""What to do about NAT rules that move packets of the rule elsewhere."""

_UNMOVED: Final = Unmoved(
    but="SYN cookies are those of the listener on the port itself",
    cure='leave the port out, use mode = "reset", or write nat = "ignore"',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie(Action):
    """A SYN to a listener is answered with the SYN cookie that the kernel makes for it.

    Attributes:
        above: the rate of SYNs up to which none is answered here; None if every SYN is.
        nat: whether the policy is refused where NAT moves packets of the rule elsewhere.
    """

    above: Limit | None
    nat: Nat = "refuse"

    kind: ClassVar[str] = "cookie"
    for_ours: ClassVar[bool] = True
    configs: ClassVar[str] = "cookies"
    tcp_flags: ClassVar[tuple[tuple[int, int], ...]] = ((_SYN, _ACK),)

    @property
    def needs(self) -> tuple[Need, ...]:
        """The setting by which the kernel makes cookies, and listeners that NAT does not bypass."""
        setting = Sysctl("net.ipv4.tcp_syncookies", ("1", "2"))
        return (setting,) if self.nat == "ignore" else (setting, _UNMOVED)

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Tx; other packets go on."""
        return ("tx",)

    @property
    def limits(self) -> dict[str, Limit]:
        """The limit of SYNs, if there is one."""
        return {"above": self.above} if self.above else {}

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Let *packet* go on: neither the model nor a replay has listeners."""

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - the same on every host
        """Give the values of ``struct cookie``, without its limit."""
        return {"above_limit": 0, "always": self.above is None}

    def describe(self) -> str:
        """Say ``challenge cookie above 1k/s, nat ignored``."""
        above = f" above {self.above.rate}" if self.above else ""
        return f"challenge cookie{above}" + (", nat ignored" if self.nat == "ignore" else "")

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        above = {"above": str(self.above.rate)} if self.above else {}
        nat = {"nat": self.nat} if self.nat != "refuse" else {}
        return {"challenge": {"mode": "cookie", **above, **nat}}
