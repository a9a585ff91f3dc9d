"""``action = "pass"`` and ``action = "drop"``: the walk ends here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wirepath.document import Table, choice
from wirepath.net import Outcome, Packet

_OUTCOME: Final[Callable[[Any], Outcome]] = choice("pass", "drop")


@dataclass(frozen=True, slots=True)
class Decide:
    """Every packet that matches gets *verdict*, and no later rule sees it."""

    verdict: Outcome

    def decide(self, packet: Packet) -> Outcome:  # noqa: ARG002 - all alike
        """Give the verdict."""
        return self.verdict

    def describe(self) -> str:
        """Give the verdict's name."""
        return self.verdict

    def document(self) -> dict[str, Any]:
        """Give the rule's key."""
        return {"action": self.verdict}


def read(rule: Table) -> Decide | None:
    """Take ``action`` from *rule*; None if it has none."""
    verdict = rule.one("action", _OUTCOME, None)
    return Decide(verdict) if verdict else None
