"""``reject``: refuse with an answer, a RST to TCP and an ICMP error to all else.

The kernel's half is ``bpf/actions/reject.h``; ``bpf/rewrite/rewrite.h`` writes the answer.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wirepath.actions.action import Action, Key, Memory
from wirepath.actions.answers import may_be_answered
from wirepath.actions.limit import Limit, Per
from wirepath.actions.placed import Placed
from wirepath.document import Table
from wirepath.errors import RequestError, shown
from wirepath.net import Hook, Outcome, Packet, Reason, Verdict, VerdictName
from wirepath.quantities import Rate

_RATE: Final = "100/s"
_SHAPE: Final = 'reject = true, or reject = { rate = "100/s" }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Action):
    """Packets that match are dropped, and their senders get an answer.

    Attributes:
        answers: the limit of the answers; above it, packets are dropped in silence.
    """

    answers: Limit

    hooks: ClassVar[tuple[Hook, ...]] = ("ingress",)
    kind: ClassVar[str] = "reject"
    configs: ClassVar[str] = "rejects"
    reason: ClassVar[Reason] = "reject"

    @property
    def verdict(self) -> Outcome:
        """Drop, whether the packet is answered or not."""
        return "drop"

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Drop, or tx if an answer is sent."""
        return ("drop", "tx")

    @property
    def limits(self) -> dict[str, Limit]:
        """The limit of the answers."""
        return {"answers": self.answers}

    def decide(self, packet: Packet, memory: Memory) -> Verdict:
        """Answer *packet*, if an answer is due and the rate allows it."""
        answered = may_be_answered(packet) and self.answers.conforms(packet, memory, "answers")
        return Verdict("tx" if answered else "drop", "reject", rule=memory.rule)

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - the same on every host
        """Give no values: ``struct reject`` holds only its limit."""
        return {}

    def describe(self) -> str:
        """Say ``reject, 100/s answers``."""
        return f"reject, {self.answers.rate} answers"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        return {"reject": {"rate": str(self.answers.rate)}}


def read(rule: Table) -> Reject | None:
    """Take ``reject`` from *rule*; None if it is invalid; the errors are recorded."""
    value = rule.take("reject")
    if value is True:
        return _limited(Rate.read(_RATE))
    if value is False:
        rule.wrong("reject", "false: no way to reject (leave it out)")
        return None
    table = rule.table("reject", _SHAPE)
    rate = table.one("rate", _packets, Rate.read(_RATE))
    table.done()
    return _limited(rate)


def _limited(rate: Rate) -> Reject:
    return Reject(answers=Limit(rate=rate, burst=rate.count, per=Per.read("rule")))


def _packets(value: Any) -> Rate:
    rate = Rate.read(value)
    if rate.bits:
        raise RequestError(f'{shown(value)}: answers are counted (write them like "100/s")')
    return rate


RULE_KEYS: Final = {"reject": Key(read, (Reject,))}
