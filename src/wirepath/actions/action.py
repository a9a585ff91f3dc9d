"""The base class of all actions, and what a rule remembers in the model."""

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
    """A key of a rule that asks for an action.

    Attributes:
        read: takes the key from the rule and records what is invalid.
        kinds: the actions that it can give, and those that they bring along.
    """

    read: Callable[[Table], Action | None]
    kinds: tuple[type[Action], ...]


class Bans(Protocol):
    """The bans of the model."""

    def impose(self, ban: Ban) -> None:
        """Add *ban*; it replaces one of the same prefix and scope."""

    def on(self, prefix: Prefix, scope: str, now_ns: int) -> Ban | None:
        """Give the ban in force on exactly *prefix*, for packets of the rule *scope* alone."""


@dataclass(slots=True)
class Memory:
    """The memory of one rule in the model; the data plane keeps the same in maps.

    Attributes:
        rule: name of the rule.
        bans: those of all rules and of operators.
        secret: key of the hash that makes cookies.
        now_ns: time of the packet at hand.
        cells: by role and key of a limit, the time at which nothing will be outstanding, ns.
        sessions: by index of a WireGuard session, the time until which it is valid, ns; all rules
            share them.
        learned_ns: time from which sessions are known; None if they never are.
        departs_ns: time at which the packet at hand may leave; 0 if at once.
        leaves_with: by kind of action, the value that the packet at hand leaves with if it passes.
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
    """The counters of an action besides packets, bytes and drops.

    Attributes:
        names: the counters that commands show, in order: members of ``struct rule_counter``, of the
            map *own*, or ``conformed``, which is all that was not dropped.
        own: the action's own map of counters, laid out by slot like ``rule_counters``; empty if it
            has none.
    """

    names: tuple[str, ...] = ()
    own: str = ""


class Action:
    """What a rule does with every packet that it matches.

    Attributes:
        kind: its name in ``enum action`` of ``bpf/rules/act.h``.
        configs: the map of its structs, one for each rule; empty if it has no struct.
        parallel: maps with an entry for each of those structs.
        states: the maps that it remembers things in.
        counting: what its rules count besides packets, bytes and drops.
        matches: the protocol that its rule must match on, together with a port; None if any rule
            will do.
        hooks: the hooks at which it works.
        absent: why it does not work at the others; empty if that is obvious.
        counts: whether its rule counts packets, as every rule of the operator does.
        for_ours: whether it answers or remembers, so that it does nothing about foreign frames.
        most: how many rules at a hook may have it; None if any number.
        reason: the reason of `verdict`.
        rewrites: whether it changes bytes of packets that go on.
        tcp_flags: (all set, all clear) of the only TCP packets that it is for; empty if it is for
            all packets.
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
    for_ours: ClassVar[bool] = False
    most: ClassVar[int | None] = None
    reason: ClassVar[Reason] = "rule"
    rewrites: ClassVar[bool] = False
    tcp_flags: ClassVar[tuple[tuple[int, int], ...]] = ()

    @property
    def verdict(self) -> Outcome | None:
        """The verdict of every packet that matches; None if some go on."""
        return None

    @property
    def may(self) -> tuple[VerdictName, ...]:
        """Every verdict that the action can give."""
        return (self.verdict,) if self.verdict else ()

    @property
    def proves(self) -> bool:
        """Whether the SYNs that go on are of sources that have proved their address."""
        return False

    @property
    def limits(self) -> Mapping[str, Limit]:
        """The limits that it has, by role; its struct refers to each as ``ROLE_limit``."""
        return {}

    @property
    def remembers(self) -> Mapping[StateMap, int]:
        """How many entries it needs in each of its `states`; its limits add their own."""
        return {}

    @property
    def learns_ns(self) -> int:
        """How long it learns from packets before it judges by what it learned; 0: not at all."""
        return 0

    @property
    def flags(self) -> Mapping[str, bool]:
        """Constants of the data plane, by C name; each is true if it is for any rule."""
        return {}

    @property
    def on_answers(self) -> Action | None:
        """The action at egress on answers to packets of its rule; None if there is none."""
        return None

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the host must have for the action to work."""
        return ()

    def misplaced(
        self,
        hooks: Collection[Hook],  # noqa: ARG002 - subclasses use it
    ) -> Iterable[tuple[str, str]]:
        """Name the keys that do not work at *hooks*, though the action does: (key, message)."""
        return ()

    def decide(self, packet: Packet, memory: Memory) -> Verdict | None:
        """Decide *packet*, which the rule matches; None lets the walk go on."""
        raise NotImplementedError

    def lower(self, placed: Placed) -> dict[str, Any]:
        """Give the values of its struct, ``struct KIND`` in ``bpf/actions``, without limits."""
        raise NotImplementedError

    def describe(self) -> str:
        """Describe the action in a few words, for ``wirepath rules``."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """Give the keys of a rule that ask for it; `wirepath.actions.read` reads them again."""
        raise NotImplementedError
