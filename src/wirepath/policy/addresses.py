"""Match keys that compare addresses with prefixes and sets: ``src`` and ``dst``."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from wirepath.document import Table, closest, string
from wirepath.errors import RequestError
from wirepath.net import Packet, Prefix
from wirepath.policy.numbers import merged
from wirepath.policy.predicate import Members, Predicate
from wirepath.policy.sketch import UNKNOWN, Sketch

_IPV4: Final = Prefix.parse("0.0.0.0/0")
_FAMILY: Final = {True: frozenset({4}), False: frozenset({6})}  # by whether it is IPv4
_MARKS: Final = ("!", "@", "")
_EVERY: Final = (_IPV4, Prefix.parse("::/0"))


@dataclass(frozen=True, slots=True)
class Addresses(Predicate):
    """A condition that an address is in some prefix or set, and in no negated one.

    Attributes:
        prefixes, sets: one of them must contain the address, unless both are empty; sorted.
        not_prefixes, not_sets: none of them may contain it; sorted.
    """

    prefixes: tuple[Prefix, ...] = ()
    sets: tuple[str, ...] = ()
    not_prefixes: tuple[Prefix, ...] = ()
    not_sets: tuple[str, ...] = ()

    @classmethod
    def read(cls, match: Table, key: str, known_sets: Collection[str]) -> Self | None:
        """Read *key* of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each(key, lambda value: _read(value, known_sets))
        if not found:
            return None
        if len(found) == 1 and isinstance(found[0][1], Prefix) and found[0][0][0] != "!":
            return cls(key, (found[0][0],), (found[0][1],))
        asked = [item for word, item in found if not word.startswith("!")]
        holes = [item for word, item in found if word.startswith("!")]
        return cls(key, tuple(word for word, _ in found), *_sorted(asked), *_sorted(holes))

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:
        """Tell whether the address satisfies the condition; None if it is unknown."""
        address = packet.source if self.key == "src" else packet.destination
        if address is UNKNOWN:
            return None if packet.family in self.families else False
        asked = bool(self.prefixes or self.sets)
        if asked and not _within(address, self.prefixes, self.sets, sets):
            return False
        return not _within(address, self.not_prefixes, self.not_sets, sets)

    @property
    def families(self) -> frozenset[int]:
        """The families, 4 and 6, of the addresses that can satisfy it; sets may hold both."""
        if len(self.prefixes) == 1 and not (self.sets or self.not_sets or self.not_prefixes):
            return _FAMILY[self.prefixes[0].is_ipv4]
        return frozenset([family for family in (4, 6) if self._is_left(family)])

    # Tells whether what is negated leaves any address of *family*.
    def _is_left(self, family: int) -> bool:
        negated = (each for each in self.not_prefixes if each.family == family)
        holes = merged((each.address, each.last) for each in negated)
        if family != 4:  # noqa: PLR2004 - in IPv6 there are no mapped addresses
            holes = merged((*holes, (_IPV4.address, _IPV4.last)))
        asked = self.prefixes
        if set(self.sets) - set(self.not_sets) or not (self.sets or self.prefixes):
            asked = _EVERY
        return any(
            prefix.family == family
            and not any(low <= prefix.address and prefix.last <= high for low, high in holes)
            for prefix in asked
        )


def _read(value: Any, known_sets: Collection[str]) -> tuple[str, Prefix | str]:
    # Returns the word, and the prefix or set name that it stands for.
    word = string(value)
    if word[:1] not in _MARKS:
        return word, Prefix.parse(word)
    bare = word.removeprefix("!")
    if not bare.startswith("@"):
        return word, Prefix.parse(bare)
    name = bare.removeprefix("@")
    if name not in known_sets:
        cure = closest(name, known_sets) or f"write a [set.{name}] table"
        raise RequestError(f"{word}: no such set ({cure})")
    return word, name


def _sorted(found: list[Prefix | str]) -> tuple[tuple[Prefix, ...], tuple[str, ...]]:
    prefixes = {item for item in found if isinstance(item, Prefix)}
    sets = {item for item in found if isinstance(item, str)}
    return tuple(sorted(prefixes)), tuple(sorted(sets))


def _within(
    address: int,
    prefixes: Iterable[Prefix],
    names: Iterable[str],
    sets: Mapping[str, Members],
) -> bool:
    return any(address in prefix for prefix in prefixes) or any(
        address in sets[name] for name in names
    )
