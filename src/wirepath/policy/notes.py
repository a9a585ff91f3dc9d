"""Notes on a policy: parts that are valid but hardly intended."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.net import ADDRESS_BITS
from wirepath.policy.addresses import Addresses
from wirepath.policy.flags import Fragments, TcpFlags
from wirepath.policy.names import ICMP, ICMPV6, TCP_FLAGS
from wirepath.policy.numbers import IcmpTypes, Numbers, Ranges
from wirepath.policy.states import States
from wirepath.policy.zones import Zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wirepath.errors import Problem
    from wirepath.net import Prefix
    from wirepath.policy import Policy, Rule
    from wirepath.policy.match import Match
    from wirepath.policy.predicate import Predicate

_Home = tuple[str, int, int]  # the key of an address; bits of its prefix: how many, and which
_Exact = tuple[int | None, int | None]  # the only protocol and the only dport, if it is one
_Masks = tuple[tuple[int, int], ...]
# By protocol: the ICMP of the other IP version, and that version.
_OF_ONE_FAMILY: Final[Mapping[Ranges, tuple[str, int]]] = {
    ((ICMP, ICMP),): ("icmpv6", 6),
    ((ICMPV6, ICMPV6),): ("icmp", 4),
}
_BOTH: Final = frozenset({4, 6})
_SYN: Final = (TCP_FLAGS["syn"], TCP_FLAGS["ack"])
_ESTABLISHED: Final = frozenset({"established"})
_EFFORT_MAX: Final = 500_000  # words compared: under 1 s, enough for 10,000 rules with addresses


def notes(policy: Policy, counts: Mapping[str, int]) -> list[Problem]:
    """Find rules out of reach, idle sets, bans on forged sources, and the like.

    Reports only certain cases: a rule that several others cover together is not found, and in a
    large policy with few prefixes only the first rules are compared with each other.

    Args:
        policy: a valid policy.
        counts: number of prefixes of each set.
    """
    found = [
        *_idle_sets(policy, counts),
        *_unreached(policy),
        *_of_other_family(policy),
        *_unproven(policy),
        *starving(policy),
    ]
    return sorted(found, key=lambda note: note.line)


def starving(policy: Policy) -> Iterator[Problem]:
    """Find limits at the hooks of TC whose burst is too small for TCP."""
    for number, rule in enumerate(policy.rules):
        limit = rule.action.limits.get("")
        if limit and set(rule.hooks) - {"ingress"} and (message := limit.starves):
            yield policy.problem(message, "rule", number, "limit", "burst")


# Packets of either ICMP in the other IP version are forged, and no stack answers them.
def _of_other_family(policy: Policy) -> Iterator[Problem]:
    for number, rule in enumerate(policy.rules):
        proto = rule.match.proto
        if proto and proto.ranges in _OF_ONE_FAMILY:
            name, family = _OF_ONE_FAMILY[proto.ranges]
            asked = [each.families for each in (rule.match.src, rule.match.dst) if each]
            if frozenset({family}).issuperset(_BOTH.intersection(*asked)):
                text = f'no host sends this in IPv{family} (write proto = "{name}")'
                yield policy.problem(text, "rule", number, "match", "proto")


# A forged source gets banned, unless only packets of proven sources count: SYNs that have passed a
# challenge of every SYN, or packets of established connections.
def _unproven(policy: Policy) -> Iterator[Problem]:
    proofs: list[Rule] = []
    for number, rule in enumerate(policy.rules):
        limit = rule.action.limits.get("")
        if rule.action.proves:
            proofs.append(rule)
        elif limit and limit.ban_s is not None and not _is_proven(rule.match, proofs):
            text = (
                "a forged source gets banned: nothing proves who sent these packets"
                ' (put a rule with challenge = "reset" before it, for SYNs)'
            )
            yield policy.problem(text, "rule", number, "limit", "ban")


def _is_proven(match: Match, proofs: Iterable[Rule]) -> bool:
    if match.ct and match.ct.states == _ESTABLISHED:
        return True
    opens = match.tcp_flags is not None and _implied(match.tcp_flags.masks, (_SYN,))
    return opens and any(covers(proof.match, match) for proof in proofs)


def _idle_sets(policy: Policy, counts: Mapping[str, int]) -> Iterator[Problem]:
    used = {name for rule in policy.rules for name in _sets_of(rule.match)}
    for name in policy.sets:
        if name not in used:
            yield policy.problem("no rule names this set", "set", name)
        elif not counts[name]:
            yield policy.problem("the set is empty: no address is in it", "set", name)


def _sets_of(match: Match) -> Iterator[str]:
    for addresses in (match.src, match.dst):
        if addresses:
            yield from (*addresses.sets, *addresses.not_sets)


def _unreached(policy: Policy) -> Iterator[Problem]:
    unblocked = policy.datapath.never_block
    enders = _Enders()
    effort = 0
    for number, rule in enumerate(policy.rules):
        src = rule.match.src
        if (
            unblocked
            and src
            and src.prefixes
            and not src.sets
            and _all_covered(src.prefixes, unblocked)
        ):
            text = "never reached: never_block passes all it matches"
            yield policy.problem(text, "rule", number)
            continue
        predicates = rule.match.predicates()
        keys = frozenset([predicate.key for predicate in predicates])
        wider = enders.around(rule.match, keys)
        effort += len(wider) * sum([len(predicate.words) for predicate in predicates])
        if effort > _EFFORT_MAX:
            return
        yield from (policy.problem(text, "rule", number) for text in _ended(rule, wider))
        if rule.action.verdict:
            enders.add(rule, keys)


class _Ender(NamedTuple):
    """A rule that ends the walk.

    Attributes:
        rank: it is compared before those of a higher rank.
        number: its place among all such rules.
        rule: the rule.
        keys: the keys that it matches on.
        conditions: its conditions, as `_by_cost` gives them.
    """

    rank: int
    number: int
    rule: Rule
    keys: frozenset[str]
    conditions: Sequence[Predicate]


class _Enders:
    """The rules that end the walk.

    They are found by one of their prefixes, and by the protocol and the port if they ask for one.
    """

    def __init__(self) -> None:
        self._at: dict[_Home | None, dict[_Exact, list[_Ender]]] = {None: {}}
        self._ranks: dict[frozenset[str], int] = {}  # of sets of keys, as they came
        self._lengths: set[int] = set()  # of the prefixes in homes
        self._added = 0

    def add(self, rule: Rule, keys: frozenset[str]) -> None:
        """Add *rule*, whose match has *keys*."""
        home = _home(rule.match)
        if home:
            self._lengths.add(home[1])
        rank = self._ranks.setdefault(keys, len(self._ranks))
        ender = _Ender(rank, self._added, rule, keys, _by_cost(rule.match))
        self._added += 1
        exact = _single(rule.match.proto), _single(rule.match.dport)
        self._at.setdefault(home, {}).setdefault(exact, []).append(ender)

    def around(self, match: Match, keys: frozenset[str]) -> list[_Ender]:
        """Give the rules that may cover *match*, which has *keys*."""
        protos = {None, _single(match.proto)}
        ports = {None, _single(match.dport)}
        exact = [(proto, port) for proto in protos for port in ports]
        found = [
            (ender.rank, place, ender.number, ender)
            for place, home in enumerate((None, *self._homes(match)))
            if home in self._at
            for here in (self._at[home],)
            for each in exact
            if each in here
            for ender in here[each]
            if ender.keys <= keys
        ]
        found.sort(key=itemgetter(0, 1, 2))
        return [ender for _, _, _, ender in found]

    # Where rules are at home that have a single prefix around those of the match.
    def _homes(self, match: Match) -> Iterator[_Home]:
        for addresses in (match.src, match.dst):
            if addresses and addresses.prefixes:
                inner, key = addresses.prefixes[0], addresses.key
                for bits in self._lengths:
                    if bits <= inner.bits:
                        yield key, bits, inner.address >> ADDRESS_BITS - bits


# The number that a condition asks for; None if it asks for any, or for one of several.
def _single(numbers: Numbers | None) -> int | None:
    if numbers is None or len(numbers.ranges) > 1:
        return None
    [(low, high)] = numbers.ranges
    return low if low == high else None


# The longer one of the single prefixes that a match asks for.
def _home(match: Match) -> _Home | None:
    home = None
    for addresses in (match.src, match.dst):
        if addresses and len(addresses.prefixes) == 1 and not addresses.sets:
            prefix = addresses.prefixes[0]
            if home is None or prefix.bits > home[1]:
                home = addresses.key, prefix.bits, prefix.address >> ADDRESS_BITS - prefix.bits
    return home


# Yields notes for the hooks at which rules before this one end the walk.
def _ended(rule: Rule, before: Iterable[_Ender]) -> Iterator[str]:
    reached = set(rule.hooks)
    for _, _, each, _, conditions in before:
        here = [hook for hook in rule.hooks if hook in reached and hook in each.hooks]
        if here and _cover(conditions, each.match, rule.match):
            where = "" if len(here) == len(rule.hooks) else f" at {' and '.join(here)}"
            ends = f"rule {each.name} before it ends the walk of all it matches"
            yield f"never reached{where}: {ends}"
            reached -= set(here)


def covers(wide: Match, narrow: Match) -> bool:
    """Tell whether *wide* certainly matches every packet that *narrow* matches."""
    return _cover(_by_cost(wide), wide, narrow)


# Tells the same of *wide*, whose conditions are *conditions*.
def _cover(conditions: Iterable[Predicate], wide: Match, narrow: Match) -> bool:
    if wide.ct and not wide.ct_zone and narrow.ct_zone:
        return False  # on the way in, no zone stands for zone 0
    for condition in conditions:
        other = getattr(narrow, condition.key)
        if other is None or not _WITHIN[type(condition)](other, condition):
            return False
    return True


# Predicates that are quick to compare, and seldom agree, come first.
def _by_cost(match: Match) -> Sequence[Predicate]:
    return sorted(match.predicates(), key=_costs)


def _costs(predicate: Predicate) -> int:
    return len(predicate.words) + isinstance(predicate, Addresses)


# Each mask is (flags set, flags clear).
def _implied(narrow: _Masks, wide: _Masks) -> bool:
    return all(
        any(wanted & on == wanted and absent & off == absent for wanted, absent in wide)
        for on, off in narrow
    )


def _ranges_within(narrow: Ranges, wide: Ranges) -> bool:
    # Ranges never touch, so each narrow one must be inside a single wide one.
    for n, m in narrow:
        for low, high in wide:
            if low <= n and m <= high:
                break
        else:
            return False
    return True


def _addresses_within(narrow: Addresses, wide: Addresses) -> bool:
    if wide.prefixes or wide.sets:
        asked = bool(narrow.prefixes or narrow.sets)
        if not asked or not _all_in(narrow.sets, wide.sets):
            return False
        if not _all_covered(narrow.prefixes, wide.prefixes):
            return False
    return _all_in(wide.not_sets, narrow.not_sets) and _all_covered(
        wide.not_prefixes, narrow.not_prefixes
    )


def _all_in(inner: Sequence[str], outer: Sequence[str]) -> bool:
    return not inner or set(inner) <= set(outer)


def _all_covered(inner: Iterable[Prefix], outer: Iterable[Prefix]) -> bool:
    for prefix in inner:
        for each in outer:
            if each.covers(prefix):
                break
        else:
            return False
    return True


def _icmp_within(narrow: IcmpTypes, wide: IcmpTypes) -> bool:
    return _ranges_within(narrow.icmp, wide.icmp) and _ranges_within(narrow.icmpv6, wide.icmpv6)


# By kind of condition, whether what the first admits is within what the second, of the same kind,
# admits.
_WITHIN: Final[Mapping[type, Callable[[Any, Any], bool]]] = {
    Numbers: lambda narrow, wide: _ranges_within(narrow.ranges, wide.ranges),
    IcmpTypes: _icmp_within,
    Fragments: lambda narrow, wide: narrow.kinds <= wide.kinds,
    TcpFlags: lambda narrow, wide: _implied(narrow.masks, wide.masks),
    States: lambda narrow, wide: narrow.states <= wide.states,
    Zones: lambda narrow, wide: set(narrow.zones) <= set(wide.zones),
    Addresses: _addresses_within,
}
