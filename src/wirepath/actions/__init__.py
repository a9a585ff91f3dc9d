"""What a rule does with the packets that it matches.

One file an action: what the operator writes, how the model decides, how it is told.  The kernel's
half of each has the same stem, where it has one: ``bpf/actions/X.h``.
"""

from typing import Any, Protocol

from wirepath.actions import count, verdict
from wirepath.document import Table
from wirepath.net import Outcome, Packet

# Actions of later versions; a rule that asks for one is refused, never half obeyed.
LATER = ("limit", "wireguard", "challenge", "mirror", "dscp", "reject")


class Action(Protocol):
    """What all actions have in common."""

    @property
    def verdict(self) -> Outcome | None:
        """What every matching packet gets; None if the walk goes on."""

    def decide(self, packet: Packet) -> Outcome | None:
        """Decide *packet*, which the rule matches; None lets the walk go on."""

    def describe(self) -> str:
        """Say it in a word or a few, for ``wirepath rules``."""

    def document(self) -> dict[str, Any]:
        """Give the rule's keys that ask for it; `read` is the way back."""


def read(rule: Table) -> Action:
    """Take the action's keys from *rule*; without any, the rule counts."""
    rule.later(LATER)
    return verdict.read(rule) or count.Count()
