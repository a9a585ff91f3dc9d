"""What every match key has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wirepath.net import Packet
from wirepath.policy.sketch import Sketch

Word = int | str | bool
"""A value as the operator wrote it."""

_SHOWN = 4  # words of a long list that a description names


class Members(Protocol):
    """The contents of a set: anything that says whether an address is in it."""

    def __contains__(self, address: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Predicate:
    """What one match key asks of a packet.

    Each kind adds one canonical form of the words, for deciding and for lowering.

    Attributes:
        key: in the policy.
        words: as the operator wrote them, for showing and for writing them again; at least one.
    """

    key: str
    words: tuple[Word, ...]

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:
        """Tell whether it holds; None if that depends on what a sketch does not know.

        Args:
            packet: a whole one, or a sketch of one.
            sets: the contents of every set that is named here.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Say it: ``dport 22,80-90``."""
        words = [str(word).lower() if isinstance(word, bool) else str(word) for word in self.words]
        more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
        return f"{self.key} {','.join(words[:_SHOWN])}{more}"

    def document(self) -> Any:
        """Give the value of the key, as TOML and JSON have it."""
        return list(self.words) if len(self.words) > 1 else self.words[0]
