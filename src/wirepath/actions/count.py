"""A rule without an action: its packets are counted, and the walk goes on."""

from dataclasses import dataclass
from typing import Any

from wirepath.actions.action import Action, Memory
from wirepath.net import Packet


@dataclass(frozen=True, slots=True)
class Count(Action):
    """The packet is counted by the counters that every rule has, and by no others."""

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Let *packet* go on."""

    def describe(self) -> str:
        """Say ``count``."""
        return "count"

    def document(self) -> dict[str, Any]:
        """Give no keys: a rule without a key of an action counts."""
        return {}
