"""``action = "pass"`` and ``action = "drop"``: the walk ends here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wirepath.actions.action import Action, Key, Memory
from wirepath.document import choice
from wirepath.net import Outcome, Packet, Verdict

_OUTCOME: Final[Callable[[Any], Outcome]] = choice("pass", "drop")


@dataclass(frozen=True, slots=True)
class Decide(Action):
    """Every packet that matches gets *outcome*, and no later rule sees it."""

    outcome: Outcome

    @property
    def verdict(self) -> Outcome:
        """The outcome, for every packet."""
        return self.outcome

    def decide(self, packet: Packet, memory: Memory) -> Verdict:  # noqa: ARG002 - for every packet
        """Give the verdict."""
        return Verdict(self.outcome, "rule", rule=memory.rule)

    def describe(self) -> str:
        """Give the verdict's name."""
        return self.outcome

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        return {"action": self.outcome}


def read(value: Any) -> Decide:
    """Read the value of ``action``.

    Raises:
        RequestError: *value* is no verdict that a rule may give.
    """
    return Decide(_OUTCOME(value))


RULE_KEYS: Final = {"action": Key(lambda rule: rule.one("action", read, None), (Decide,))}
