"""``wireguard``: what is no WireGuard message is dropped, and handshakes are limited by source.

Message formats: WireGuard whitepaper, section 5.4.  The kernel's half is
``bpf/actions/wireguard.h``.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, Self

from wirepath.actions.action import Action, Memory
from wirepath.actions.limit import Limit, Per
from wirepath.document import Table
from wirepath.errors import RequestError, shown
from wirepath.net import Outcome, Packet, Verdict
from wirepath.quantities import Rate

_LATER: Final = ("indexes",)
_HANDSHAKES: Final = Rate(20, 1, bits=False)
_UDP: Final = 17


class _Message(IntEnum):
    # The type and three reserved bytes that are 0, a little-endian word.
    NONE = 0
    INITIATION = 1
    RESPONSE = 2
    COOKIE = 3
    DATA = 4
    UNSEEN = 5  # behind the snap length of a capture

    @classmethod
    def of(cls, packet: Packet) -> Self:
        """Tell what *packet* carries."""
        datagram = packet.datagram
        if datagram is None or datagram.here < _TYPE_BYTES:
            return cls(cls.NONE)
        if len(datagram.data) < _TYPE_BYTES:
            return cls(cls.UNSEEN)
        kind = int.from_bytes(datagram.data[:_TYPE_BYTES], "little")
        if kind == cls.DATA and datagram.size >= _DATA_BYTES:
            return cls(cls.DATA)
        # Data may be fragmented on its way, what is as short as a handshake is not.
        whole = packet.fragment == "none"
        return cls(kind if whole and datagram.size == _SIZES.get(kind) else cls.NONE)


_TYPE_BYTES: Final = 4
_DATA_BYTES: Final = 32  # at least
_SIZES: Final[dict[int, int]] = {
    _Message.INITIATION: 148,
    _Message.RESPONSE: 92,
    _Message.COOKIE: 64,
}
_ROLES: Final = {
    _Message.INITIATION: "handshakes",
    _Message.RESPONSE: "responses",
    _Message.COOKIE: "cookies",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuard(Action):
    """What is no message, and handshakes that exceed a rate, are dropped; the rest goes on.

    Attributes:
        handshakes: the rate of a source's initiations; also of its responses, and of its cookies.
    """

    handshakes: Rate = _HANDSHAKES

    kind: ClassVar[str] = "wireguard"
    matches: ClassVar[int] = _UDP

    @property
    def may(self) -> tuple[Outcome]:
        """Nothing, or this."""
        return ("drop",)

    @property
    def limits(self) -> dict[str, Limit]:
        """One for each kind of message but data."""
        limit = Limit(rate=self.handshakes, burst=self.handshakes.count, per=Per.read("src"))
        return dict.fromkeys(_ROLES.values(), limit)

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Drop *packet* if it is no message, or one too many."""
        message = _Message.of(packet)
        if message in (_Message.DATA, _Message.UNSEEN):
            return None
        if message == _Message.NONE:
            return Verdict("drop", "wireguard", rule=memory.rule)
        role = _ROLES[message]
        if self.limits[role].conforms(packet, memory, role):
            return None
        return Verdict("drop", "limit_exceeded", rule=memory.rule)

    def lower(self) -> dict[str, Any]:
        """Give ``struct wireguard``."""
        return {}

    def describe(self) -> str:
        """Say ``wireguard, handshakes 20/s``."""
        return f"wireguard, handshakes {self.handshakes}"

    def document(self) -> dict[str, Any]:
        """Give the rule's key."""
        return {"wireguard": {"handshakes": str(self.handshakes)}}


def read(rule: Table) -> WireGuard:
    """Take ``wireguard`` from *rule*; what is wrong in it is noted."""
    table = rule.table("wireguard", 'wireguard = { public_key = "...", handshakes = "20/s" }')
    handshakes = table.one("handshakes", _rate, _HANDSHAKES)
    table.later(_LATER)
    table.done()
    return WireGuard(handshakes=handshakes)


def _rate(value: Any) -> Rate:
    rate = Rate.read(value)
    if rate.bits:
        raise RequestError(f'{shown(value)}: bits, of messages (write packets like "20/s")')
    return rate
