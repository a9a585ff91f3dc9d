"""The base of all match keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wirepath.net import Packet
from wirepath.policy.sketch import Sketch

Word = int | str | bool
"""A value as the operator wrote it."""

_SHOWN = 4  # words of a long list that a description shows


class Members(Protocol):
    """The contents of a set: any object that can tell whether it contains an address."""

    def __contains__(self, address: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Predicate:
    """The condition of one match key.

    Each subclass adds a canonical form of the words, for decisions and for lowering.

    Attributes:
        key: its name in the policy.
        words: the values as the operator wrote them, for display and export; at least one.
    """

    key: str
    words: tuple[Word, ...]

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:
        """Tell whether the condition holds; None if that depends on unknown fields of a sketch.

        Args:
            packet: a packet, or a sketch of packets.
            sets: the contents of every set that the condition names.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Describe the condition: ``dport 22,80-90``."""
        if len(self.words) == 1 and isinstance(self.words[0], str):
            return f"{self.key} {self.words[0]}"
        words = [str(word).lower() if isinstance(word, bool) else str(word) for word in self.words]
        more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
        return f"{self.key} {','.join(words[:_SHOWN])}{more}"

    def document(self) -> Any:
        """Give the value of the key as in TOML and JSON."""
        return list(self.words) if len(self.words) > 1 else self.words[0]
