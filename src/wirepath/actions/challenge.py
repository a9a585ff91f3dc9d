"""``challenge``: a source proves that it receives what is sent to it, before its SYNs go on.

The kernel's half is ``bpf/actions/challenge.h``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wirepath import quantities
from wirepath.actions.action import Action, Key, Memory
from wirepath.actions.answers import RST, may_be_answered
from wirepath.actions.cookie import Cookie, Nat
from wirepath.actions.limit import BURST_MOST_S, Limit, Per
from wirepath.actions.placed import Placed
from wirepath.actions.siphash import siphash
from wirepath.document import Table, choice
from wirepath.errors import RequestError, shown
from wirepath.net import Hook, Packet, Verdict, VerdictName
from wirepath.quantities import Rate

ADMITTED_S: Final = 600
_MODE: Final = "reset"
_COOKIE: Final = "cookie"
_SHAPE: Final = 'challenge = "reset", or challenge = { mode = "reset", above = "1000/s" }'
_COOKIE_SLICE: Final = 34  # COOKIE_SLICE of bpf/actions/challenge.h
_NAT: Final[Callable[[Any], Nat]] = choice("refuse", "ignore")
_SLICE_MASK: Final = 0xFFFFFF
_SYN: Final = 0x02
_ACK: Final = 0x10
_IPV6: Final = 6
_LOW: Final = (1 << 64) - 1


def cookie(packet: Packet, secret: tuple[int, int], slice_: int) -> int:
    """Give the cookie of the source of *packet* in a slice of time."""
    if packet.family == _IPV6:
        halves = (packet.source, packet.destination)
        words = [half for each in halves for half in (each >> 64, each & _LOW)]
    else:
        words = [(packet.source << 32 | packet.destination & 0xFFFFFFFF) & _LOW]
    ports = (packet.sport or 0) << 16 | (packet.dport or 0)
    data = b"".join(word.to_bytes(8, "little") for word in words)
    data += ports.to_bytes(4, "little") + (slice_ & _SLICE_MASK).to_bytes(3, "little")
    return siphash(secret, data) & 0xFFFFFFFE | slice_ & 1


def slice_of(now_ns: int) -> int:
    """Give the number of the slice of time that *now_ns* is in."""
    return now_ns >> _COOKIE_SLICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(Action):
    """A SYN of a source that is not admitted is answered by a wrong ACK, which carries a cookie.

    Attributes:
        admit_s: how long a source is admitted once it has returned its cookie, in seconds.
        above: the rate of SYNs up to which none is challenged; None if every SYN is.
    """

    admit_s: int
    above: Limit | None

    hooks: ClassVar[tuple[Hook, ...]] = ("ingress",)
    kind: ClassVar[str] = "challenge"
    for_ours: ClassVar[bool] = True
    configs: ClassVar[str] = "challenges"
    tcp_flags: ClassVar[tuple[tuple[int, int], ...]] = ((_SYN, _ACK), (RST, _SYN))

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Drop, or tx; other packets go on."""
        return ("drop", "tx")

    @property
    def proves(self) -> bool:
        """Only if every SYN is challenged: below a rate, forged ones go on."""
        return self.above is None

    @property
    def admitted(self) -> Limit:
        """The limit whose marks are the admitted sources; a mark lasts for `admit_s`."""
        return Limit(rate=Rate(1, self.admit_s, bits=False), burst=1, per=Per.read("src"))

    @property
    def limits(self) -> dict[str, Limit]:
        """The limit of admitted sources, and that of SYNs if there is one."""
        return {"admitted": self.admitted} | ({"above": self.above} if self.above else {})

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Challenge the SYNs of a source until a RST of its returns the cookie."""
        flags, now = packet.tcp_flags or 0, memory.now_ns
        if flags & RST:
            slices = (slice_of(now), slice_of(now) - 1)
            if packet.tcp_seq not in [cookie(packet, memory.secret, each) for each in slices]:
                return None
            self.admitted.mark(packet, memory, "admitted")
            return Verdict("drop", "challenge", rule=memory.rule)
        if self._calm(packet, memory) or self.admitted.marks(packet, memory, "admitted"):
            return None
        sent = may_be_answered(packet)
        return Verdict("tx" if sent else "drop", "challenge", rule=memory.rule)

    def _calm(self, packet: Packet, memory: Memory) -> bool:
        if self.above is None:
            return False
        if self.above.conforms(packet, memory, "above"):
            return True
        self.above.mark(packet, memory, "above")
        return False

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - the same on every host
        """Give the values of ``struct challenge``, without its limits."""
        return {"above_limit": 0, "always": self.above is None}

    def describe(self) -> str:
        """Say ``challenge reset above 1k/s, admit 10min``."""
        above = f" above {self.above.rate}" if self.above else ""
        return f"challenge {_MODE}{above}, admit {quantities.spell(self.admit_s)}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        above = {"above": str(self.above.rate)} if self.above else {}
        return {"challenge": {"mode": _MODE, **above, "admit": self.admit_s}}


def read(rule: Table) -> Challenge | Cookie | None:
    """Take ``challenge`` from *rule*; None if it is invalid; the errors are recorded."""
    word = isinstance(rule.take("challenge"), str)
    table = rule if word else rule.table("challenge", _SHAPE)
    key = "challenge" if word else "mode"
    if key not in table:
        table.wrong("mode", f'a challenge without `mode` (write mode = "{_MODE}")')
    mode = table.one(key, _mode, _MODE)
    rate = table.one("above", _syns, None)
    admit_s = table.one("admit", _time, ADMITTED_S)
    if mode == _COOKIE and "admit" in table:
        table.wrong("admit", "a cookie admits one connection, not its source (leave it out)")
    nat: Nat = table.one("nat", _NAT, "refuse")
    if mode != _COOKIE and "nat" in table:
        table.wrong("nat", "NAT does not mislead a reset (leave it out)")
    if not word:
        table.done()
    above = Limit(rate=rate, burst=rate.count, per=Per.read("rule")) if rate else None
    return (
        Cookie(above=above, nat=nat) if mode == _COOKIE else Challenge(admit_s=admit_s, above=above)
    )


def _mode(value: Any) -> str:
    if value in (_MODE, _COOKIE):
        return str(value)
    raise RequestError(f'{shown(value)}: not a way to challenge (write "{_MODE}" or "{_COOKIE}")')


def _syns(value: Any) -> Rate:
    rate = Rate.read(value)
    if rate.bits:
        raise RequestError(f'{shown(value)}: SYNs are counted (write them like "1000/s")')
    return rate


def _time(value: Any) -> int:
    seconds = int(quantities.duration(value))
    if seconds > BURST_MOST_S:
        raise RequestError(f"{shown(value)}: too long (at most 24h)")
    return seconds


RULE_KEYS: Final = {"challenge": Key(read, (Challenge, Cookie))}
