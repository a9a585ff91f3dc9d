"""The reference model: decides about any packet under any policy, in simple, slow Python.

Tests compare the compiled program with it frame by frame; ``wirepath test`` uses it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from wirepath.actions.action import Memory
from wirepath.essentials import is_essential
from wirepath.frame import parse
from wirepath.net import ADDRESS_BITS, Ban, Hook, Link, Packet, Prefix, Verdict, is_ipv4
from wirepath.policy import Policy
from wirepath.policy.predicate import Members

V = TypeVar("V")

_IPV4_BITS = range(ADDRESS_BITS, ADDRESS_BITS - 33, -1)
_IPV6_BITS = range(ADDRESS_BITS, -1, -1)


class PrefixMap(Generic[V]):
    """A mapping from prefixes to values; has one dict per prefix length."""

    def __init__(self, items: Iterable[tuple[Prefix, V]] = ()) -> None:
        self._by_bits: dict[int, dict[int, V]] = {}
        for prefix, value in items:
            self[prefix] = value

    def __setitem__(self, prefix: Prefix, value: V) -> None:
        self._by_bits.setdefault(prefix.bits, {})[prefix.address] = value

    def __delitem__(self, prefix: Prefix) -> None:
        del self._by_bits[prefix.bits][prefix.address]

    def __iter__(self) -> Iterator[Prefix]:
        for bits, values in self._by_bits.items():
            for address in values:
                yield Prefix(address, bits)

    def __len__(self) -> int:
        return sum(map(len, self._by_bits.values()))

    def covering(self, address: int) -> Iterator[tuple[Prefix, V]]:
        """Yield every prefix that contains *address*, with its value; the longest first."""
        for bits in _IPV4_BITS if is_ipv4(address) else _IPV6_BITS:
            values = self._by_bits.get(bits)
            if values:
                prefix = Prefix.around(address, bits)
                if prefix.address in values:
                    yield prefix, values[prefix.address]


class PrefixSet:
    """The contents of a set: prefixes of both families, which may overlap."""

    def __init__(self, prefixes: Iterable[Prefix] = ()) -> None:
        self._map = PrefixMap((prefix, None) for prefix in prefixes)

    def add(self, prefix: Prefix) -> None:
        """Add *prefix*; does nothing if it is a member already."""
        self._map[prefix] = None

    def remove(self, prefix: Prefix) -> None:
        """Remove exactly *prefix*, not longer prefixes inside it.

        Raises:
            KeyError: *prefix* is not a member.
        """
        del self._map[prefix]

    def __contains__(self, address: int) -> bool:
        return any(True for _ in self._map.covering(address))

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)


class Bans:
    """Bans in force or expired, of operators and of rules."""

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self._for_all: PrefixMap[Ban] = PrefixMap()
        self._scoped: dict[tuple[Prefix, str], Ban] = {}
        for ban in bans:
            self.impose(ban)

    def impose(self, ban: Ban) -> None:
        """Add *ban*, in place of one with the same prefix and scope."""
        if ban.scope is None:
            self._for_all[ban.prefix] = ban
        else:
            self._scoped[ban.prefix, ban.scope] = ban

    def around(self, address: int, now_ns: int) -> Ban | None:
        """Return the most specific ban in force on all packets of *address*."""
        live = (ban for _, ban in self._for_all.covering(address) if now_ns < ban.expires_ns)
        return next(live, None)

    def on(self, prefix: Prefix, scope: str, now_ns: int) -> Ban | None:
        """Return the ban in force on packets of rule *scope* with exactly this *prefix*."""
        ban = self._scoped.get((prefix, scope))
        return ban if ban and now_ns < ban.expires_ns else None


class Decision(NamedTuple):
    """The decision of the model about one packet.

    Attributes:
        verdict: the verdict with its reason.
        matched: every rule that matched and counts the packet, in order; if a rule decided, it is
            the last.
        departs_ns: earliest departure time on the clock that was given; 0 for at once.
        leaves_with: what rules set on a packet that passes, by their action.
    """

    verdict: Verdict
    matched: tuple[str, ...] = ()
    departs_ns: int = 0
    leaves_with: Mapping[str, int] = MappingProxyType({})


class Model:
    """The model of a policy at one hook, with the contents of its sets and with bans.

    Args:
        policy: the policy.
        sets: contents by name; by default the prefixes that the policy itself lists.
        bans: in force or expired.
        secret: the key of SYN cookies.
        hook: the hook at which packets are judged.
        link: the headers that frames begin with.
        sessions: of WireGuard; the models of several hooks may share them.
        learned_ns: by rule, the time from which its sessions are known; never for other rules.

    Raises:
        KeyError: a set has files but is not in *sets*.
    """

    def __init__(
        self,
        policy: Policy,
        sets: Mapping[str, Members] | None = None,
        bans: Iterable[Ban] = (),
        *,
        secret: tuple[int, int] = (0, 0),
        hook: Hook = "ingress",
        link: Link = "ethernet",
        sessions: dict[int, int] | None = None,
        learned_ns: Mapping[str, int] | None = None,
    ) -> None:
        self.policy = policy = policy.at(hook)
        self.hook = hook
        self._link = link
        self.sets: dict[str, Members] = {}
        for name, spec in policy.sets.items():
            if sets is not None and name in sets:
                self.sets[name] = sets[name]
            elif spec.files:
                raise KeyError(name)
            else:
                self.sets[name] = PrefixSet(spec.prefixes)
        self.bans = Bans(bans)
        self._ignores_foreign = policy.datapath.foreign_frames == "ignore" and hook != "egress"
        self._management = PrefixSet(policy.datapath.never_block)
        known = {} if sessions is None else sessions
        self._memories = {
            rule.name: Memory(
                rule.name,
                self.bans,
                secret,
                sessions=known,
                learned_ns=(learned_ns or {}).get(rule.name),
            )
            for rule in policy.rules
        }

    def decide(
        self,
        frame: bytes | Packet,
        now_ns: int = 0,
        wire_bytes: int | None = None,
        *,
        added_bytes: int = 0,
        foreign: bool = False,
    ) -> Decision:
        """Decide about *frame*.

        Args:
            frame: bytes from the header of the link on, or a parsed packet.
            now_ns: time on the clock by which bans expire and limits refill.
            wire_bytes: length of the frame on the wire, if the capture cut it.
            added_bytes: how many of those were never there: the header that a replay puts in front.
            foreign: whether the frame is for another host's MAC.
        """
        packet = (
            frame
            if isinstance(frame, Packet)
            else parse(frame, wire_bytes, link=self._link, added_bytes=added_bytes)
        )
        if not isinstance(packet, Packet):
            return Decision(Verdict(self.policy.datapath.malformed, "malformed", fault=packet))
        if not packet.family:
            return Decision(Verdict("pass", "misread" if packet.misread else "not_ip"))
        if foreign and self._ignores_foreign:
            packet = replace(packet, foreign=True)
        guarded = self._guard(packet, now_ns)
        return Decision(guarded) if guarded else self._walk(packet, now_ns)

    def ban(self, address: int, now_ns: int) -> Ban | None:
        """Return the most specific ban in force on all packets of *address*."""
        return self.bans.around(address, now_ns)

    def is_never_blocked(self, address: int) -> bool:
        """Tell whether *address* is in ``never_block``."""
        return address in self._management

    def _guard(self, packet: Packet, now_ns: int) -> Verdict | None:
        if self.is_never_blocked(packet.source) or (
            self.hook == "egress" and self.is_never_blocked(packet.destination)
        ):
            return Verdict("pass", "never_block")
        if self.policy.datapath.passes_essentials and is_essential(packet, self.hook):
            return Verdict("pass", "essential")
        if ban := self.ban(packet.source, now_ns):
            return Verdict("drop", "banned", rule=ban.rule)
        if packet.fragment == "later" and self.policy.datapath.fragments == "drop":
            return Verdict("drop", "fragment")
        return None

    def _walk(self, packet: Packet, now_ns: int) -> Decision:
        matched, departs_ns = [], 0
        leaves_with: dict[str, int] = {}
        verdict: Verdict | None = None
        for rule in self.policy.rules:
            if rule.match.holds(packet, self.sets):
                if rule.action.counts:
                    matched.append(rule.name)
                if packet.foreign and rule.action.for_ours:
                    continue
                memory = self._memories[rule.name]
                memory.now_ns, memory.departs_ns = now_ns, departs_ns
                memory.leaves_with = leaves_with
                verdict = rule.action.decide(packet, memory)
                departs_ns = memory.departs_ns
                if verdict:
                    break
        verdict = verdict or Verdict(self.policy.datapath.default, "default")
        passes = verdict.verdict == "pass"
        return Decision(verdict, tuple(matched), departs_ns, leaves_with if passes else {})
