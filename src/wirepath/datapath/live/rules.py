"""The rules that serve, in order, each with its counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wirepath.datapath.live import counters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.counters import RuleCount
    from wirepath.net import Hook


@dataclass(frozen=True, slots=True, repr=False)
class LiveRule:
    """One rule of a datapath, at one moment.

    Attributes:
        name: its name, unique in the policy.
        hooks: the hooks at which it applies.
        match: the packets that it matches, in words: ``proto tcp, dport 22``.
        action: its action, in words: ``drop``.
        count: its counters.
        counters: the names of counters that ``wirepath rules`` shows for it besides packets, bytes
            and drops.
    """

    name: str
    hooks: tuple[Hook, ...]
    match: str
    action: str
    count: RuleCount
    counters: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """Give the rule as plain values, for JSON."""
        return {
            "name": self.name,
            "hook": list(self.hooks),
            "match": self.match,
            "action": self.action,
            **self.count.document(self.counters),
        }

    def __repr__(self) -> str:
        return f"<rule {self.name}: {self.match}: {self.action}: {self.count.packets:,} packets>"


def rules(handles: Handles) -> list[LiveRule]:
    """List the rules of the generation of *handles*, in the order they are walked."""
    counted = counters.read(handles)
    return [
        LiveRule(
            name=rule.name,
            hooks=rule.hooks,
            match=rule.match.describe(),
            action=rule.action.describe(),
            count=counted.rules[rule.name],
            counters=rule.action.counting.names,
        )
        for rule in handles.policy.rules
    ]
