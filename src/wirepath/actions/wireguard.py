"""``wireguard``: drop packets that are no WireGuard messages, and limit handshakes by source.

With a public key, handshakes whose sender does not know it are dropped too.

Message formats: WireGuard whitepaper, section 5.4.  The kernel's half is
``bpf/actions/wireguard.h``.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2s
from typing import Any, ClassVar, Final, Self

from wirepath.actions import blake2s as blocks
from wirepath.actions.action import Action, Counting, Key, Memory
from wirepath.actions.limit import LIMITED, Limit, Per
from wirepath.actions.placed import Placed
from wirepath.actions.state import StateMap
from wirepath.document import Table, flag, string
from wirepath.errors import RequestError, shown
from wirepath.net import Hook, Outcome, Packet, Verdict
from wirepath.quantities import SECOND_NS, Rate

_HANDSHAKES: Final = Rate(20, 1, bits=False)
_UDP: Final = 17
_KEY_BYTES: Final = 32
_KEY_CURE: Final = "write the 44 signs of `wg show wg0 public-key`"
_MAC1_BYTES: Final = 16
SESSION_S: Final = 240  # the same in bpf/actions/wireguard_indexes.h
_SEEN_S: Final = 300  # SEEN_S of bpf/actions/wireguard_seen.h
LEARNING_NS: Final = 180 * SECOND_NS
"""How long sessions are learned before messages for unknown ones are dropped: REJECT_AFTER_TIME of
section 6.1.  No session lives longer, so all sessions in use are known then."""

_SEEN: Final = StateMap(name="wireguard_seen")
_SEEN_BUCKETS: Final = 4096  # SEEN_BUCKETS of bpf/actions/wireguard_seen.h
_SESSIONS: Final = StateMap(name="wireguard_indexes")
_SESSIONS_MOST: Final = 65_536  # INDEXES_MAX of bpf/actions/wireguard_indexes.h


class _Message(IntEnum):
    # The type of a message, with the three reserved bytes after it: a little-endian word.
    NONE = 0
    INITIATION = 1
    RESPONSE = 2
    COOKIE = 3
    DATA = 4
    UNSEEN = 5  # cut off by the snap length of a capture

    @classmethod
    def of(cls, packet: Packet) -> Self:
        """Tell which message *packet* carries."""
        datagram = packet.datagram
        if datagram is None or datagram.here < _TYPE_BYTES:
            return cls(cls.NONE)
        if len(datagram.data) < _TYPE_BYTES:
            return cls(cls.UNSEEN)
        kind = int.from_bytes(datagram.data[:_TYPE_BYTES], "little")
        if kind == cls.DATA and datagram.size >= _DATA_BYTES:
            return cls(cls.DATA)
        # Data may be fragmented on its way; a handshake is too short for that.
        whole = packet.fragment == "none"
        return cls(kind if whole and datagram.size == _SIZES.get(kind) else cls.NONE)


_TYPE_BYTES: Final = 4
_DATA_BYTES: Final = 32  # at least
_INDEX_BYTES: Final = 4
_SIZES: Final[dict[int, int]] = {
    _Message.INITIATION: 148,
    _Message.RESPONSE: 92,
    _Message.COOKIE: 64,
}
_MAC1_AT: Final[dict[int, int]] = {_Message.INITIATION: 116, _Message.RESPONSE: 60}
_SENDER_AT: Final = 4
_RECEIVER_AT: Final[dict[int, int]] = {_Message.RESPONSE: 8, _Message.COOKIE: 4, _Message.DATA: 4}
_ROLES: Final = {
    _Message.INITIATION: "handshakes",
    _Message.RESPONSE: "responses",
    _Message.COOKIE: "cookies",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuard(Action):
    """Packets that are no messages and handshakes above a rate are dropped; the rest goes on.

    Attributes:
        public_key: the key that senders of handshakes must know, 32 bytes; None if they need not.
        handshakes: the rate of initiations of a source; also of its responses, and of its cookies.
        indexes: whether messages for no session of this host are dropped.
    """

    public_key: bytes | None = None
    handshakes: Rate = _HANDSHAKES
    indexes: bool = False

    hooks: ClassVar[tuple[Hook, ...]] = ("ingress",)
    kind: ClassVar[str] = "wireguard"
    for_ours: ClassVar[bool] = True
    configs: ClassVar[str] = "wireguards"
    states: ClassVar[tuple[StateMap, ...]] = (_SEEN, _SESSIONS)
    counting: ClassVar[Counting] = LIMITED
    matches: ClassVar[int] = _UDP

    @property
    def may(self) -> tuple[Outcome]:
        """Drop; other packets go on."""
        return ("drop",)

    @property
    def limits(self) -> dict[str, Limit]:
        """A limit for each kind of message except data."""
        limit = Limit(rate=self.handshakes, burst=self.handshakes.count, per=Per.read("src"))
        return dict.fromkeys(_ROLES.values(), limit)

    @property
    def remembers(self) -> dict[StateMap, int]:
        """The initiations of the last minutes, and sessions with `indexes`."""
        return {_SEEN: _SEEN_BUCKETS, _SESSIONS: _SESSIONS_MOST if self.indexes else 0}

    @property
    def learns_ns(self) -> int:
        """How long sessions are learned before it judges by them; 0 without `indexes`."""
        return LEARNING_NS if self.indexes else 0

    @property
    def flags(self) -> dict[str, bool]:
        """The constant that says whether sessions are looked up."""
        return {"wireguard_indexed": self.indexes}

    @property
    def on_answers(self) -> "Learn | None":
        """Learn the sessions of handshakes that leave, with `indexes`."""
        return Learn() if self.indexes else None

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Drop *packet* if it is no valid message, or a handshake above the rate."""
        message = _Message.of(packet)
        if message == _Message.UNSEEN:
            return None
        if message == _Message.NONE or (self.indexes and _is_astray(packet, message, memory)):
            return Verdict("drop", "wireguard", rule=memory.rule)
        if message == _Message.DATA:
            return None
        if self._is_worthless(packet, message, memory):
            return Verdict("drop", "wireguard", rule=memory.rule)
        role = _ROLES[message]
        if self.limits[role].conforms(packet, memory, role):
            return None
        return Verdict("drop", "limit_exceeded", rule=memory.rule)

    def _is_worthless(self, packet: Packet, message: _Message, memory: Memory) -> bool:
        # Whether mac1 of a handshake is wrong or was seen before. False if mac1 was cut off.
        at = _MAC1_AT.get(message)
        data = packet.datagram.data if packet.datagram else b""
        if at is None or len(data) < at + _MAC1_BYTES:
            return False
        mac1 = data[at : at + _MAC1_BYTES]
        if self.public_key is not None:
            right = blake2s(data[:at], key=_mac1_key(self.public_key), digest_size=_MAC1_BYTES)
            if mac1 != right.digest():
                return True
        if message != _Message.INITIATION:
            return False
        cell, now_s = ("seen", mac1), memory.now_ns // SECOND_NS
        if cell in memory.cells and now_s - memory.cells[cell] < _SEEN_S:
            return True
        memory.cells[cell] = now_s
        return False

    def lower(self, placed: Placed) -> dict[str, Any]:
        """Give the values of ``struct wireguard``, without its limits."""
        key = self.public_key
        state = blocks.keyed(_mac1_key(key), _MAC1_BYTES) if key is not None else (0,) * 8
        return {
            "keyed": key is not None,
            "mac1_state": list(state),
            "learned_ns": placed.learned_ns,
        }

    def describe(self) -> str:
        """Say ``wireguard, mac1, handshakes 20/s``."""
        mac1 = ", mac1" if self.public_key is not None else ""
        indexes = ", indexes" if self.indexes else ""
        return f"wireguard{mac1}{indexes}, handshakes {self.handshakes}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        key = self.public_key
        named = {"public_key": b64encode(key).decode()} if key is not None else {}
        return {"wireguard": named | {"handshakes": str(self.handshakes), "indexes": self.indexes}}


def _is_astray(packet: Packet, message: _Message, memory: Memory) -> bool:
    # Whether it is for a session that this host does not have. False if the index was cut off.
    at = _RECEIVER_AT.get(message)
    if at is None or memory.learned_ns is None or memory.now_ns < memory.learned_ns:
        return False
    data = packet.datagram.data if packet.datagram else b""
    if len(data) < at + _INDEX_BYTES:
        return False
    return memory.now_ns >= memory.sessions.get(_index(data, at), 0)


def _index(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _INDEX_BYTES], "little")


@dataclass(frozen=True, slots=True)
class Learn(Action):
    """The indexes of sessions are learned from handshakes that leave; every packet goes on.

    `WireGuard` brings it along for egress; no rule of the operator has it.
    """

    hooks: ClassVar[tuple[Hook, ...]] = ("egress",)
    counts: ClassVar[bool] = False
    kind: ClassVar[str] = "learn"

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Remember the session of *packet*."""
        data = packet.datagram.data if packet.datagram else b""
        if len(data) < _SENDER_AT + _INDEX_BYTES:
            return
        if int.from_bytes(data[:_TYPE_BYTES], "little") in (_Message.INITIATION, _Message.RESPONSE):
            memory.sessions[_index(data, _SENDER_AT)] = memory.now_ns + SESSION_S * SECOND_NS

    def describe(self) -> str:
        """Say ``learn``."""
        return "learn"

    def document(self) -> dict[str, Any]:
        """Give no keys: the operator does not write its rule."""
        return {}


def _mac1_key(public_key: bytes) -> bytes:
    # WireGuard whitepaper section 5.4.4.
    return blake2s(b"mac1----" + public_key).digest()


def read(rule: Table) -> WireGuard:
    """Take ``wireguard`` from *rule*; what is invalid is recorded."""
    table = rule.table("wireguard", 'wireguard = { public_key = "...", handshakes = "20/s" }')
    public_key = table.one("public_key", _key, None)
    handshakes = table.one("handshakes", _rate, _HANDSHAKES)
    indexes = table.one("indexes", flag, default=False)
    table.done()
    return WireGuard(public_key=public_key, handshakes=handshakes, indexes=indexes)


def _key(value: Any) -> bytes:
    text = string(value)
    try:
        key = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES or b64encode(key).decode() != text:
        raise RequestError(f"{shown(value)}: not a public key ({_KEY_CURE})")
    if not any(key):
        raise RequestError(f"{shown(value)}: nobody's public key ({_KEY_CURE})")
    return key


def _rate(value: Any) -> Rate:
    rate = Rate.read(value)
    if rate.bits:
        raise RequestError(f'{shown(value)}: bits, of messages (write packets like "20/s")')
    return rate


RULE_KEYS: Final = {"wireguard": Key(read, (WireGuard, Learn))}
