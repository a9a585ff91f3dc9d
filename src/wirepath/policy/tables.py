"""The tables of a policy: ``[datapath]``, ``[set.NAME]`` and ``[[rule]]``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wirepath.actions import Action
from wirepath.net import ForeignFrames, Hook, Outcome, Prefix
from wirepath.policy.match import Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings for all packets: ``[datapath]``.

    Attributes:
        default: verdict on packets that no rule decides on.
        defaults: the same by hook, for hooks where it differs.
        essentials: whether the packets of `wirepath.essentials` pass; None if the default decides.
        foreign_frames: whether limits, answers and bans leave out frames for other hosts' MACs.
        fragments: whether later fragments are dropped before the rules, or go on to them.
        malformed: verdict on frames with wrong lengths.
        never_block: sources that pass before every ban and rule.
    """

    default: Outcome = "pass"
    defaults: Mapping[Hook, Outcome] = field(default_factory=dict)
    essentials: bool | None = None
    foreign_frames: ForeignFrames = "ignore"
    fragments: Outcome = "pass"
    malformed: Outcome = "drop"
    never_block: tuple[Prefix, ...] = ()

    @property
    def passes_essentials(self) -> bool:
        """Whether the essentials pass: as the policy says, or else because others are dropped."""
        return self.default == "drop" if self.essentials is None else self.essentials

    def document(self) -> dict[str, Any]:
        """Give the table as plain values, for JSON, without the defaults by hook."""
        chosen: dict[str, Any] = {}
        if self.essentials is not None:
            chosen["essentials"] = self.essentials
        if self.foreign_frames != "ignore":
            chosen["foreign_frames"] = self.foreign_frames
        return {
            "default": self.default,
            **chosen,
            "fragments": self.fragments,
            "malformed": self.malformed,
            "never_block": [str(prefix) for prefix in self.never_block],
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SetSpec:
    """The sources of a set's prefixes: ``[set.NAME]``.

    Attributes:
        name: its name, which rules write after an ``@``.
        files: absolute paths; the files can be read, but their contents have not been checked.
        prefixes: those that the policy itself lists.
        counters: whether each entry counts packets.
        min_prefix: the shortest prefix lengths that it allows, of IPv4 and of IPv6.
    """

    name: str
    files: tuple[Path, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    counters: bool = False
    min_prefix: tuple[int, int] = (0, 0)

    def document(self) -> dict[str, Any]:
        """Give the table as plain values, for JSON."""
        least = dict(zip(("ipv4", "ipv6"), self.min_prefix, strict=True))
        chosen = {"min_prefix": least} if any(self.min_prefix) else {}
        return {
            "files": [str(path) for path in self.files],
            "prefixes": [str(prefix) for prefix in self.prefixes],
            "counters": self.counters,
            **chosen,
        }

    def __repr__(self) -> str:
        files = [path.name for path in self.files]
        own = [f"{len(self.prefixes):,} of its own"] if self.prefixes else []
        return f"<set {self.name}: {', '.join(files + own) or 'nothing'}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rule:
    """One ``[[rule]]``.

    Attributes:
        name: unique in the policy; counters are carried over to the next policy by this name.
        match: the packets that it applies to.
        action: the action on them.
        hooks: the hooks at which it applies.
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
        """Describe the rule in words, for ``wirepath check --json`` and ``rules --json``."""
        return {
            "name": self.name,
            "hook": list(self.hooks),
            "match": self.match.describe(),
            "action": self.action.describe(),
        }

    def __repr__(self) -> str:
        where = "" if self.hooks == ("ingress",) else f" at {', '.join(self.hooks)}"
        return f"<rule {self.name}: {self.match.describe()}: {self.action.describe()}{where}>"
