"""Match keys for bits of headers: ``tcp_flags`` and ``fragment``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from wirepath.document import Table, closest, string
from wirepath.errors import RequestError, shown
from wirepath.net import Fragment, Packet
from wirepath.policy.names import TCP_FLAGS
from wirepath.policy.predicate import Members, Predicate
from wirepath.policy.sketch import UNKNOWN, Sketch

_CONTROL: Final = 0x3F  # all but ECE and CWR, which "null" ignores
_SHORT: Final = {
    "syn": (TCP_FLAGS["syn"], TCP_FLAGS["ack"]),  # of a connection's first packet
    "null": (0, _CONTROL),
}
_FLAGS_CURE: Final = 'write names like "syn", "syn+ack", "fin+!ack", or "null"'


@dataclass(frozen=True, slots=True)
class TcpFlags(Predicate):
    """A condition that a TCP packet has certain flags and lacks certain others.

    Attributes:
        masks: alternatives, each (flags set, flags clear); bits as in Packet; sorted.
    """

    masks: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, match: Table) -> Self | None:
        """Read ``tcp_flags`` of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each("tcp_flags", lambda value: (value, _read_flags(value)))
        if not found:
            return None
        masks = {masks for _, masks in found}
        return cls("tcp_flags", tuple(word for word, _ in found), tuple(sorted(masks)))

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell whether the flags satisfy one of the alternatives."""
        flags = packet.tcp_flags
        if flags is UNKNOWN:
            return None
        return flags is not None and any(
            flags & present == present and not flags & absent for present, absent in self.masks
        )


def _read_flags(value: Any) -> tuple[int, int]:
    word = string(value)
    if word in _SHORT:
        return _SHORT[word]
    present = absent = 0
    for part in word.split("+"):
        name = part.removeprefix("!")
        if name not in TCP_FLAGS:
            cure = closest(name, TCP_FLAGS) or _FLAGS_CURE
            raise RequestError(f"{shown(value)}: {shown(name)} is no TCP flag ({cure})")
        if part == name:
            present |= TCP_FLAGS[name]
        else:
            absent |= TCP_FLAGS[name]
    if present & absent:
        raise RequestError(f"{shown(value)}: wants a flag both set and clear (take one out)")
    return present, absent


_KINDS: Final[Mapping[bool | str, frozenset[Fragment]]] = {
    True: frozenset({"first", "later"}),
    False: frozenset({"none"}),
    "first": frozenset({"first"}),
    "later": frozenset({"later"}),
}


@dataclass(frozen=True, slots=True)
class Fragments(Predicate):
    """A condition that a packet is, or is not, a fragment.

    Attributes:
        kinds: the kinds that satisfy it.
    """

    kinds: frozenset[Fragment]

    @classmethod
    def read(cls, match: Table) -> Self | None:
        """Read ``fragment`` of *match*; None if it is absent or invalid, which is recorded."""
        return match.one("fragment", cls._read, None)

    @classmethod
    def _read(cls, value: Any) -> Self:
        if isinstance(value, bool | str) and value in _KINDS:
            return cls("fragment", (value,), _KINDS[value])
        raise RequestError(
            f'{shown(value)}: not a kind of fragment (write true, false, "first" or "later")'
        )

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell whether the packet is of one of the kinds."""
        return None if packet.fragment is UNKNOWN else packet.fragment in self.kinds
