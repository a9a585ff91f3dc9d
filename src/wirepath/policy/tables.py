"""The tables of a policy: ``[datapath]``, ``[set.NAME]`` and ``[[rule]]``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wirepath.actions import Action
from wirepath.net import Hook, Outcome, Prefix
from wirepath.policy.match import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for every packet: ``[datapath]``.

    Attributes:
        default: for packets that no rule decides.
        defaults: the same, by hook, where it is another one.
        fragments: for later fragments, ahead of the rules: drop, or pass on to them.
        malformed: for frames that lie about their lengths.
        never_block: sources that pass before every ban and rule.
    """

    default: Outcome = "pass"
    defaults: Mapping[Hook, Outcome] = field(default_factory=dict)
    fragments: Outcome = "pass"
    malformed: Outcome = "drop"
    never_block: tuple[Prefix, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the table as plain values, for JSON; a default by hook is the policy's to add."""
        return {
            "default": self.default,
            "fragments": self.fragments,
            "malformed": self.malformed,
            "never_block": [str(prefix) for prefix in self.never_block],
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SetSpec:
    """Where the prefixes of a set come from: ``[set.NAME]``.

    Attributes:
        name: what rules call it, after an ``@``.
        files: absolute paths; the files can be read, but their contents have not been checked.
        prefixes: those that stand in the policy itself.
        counters: whether each entry counts packets.
    """

    name: str
    files: tuple[Path, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    counters: bool = False

    def document(self) -> dict[str, Any]:
        """Give the table as plain values, for JSON."""
        return {
            "files": [str(path) for path in self.files],
            "prefixes": [str(prefix) for prefix in self.prefixes],
            "counters": self.counters,
        }

    def __repr__(self) -> str:
        files = [path.name for path in self.files]
        own = [f"{len(self.prefixes):,} of its own"] if self.prefixes else []
        return f"<set {self.name}: {', '.join(files + own) or 'nothing'}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rule:
    """One ``[[rule]]``.

    Attributes:
        name: unique in the policy; counters keep to it across policies.
        match: which packets.
        action: what becomes of them.
        hooks: where it is asked.
    """

    name: str
    match: Match
    action: Action
    hooks: tuple[Hook, ...] = ("ingress",)

    def document(self) -> dict[str, Any]:
        """Give the table as plain values, for JSON."""
        return {
            "name": self.name,
            "hook": list(self.hooks),
            "match": self.match.document(),
            **self.action.document(),
        }

    def in_words(self) -> dict[str, Any]:
        """Say in words what it does, as ``wirepath check --json`` and ``rules --json`` do."""
        return {
            "name": self.name,
            "hook": list(self.hooks),
            "match": self.match.describe(),
            "action": self.action.describe(),
        }

    def __repr__(self) -> str:
        where = "" if self.hooks == ("ingress",) else f" at {', '.join(self.hooks)}"
        return f"<rule {self.name}: {self.match.describe()}: {self.action.describe()}{where}>"
