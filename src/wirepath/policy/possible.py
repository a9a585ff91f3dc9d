"""The keys of a match held against each other: whether any packet can have what all of them ask.

A rule that no packet can match protects nothing, although its author believes that it does.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations, product
from typing import Final, Literal, NamedTuple, Self

from wirepath import track
from wirepath.net import Ct, Fragment
from wirepath.policy.addresses import Addresses
from wirepath.policy.flags import Fragments, TcpFlags
from wirepath.policy.names import ICMP, ICMPV6, TCP, UDP
from wirepath.policy.numbers import FIELDS, IcmpTypes, Numbers, Ranges, in_ranges
from wirepath.policy.predicate import Predicate, Word
from wirepath.policy.states import States

_Keys = Mapping[str, Predicate]

# The parser steps over these in IPv6: bpf/packet/parse_ipv6.h. IPv4 has AH and HIP too.
EXTENSIONS: Final = frozenset({0, 43, 44, 51, 60, 135, 139, 140})
_IN_IPV4_TOO: Final = frozenset({51, 139})

_FAMILIES: Final[tuple[Literal[4, 6], ...]] = (4, 6)
_FRAGMENTS: Final[tuple[Fragment, ...]] = ("none", "first", "later")
_ANY_FAMILY: Final[frozenset[int]] = frozenset(_FAMILIES)
_ANY_FRAGMENT: Final = frozenset(_FRAGMENTS)
_IP_BYTES: Final = {4: 20, 6: 40}
_FRAGMENT_BYTES: Final = 8  # of the header that IPv6 fragments have
_LAYER4_BYTES: Final = {ICMP: 8, ICMPV6: 8, TCP: 20, UDP: 8}
_LENGTH_MAX: Final = 65535


class _Shape(NamedTuple):
    """What decides which fields a packet has.

    Attributes:
        family: its IP version.
        proto: its protocol if that is one whose header is parsed; None for all others.
        fragment: the kind of fragment that it is.
    """

    family: Literal[4, 6]
    proto: int | None
    fragment: Fragment

    @property
    def layer4(self) -> int | None:
        """The protocol whose header the packet has; None if it has none that is parsed."""
        return None if self.fragment == "later" else self.proto

    @property
    def least_bytes(self) -> int:
        """The length of the shortest IP packet of this shape."""
        has_header = self.family != 4 and self.fragment != "none"  # noqa: PLR2004 - IPv4
        extension = _FRAGMENT_BYTES if has_header else 0
        return _IP_BYTES[self.family] + extension + _LAYER4_BYTES.get(self.layer4 or -1, 0)


_SHAPES: Final = tuple(
    _Shape(*each) for each in product(_FAMILIES, (None, *_LAYER4_BYTES), _FRAGMENTS)
)


class _Asked(NamedTuple):
    """What a match asks of the shape of packets; equal for many rules.

    Attributes:
        families: the IP versions that its addresses admit.
        fragments: kinds of fragments.
        most_bytes: the longest length.
        proto: protocols; None if any.
        ports: whether it names ports.
        flags: alternatives, each (flags set, flags clear); None if any.
        types: of ICMP and of ICMPv6; None if any.
        states: of the connection; None if any.
    """

    families: frozenset[int]
    fragments: frozenset[Fragment]
    most_bytes: int
    proto: Ranges | None
    ports: bool
    flags: tuple[tuple[int, int], ...] | None
    types: tuple[Ranges, Ranges] | None
    states: frozenset[Ct] | None

    @classmethod
    def of(cls, keys: _Keys) -> Self:
        """Sum up *keys*."""
        found = {key: keys.get(key) for key in ("proto", "length")}
        length = found["length"]
        fragment, flags = keys.get("fragment"), keys.get("tcp_flags")
        types, states, proto = keys.get("icmp_type"), keys.get("ct"), found["proto"]
        return cls(
            families=_families(keys),
            fragments=fragment.kinds if isinstance(fragment, Fragments) else _ANY_FRAGMENT,
            most_bytes=length.ranges[-1][1] if isinstance(length, Numbers) else _LENGTH_MAX,
            proto=proto.ranges if isinstance(proto, Numbers) else None,
            ports=not keys.keys().isdisjoint(_PORTS),
            flags=flags.masks if isinstance(flags, TcpFlags) else None,
            types=(types.icmp, types.icmpv6) if isinstance(types, IcmpTypes) else None,
            states=states.states if isinstance(states, States) else None,
        )


_PORTS: Final = ("sport", "dport", "port")


def impossible(predicates: Iterable[Predicate], *, judged: bool = False) -> list[tuple[str, str]]:
    """Give (key, message) where no packet can satisfy all *predicates*.

    Args:
        predicates: the keys of a match.
        judged: whether netfilter has judged packets, as at egress: any may be in any state.
    """
    keys = {p.key: p for p in predicates if not (judged and p.key == "ct")}
    asked = _Asked.of(keys)
    found = [("proto", message) for message in _extensions(keys, asked.families)]
    if not found and not _allows_ports(keys):
        found = [("port", "neither sport nor dport allows one of these (take one of them out)")]
    if not found and not _shapes(asked):
        found = [_culprit(keys)]
    return found


# No whole IPv6 packet has an extension header as its protocol. A rule on one is meant to stop the
# header, so it is refused although a later fragment, or a stray IPv4 packet, can have the number.
def _extensions(keys: _Keys, families: frozenset[int]) -> Iterator[str]:
    proto, fragment = keys.get("proto"), keys.get("fragment")
    of_later = isinstance(fragment, Fragments) and fragment.kinds == {"later"}
    if not isinstance(proto, Numbers) or families == {4} or of_later:
        return
    cure = "" if families == {6} else '; for IPv4 alone, add src = "0.0.0.0/0"'
    for word in proto.words:
        if _is_skipped(word, only_ipv6=families == {6}):
            what = "an extension header of IPv6, which is skipped: the protocol comes after it"
            yield f"{word}: {what} (take it out{cure})"


@lru_cache
def _is_skipped(word: Word, *, only_ipv6: bool) -> bool:
    skipped = EXTENSIONS if only_ipv6 else EXTENSIONS - _IN_IPV4_TOO
    low, high = FIELDS["proto"].read(word)
    return skipped.issuperset(range(low, high + 1))


def _families(keys: _Keys) -> frozenset[int]:
    families = _ANY_FAMILY
    for each in keys.values():
        if isinstance(each, Addresses):
            families &= each.families
    return families


# `port` holds for either port, so only both of the others together can contradict it.
def _allows_ports(keys: _Keys) -> bool:
    sport, dport, port = map(keys.get, _PORTS)
    if not isinstance(port, Numbers):
        return True
    return any(
        not isinstance(each, Numbers) or _overlap(each.ranges, port.ranges)
        for each in (sport, dport)
    )


def _overlap(one: Ranges, other: Ranges) -> bool:
    return any(low <= last and first <= high for low, high in one for first, last in other)


# The key that excludes all packets, alone or with another one, or else the last of all.
def _culprit(keys: _Keys) -> tuple[str, str]:
    for number in (1, 2):
        for some in combinations(keys, number):
            if not _shapes(_Asked.of({key: keys[key] for key in some})):
                key = next((k for k in ("length", "ct") if k in some), some[-1])
                return key, _why(keys, key, [other for other in some if other != key])
    return [*keys][-1], "no packet has this and all that the other keys ask for (take one out)"


def _why(keys: _Keys, key: str, others: list[str]) -> str:
    asked = f"what `{others[0]}` asks for" if others else "an IP header"
    if key == "length":
        least = min(s.least_bytes for s in _shapes(_Asked.of({o: keys[o] for o in others})))
        return f"no packet with {asked} is so short (the least is {least})"
    if key == "ct":
        return f"no packet with {asked} is ever in this state (take one out)"
    return f"no packet has this and {asked} (take one out)"


@lru_cache(maxsize=4096)
def _shapes(asked: _Asked) -> tuple[_Shape, ...]:
    return tuple(shape for shape in _SHAPES if _fits(shape, asked))


def _fits(shape: _Shape, asked: _Asked) -> bool:
    return (
        shape.family in asked.families
        and shape.fragment in asked.fragments
        and shape.least_bytes <= asked.most_bytes
        and (asked.proto is None or _has_proto(shape, asked.proto))
        and (not asked.ports or shape.layer4 in {TCP, UDP})
        and (asked.flags is None or shape.layer4 == TCP)
        and (asked.types is None or any(True for _ in _types(shape, asked)))
        and (asked.states is None or not asked.states.isdisjoint(_states(shape, asked)))
    )


def _has_proto(shape: _Shape, ranges: Ranges) -> bool:
    if shape.proto is not None:
        return in_ranges(ranges, shape.proto)
    walked = shape.family == 6 and shape.fragment != "later"  # noqa: PLR2004 - IPv6
    taken = _LAYER4_BYTES.keys() | (EXTENSIONS if walked else frozenset())
    return any(n not in taken for low, high in ranges for n in range(low, high + 1))


# The ICMP types that a packet of *shape* may have.
def _types(shape: _Shape, asked: _Asked) -> Iterator[int]:
    every: Ranges = ((0, 255),)
    if shape.layer4 in {ICMP, ICMPV6}:
        icmp, icmpv6 = asked.types or (every, every)
        for low, high in icmp if shape.layer4 == ICMP else icmpv6:
            yield from range(low, high + 1)


# The states that the connection of a packet of *shape* may be in.
def _states(shape: _Shape, asked: _Asked) -> Iterator[Ct]:
    if shape.layer4 == TCP:
        for flags in range(256):
            if any(flags & on == on and not flags & off for on, off in asked.flags or ((0, 0),)):
                yield from track.states_of_tcp(flags)
    elif shape.layer4 == UDP:
        yield from track.STATES_OF_UDP
    for kind in _types(shape, asked):
        yield from track.states_of_icmp(shape.family, shape.layer4 or 0, kind)
