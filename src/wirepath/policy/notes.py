"""Notes on a policy: parts that are valid but hardly intended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.net import Prefix
from wirepath.policy.addresses import Addresses
from wirepath.policy.flags import Fragments, TcpFlags
from wirepath.policy.names import ICMP, ICMPV6, TCP_FLAGS
from wirepath.policy.numbers import IcmpTypes, Numbers, Ranges
from wirepath.policy.states import States
from wirepath.policy.zones import Zones

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wirepath.errors import Problem
    from wirepath.policy import Policy, Rule
    from wirepath.policy.match import Match
    from wirepath.policy.predicate import Predicate

_Home = tuple[str, Prefix]  # the key of one address, and its prefix
_Masks = tuple[tuple[int, int], ...]
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
        for proto, name, family in ((ICMP, "icmpv6", 6), (ICMPV6, "icmp", 4)):
            match = rule.match
            asked = [each for each in (match.src, match.dst) if each]
            others = [f for f in (4, 6) if f != family and all(each.admits(f) for each in asked)]
            if match.proto and match.proto.ranges == ((proto, proto),) and not others:
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
        if src and src.prefixes and not src.sets and _all_covered(src.prefixes, unblocked):
            text = "never reached: never_block passes all it matches"
            yield policy.problem(text, "rule", number)
            continue
        predicates = list(rule.match.predicates())
        keys = frozenset(predicate.key for predicate in predicates)
        wider = list(enders.around(rule.match, keys))
        effort += len(wider) * sum(len(predicate.words) for predicate in predicates)
        if effort > _EFFORT_MAX:
            return
        yield from (policy.problem(text, "rule", number) for text in _ended(rule, wider))
        if rule.action.verdict:
            enders.add(rule, keys)


class _Enders:
    """The rules that end the walk, found by the keys they match on and by one of their prefixes."""

    def __init__(self) -> None:
        self._by_keys: dict[frozenset[str], dict[_Home | None, list[Rule]]] = {}
        self._lengths: set[int] = set()  # of the prefixes in homes

    def add(self, rule: Rule, keys: frozenset[str]) -> None:
        """Add *rule*, whose match has *keys*."""
        home = _home(rule.match)
        if home:
            self._lengths.add(home[1].bits)
        self._by_keys.setdefault(keys, {}).setdefault(home, []).append(rule)

    def around(self, match: Match, keys: frozenset[str]) -> Iterator[Rule]:
        """Yield the rules that may cover *match*, which has *keys*."""
        homes = [None, *self._homes(match)]
        for asked, by_home in self._by_keys.items():
            if asked <= keys:
                for home in homes:
                    yield from by_home.get(home, ())

    # Where rules are at home that have a single prefix around those of the match.
    def _homes(self, match: Match) -> Iterator[_Home]:
        for addresses in (match.src, match.dst):
            if addresses and addresses.prefixes:
                inner = addresses.prefixes[0]
                for bits in self._lengths:
                    if bits <= inner.bits:
                        yield addresses.key, Prefix.around(inner.address, bits)


# The longer one of the single prefixes that a match asks for.
def _home(match: Match) -> _Home | None:
    single = [
        (addresses.key, addresses.prefixes[0])
        for addresses in (match.src, match.dst)
        if addresses and len(addresses.prefixes) == 1 and not addresses.sets
    ]
    return max(single, key=lambda home: home[1].bits, default=None)


# Yields notes for the hooks at which rules before this one end the walk.
def _ended(rule: Rule, before: Iterable[Rule]) -> Iterator[str]:
    reached = set(rule.hooks)
    for each in before:
        here = [hook for hook in rule.hooks if hook in reached and hook in each.hooks]
        if here and covers(each.match, rule.match):
            where = "" if len(here) == len(rule.hooks) else f" at {' and '.join(here)}"
            ends = f"rule {each.name} before it ends the walk of all it matches"
            yield f"never reached{where}: {ends}"
            reached -= set(here)


def covers(wide: Match, narrow: Match) -> bool:
    """Tell whether *wide* certainly matches every packet that *narrow* matches."""
    if wide.ct and not wide.ct_zone and narrow.ct_zone:
        return False  # on the way in, no zone stands for zone 0
    return all(
        (other := getattr(narrow, predicate.key)) is not None and _within(other, predicate)
        for predicate in sorted(wide.predicates(), key=_costs)
    )


# Predicates that are quick to compare, and seldom agree, come first.
def _costs(predicate: Predicate) -> int:
    return len(predicate.words) + isinstance(predicate, Addresses)


def _within(narrow: Predicate, wide: Predicate) -> bool:
    match narrow, wide:
        case Numbers(), Numbers():
            within = _ranges_within(narrow.ranges, wide.ranges)
        case IcmpTypes(), IcmpTypes():
            within = _ranges_within(narrow.icmp, wide.icmp) and _ranges_within(
                narrow.icmpv6, wide.icmpv6
            )
        case Fragments(), Fragments():
            within = narrow.kinds <= wide.kinds
        case TcpFlags(), TcpFlags():
            within = _implied(narrow.masks, wide.masks)
        case States(), States():
            within = narrow.states <= wide.states
        case Zones(), Zones():
            within = set(narrow.zones) <= set(wide.zones)
        case Addresses(), Addresses():
            within = _addresses_within(narrow, wide)
        case _:
            within = narrow == wide
    return within


# Each mask is (flags set, flags clear).
def _implied(narrow: _Masks, wide: _Masks) -> bool:
    return all(
        any(wanted & on == wanted and absent & off == absent for wanted, absent in wide)
        for on, off in narrow
    )


def _ranges_within(narrow: Ranges, wide: Ranges) -> bool:
    # Ranges never touch, so each narrow one must be inside a single wide one.
    return all(any(low <= n and m <= high for low, high in wide) for n, m in narrow)


def _addresses_within(narrow: Addresses, wide: Addresses) -> bool:
    if wide.prefixes or wide.sets:
        asked = bool(narrow.prefixes or narrow.sets)
        if not asked or not set(narrow.sets) <= set(wide.sets):
            return False
        if not _all_covered(narrow.prefixes, wide.prefixes):
            return False
    return set(wide.not_sets) <= set(narrow.not_sets) and _all_covered(
        wide.not_prefixes, narrow.not_prefixes
    )


def _all_covered(inner: Iterable[Prefix], outer: Iterable[Prefix]) -> bool:
    return all(any(each.covers(prefix) for each in outer) for prefix in inner)
