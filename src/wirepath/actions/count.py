"""A rule without action: its packets are counted, and the walk goes on."""

from dataclasses import dataclass
from typing import Any

from wirepath.actions.action import Action, Memory
from wirepath.net import Packet


@dataclass(frozen=True, slots=True)
class Count(Action):
    """Nothing but the rule's own counters."""

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Let *packet* go on."""

    def describe(self) -> str:
        """Say ``count``."""
        return "count"

    def document(self) -> dict[str, Any]:
        """Give no keys: that is how it is asked for."""
        return {}
