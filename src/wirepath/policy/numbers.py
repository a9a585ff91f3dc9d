"""Match keys that compare numbers: ports, protocols, lengths, ICMP types."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, Self

from wirepath.document import Table, closest
from wirepath.errors import RequestError, shown
from wirepath.net import DSCPS, Packet
from wirepath.policy.names import ICMP, ICMP_TYPES, PROTOCOLS
from wirepath.policy.predicate import Members, Predicate, Word
from wirepath.policy.sketch import UNKNOWN, Sketch

Ranges = tuple[tuple[int, int], ...]
"""Ranges of numbers, both ends included; sorted, disjoint and not adjacent."""

_RANGE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort *ranges* and join those that touch."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def in_ranges(ranges: Ranges, number: int) -> bool:
    """Tell whether *number* is in one of *ranges*."""
    return any(low <= number <= high for low, high in ranges)


@dataclass(frozen=True, slots=True)
class Field:
    """A number in packets that a match key compares.

    Attributes:
        key: the match key.
        what: noun for messages: ``a port``.
        limit: the largest value.
        attributes: attributes of Packet, one of which must be in range.
        names: values by name, in lower case.
        such_as: example names for messages.
    """

    key: str
    what: str
    limit: int
    attributes: tuple[str, ...]
    names: Mapping[str, int] = field(default_factory=dict)
    such_as: str = ""

    def read(self, value: Any) -> tuple[int, int]:
        """Read a number, a range or a name.

        Raises:
            RequestError: *value* is none of these; the message says what would be right.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            return self._checked(value, value, value)
        if isinstance(value, str):
            if value.lower() in self.names:
                number = self.names[value.lower()]
                return number, number
            if match := _RANGE.fullmatch(value):
                return self._checked(int(match[1]), int(match[2] or match[1]), value)
        raise RequestError(f"{shown(value)}: not {self.what} ({self.cure(value)})")

    def cure(self, value: Any) -> str:
        """Say what to write instead of *value*."""
        if isinstance(value, str) and (guess := closest(value, self.names)):
            return guess
        names = f"a name such as {self.such_as}, " if self.such_as else ""
        return f'write {names}a number from 0 to {self.limit}, a range "LOW-HIGH" or a list'

    def _checked(self, low: int, high: int, value: Word) -> tuple[int, int]:
        if low > high:
            raise RequestError(f'{shown(value)}: runs backwards (write "{high}-{low}")')
        if low < 0 or high > self.limit:
            raise RequestError(f"{shown(value)}: not {self.what} (they go from 0 to {self.limit})")
        return low, high


FIELDS: Final = {
    f.key: f
    for f in (
        Field("proto", "a protocol", 255, ("proto",), PROTOCOLS, "tcp, udp, icmp, icmpv6"),
        Field("sport", "a port", 65535, ("sport",)),
        Field("dport", "a port", 65535, ("dport",)),
        Field("port", "a port", 65535, ("sport", "dport")),
        Field("vlan", "a VLAN", 4095, ("vlan",)),
        Field("length", "an IP length", 65535, ("length",)),
        Field("ttl", "a TTL", 255, ("ttl",)),
        Field("dscp", "a DSCP", 63, ("dscp",), DSCPS, "EF, CS1, AF41"),
    )
}


@dataclass(frozen=True, slots=True)
class Numbers(Predicate):
    """A condition that a field of the packet is in one of some ranges; an absent field never is.

    Attributes:
        ranges: canonical, for the field that FIELDS has for *key*.
    """

    ranges: Ranges

    @staticmethod
    def read(match: Table, key: str) -> "Numbers | None":
        """Read *key* of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each(key, partial(_asked, key))
        if not found:
            return None
        if len(found) == 1:
            return found[0]
        words = tuple(word for one in found for word in one.words)
        return Numbers(key, words, merged(pair for one in found for pair in one.ranges))

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell whether one of the fields is in range."""
        values = [getattr(packet, name) for name in FIELDS[self.key].attributes]
        if any(isinstance(value, int) and in_ranges(self.ranges, value) for value in values):
            return True
        return None if UNKNOWN in values else False


def _asked(key: str, value: Any) -> Numbers:
    return (_number if isinstance(value, Hashable) else _number.__wrapped__)(key, value)


@lru_cache(maxsize=1024, typed=True)  # many rules use the same few numbers
def _number(key: str, value: Any) -> Numbers:
    return Numbers(key, (value,), (FIELDS[key].read(value),))


_ICMP_TYPE: Final = Field(
    "icmp_type",
    "an ICMP type",
    255,
    ("icmp_type",),
    dict.fromkeys(ICMP_TYPES, 0),
    "echo-request, unreachable, time-exceeded",
)


@dataclass(frozen=True, slots=True)
class IcmpTypes(Predicate):
    """A condition that an ICMP or ICMPv6 message has one of some types.

    Attributes:
        icmp: types for protocol 1.
        icmpv6: types for protocol 58, whatever the IP version.
    """

    icmp: Ranges
    icmpv6: Ranges

    @classmethod
    def read(cls, match: Table) -> Self | None:
        """Read ``icmp_type`` of *match*; None if it is absent or invalid, which is recorded."""
        found = match.each("icmp_type", lambda value: (value, *_read_icmp(value)))
        if not found:
            return None
        return cls(
            "icmp_type",
            tuple(word for word, _, _ in found),
            merged(pair for _, icmp, _ in found for pair in icmp),
            merged(pair for _, _, icmpv6 in found for pair in icmpv6),
        )

    def judge(self, packet: Packet | Sketch, sets: Mapping[str, Members]) -> bool | None:  # noqa: ARG002
        """Tell whether the message has one of the types."""
        kind = packet.icmp_type
        if kind is UNKNOWN:
            return None
        ranges = self.icmp if packet.proto == ICMP else self.icmpv6
        return kind is not None and in_ranges(ranges, kind)


def _read_icmp(value: Any) -> tuple[Ranges, Ranges]:
    if not isinstance(value, str) or value.lower() not in ICMP_TYPES:
        both = (_ICMP_TYPE.read(value),)
        return both, both
    icmp, icmpv6 = ICMP_TYPES[value.lower()]
    return _only(icmp), _only(icmpv6)


def _only(number: int | None) -> Ranges:
    return () if number is None else ((number, number),)
