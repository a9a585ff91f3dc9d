"""What all actions have in common, and what they remember."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from wirepath.net import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

    from wirepath.actions.limit import Limit
    from wirepath.actions.needs import Need
    from wirepath.actions.placed import Placed
    from wirepath.actions.state import StateMap
    from wirepath.document import Table
    from wirepath.net import Ban, Hook, Outcome, Packet, Prefix, Reason, Verdict, VerdictName


class Key(NamedTuple):
    """What a key of a rule asks for.

    Attributes:
        read: takes it, and notes what is wrong.
        kinds: the actions that come of it, and that they come with.
    """

    read: Callable[[Table], Action | None]
    kinds: tuple[type[Action], ...]


class Bans(Protocol):
    """Where the model keeps bans."""

    def impose(self, ban: Ban) -> None:
        """Let *ban* take the place of one of its prefix and scope."""

    def on(self, prefix: Prefix, scope: str, now_ns: int) -> Ban | None:
        """Give the one in force that is for packets of rule *scope* and exactly *prefix*."""


@dataclass(slots=True)
class Memory:
    """What a rule of the model remembers from packet to packet, as the data plane does in maps.

    Attributes:
        rule: its name.
        bans: of all rules, and of operators.
        secret: that cookies are made with.
        now_ns: the clock of the packet at hand.
        cells: of its limits, by role and key: when it will have nothing outstanding, ns.
        sessions: WireGuard's, of all rules: by index, until when it is good, ns.
        learned_ns: when sessions are known; None: they never are.
        departs_ns: when the packet at hand may leave; 0 if at once.
        leaves_with: what the packet at hand leaves with if it passes, by the action that says so.
    """

    rule: str
    bans: Bans
    secret: tuple[int, int] = (0, 0)
    now_ns: int = 0
    cells: dict[Hashable, int] = field(default_factory=dict)
    sessions: dict[int, int] = field(default_factory=dict)
    learned_ns: int | None = None
    departs_ns: int = 0
    leaves_with: dict[str, int] = field(default_factory=dict)


class Counting(NamedTuple):
    """What rules with an action count besides packets, bytes and drops.

    Attributes:
        names: what commands tell, in this order: of ``struct rule_counter``, of the map *own*, or
            ``conformed``, which is what was not dropped.
        own: the map of counters that are the action's alone, laid out by slot as ``rule_counters``
            is; empty if it has none.
    """

    names: tuple[str, ...] = ()
    own: str = ""


class Action:
    """What a rule does with every packet that it matches.

    Attributes:
        kind: its name in ``enum action`` of ``bpf/rules/act.h``.
        configs: the map of its structs, by rule; empty if it has none.
        parallel: maps with an entry for each of those structs.
        states: the maps of what it remembers.
        counting: what its rules count besides packets, bytes and drops.
        matches: what its rule must say at least of packets: the protocol, and a port; None if it
            takes any.
        hooks: where it works.
        absent: why it does not work elsewhere; empty if that goes without saying.
        counts: whether its rule counts packets, and is one of the operator's.
        most: rules with it at a hook; None if there may be any number.
        reason: of `verdict`.
        tcp_flags: (all set, all clear), of the only packets that it is for; none if it is for all.
    """

    __slots__ = ()
    kind: ClassVar[str] = "none"
    configs: ClassVar[str] = ""
    parallel: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[tuple[StateMap, ...]] = ()
    counting: ClassVar[Counting] = Counting()
    matches: ClassVar[int | None] = None
    hooks: ClassVar[tuple[Hook, ...]] = HOOKS
    absent: ClassVar[str] = ""
    counts: ClassVar[bool] = True
    most: ClassVar[int | None] = None
    reason: ClassVar[Reason] = "rule"
    tcp_flags: ClassVar[tuple[tuple[int, int], ...]] = ()

    @property
    def verdict(self) -> Outcome | None:
        """What every matching packet gets; None if some go on."""
        return None

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Every verdict that it can give."""
        return (self.verdict,) if self.verdict else ()

    @property
    def limits(self) -> Mapping[str, Limit]:
        """What it limits, by role; its struct names each of them ``ROLE_limit``."""
        return {}

    @property
    def remembers(self) -> Mapping[StateMap, int]:
        """How many entries of its `states` it needs, without those of its limits."""
        return {}

    @property
    def learns_ns(self) -> int:
        """For how long it only learns from packets before it judges by that; 0 if it does not."""
        return 0

    @property
    def flags(self) -> Mapping[str, bool]:
        """Constants of the data plane that are true where any rule has them true, by C name."""
        return {}

    @property
    def on_answers(self) -> Action | None:
        """What is done at egress with what its rule's packets are answered by; nothing if None."""
        return None

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the host must have for it."""
        return ()

    def misplaced(
        self,
        hooks: Collection[Hook],  # noqa: ARG002 - for those that say something
    ) -> Iterable[tuple[str, str]]:
        """Say what of it does not work at *hooks*, where it works otherwise: key and message."""
        return ()

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Decide *packet*, which the rule matches; None lets the walk go on."""
        raise NotImplementedError

    def lower(self, placed: Placed) -> dict[str, Any]:
        """Give its struct, ``struct KIND`` in ``bpf/actions/KIND.h``, but for its limits."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say it in a word or a few, for ``wirepath rules``."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """Give the rule's keys that ask for it; `wirepath.actions.read` is the way back."""
        raise NotImplementedError
