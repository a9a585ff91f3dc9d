"""The reference: what any packet gets under any policy, in plain Python. Not fast; plain.

The compiled program is held against it frame by frame, and ``wirepath test`` asks it.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from wirepath.actions.action import Memory
from wirepath.frame import parse
from wirepath.net import ADDRESS_BITS, Ban, Hook, Packet, Prefix, Verdict, is_ipv4
from wirepath.policy import Policy
from wirepath.policy.predicate import Members

V = TypeVar("V")

_IPV4_BITS = range(ADDRESS_BITS, ADDRESS_BITS - 33, -1)
_IPV6_BITS = range(ADDRESS_BITS, -1, -1)


class PrefixMap(Generic[V]):
    """Values by prefix; one dict a length."""

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
        """Yield every prefix that *address* lies in, with its value; the longest first."""
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
        """Put *prefix* in; nothing happens if it is in already."""
        self._map[prefix] = None

    def remove(self, prefix: Prefix) -> None:
        """Take *prefix* itself out, not what it covers.

        Raises:
            KeyError: it is not in.
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
        """Let *ban* take the place of one of its prefix and scope."""
        if ban.scope is None:
            self._for_all[ban.prefix] = ban
        else:
            self._scoped[ban.prefix, ban.scope] = ban

    def around(self, address: int, now_ns: int) -> Ban | None:
        """Give the most specific one in force that is for all packets of *address*."""
        live = (ban for _, ban in self._for_all.covering(address) if now_ns < ban.expires_ns)
        return next(live, None)

    def on(self, prefix: Prefix, scope: str, now_ns: int) -> Ban | None:
        """Give the one in force that is for packets of rule *scope* and exactly *prefix*."""
        ban = self._scoped.get((prefix, scope))
        return ban if ban and now_ns < ban.expires_ns else None


class Decision(NamedTuple):
    """What the model says about one packet.

    Attributes:
        verdict: and why.
        matched: every rule that matched and so counts the packet, in order; the one that decided
            is the last.
        departs_ns: not before, on the clock that was given; 0 if at once.
        leaves_with: what rules say that a packet that passes leaves with, by their action.
    """

    verdict: Verdict
    matched: tuple[str, ...] = ()
    departs_ns: int = 0
    leaves_with: Mapping[str, int] = MappingProxyType({})


class Model:
    """A policy with the contents of its sets, and the bans of the moment.

    Args:
        policy: valid by construction.
        sets: contents by name; of a set that is not here, the prefixes in the policy itself.
        bans: in force or expired.
        secret: that cookies are made with.
        hook: where packets are.
        sessions: of WireGuard, which the models of several hooks may share.
        learned_ns: by rule, when its sessions are known; of rules that are not here they never are.

    Raises:
        KeyError: a set has files and is not in *sets*.
    """

    def __init__(
        self,
        policy: Policy,
        sets: Mapping[str, Members] | None = None,
        bans: Iterable[Ban] = (),
        *,
        secret: tuple[int, int] = (0, 0),
        hook: Hook = "ingress",
        sessions: dict[int, int] | None = None,
        learned_ns: Mapping[str, int] | None = None,
    ) -> None:
        self.policy = policy = policy.at(hook)
        self.hook = hook
        self.sets: dict[str, Members] = {}
        for name, spec in policy.sets.items():
            if sets is not None and name in sets:
                self.sets[name] = sets[name]
            elif spec.files:
                raise KeyError(name)
            else:
                self.sets[name] = PrefixSet(spec.prefixes)
        self.bans = Bans(bans)
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
        self, frame: bytes | Packet, now_ns: int = 0, wire_bytes: int | None = None
    ) -> Decision:
        """Say what becomes of *frame*.

        Args:
            frame: bytes from the Ethernet header on, or a packet that was parsed before.
            now_ns: the clock that bans expire and limits refill by.
            wire_bytes: how long the frame was before a snap length cut it.
        """
        packet = frame if isinstance(frame, Packet) else parse(frame, wire_bytes)
        if not isinstance(packet, Packet):
            return Decision(Verdict(self.policy.datapath.malformed, "malformed", fault=packet))
        if not packet.family:
            return Decision(Verdict("pass", "not_ip"))
        guarded = self._guard(packet, now_ns)
        return Decision(guarded) if guarded else self._walk(packet, now_ns)

    def ban(self, address: int, now_ns: int) -> Ban | None:
        """Give the most specific ban in force for all packets of *address*."""
        return self.bans.around(address, now_ns)

    def is_never_blocked(self, address: int) -> bool:
        """Tell whether *address* is a management source."""
        return address in self._management

    def _guard(self, packet: Packet, now_ns: int) -> Verdict | None:
        if self.is_never_blocked(packet.source) or (
            self.hook == "egress" and self.is_never_blocked(packet.destination)
        ):
            return Verdict("pass", "never_block")
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
