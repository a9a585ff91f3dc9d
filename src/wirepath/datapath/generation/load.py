"""One generation: the programs of all hooks with their tables, loaded but not yet serving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from wirepath.datapath.generation import state as actions
from wirepath.datapath.generation.hook import HookProgram
from wirepath.datapath.generation.manifest import PAGE
from wirepath.datapath.generation.slots import Succession
from wirepath.plan import lower
from wirepath.prefixes import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from wirepath.datapath.live.prefix_counters import Replacement
    from wirepath.kernel.btf import Btf
    from wirepath.kernel.maps import Map
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.plan import Plan
    from wirepath.policy import Policy
    from wirepath.prefixes import Members

# Maps that go from generation to generation, and the packets with them.
STATE: Final = ("outcomes", "rule_counters", "bans", "ban_lengths", "prefix_counters")
_SETS: Final = (
    "set_lines",
    "set_fences",
    "set_leaves",
    "set_fence_head",
    "set_members",
    "set_classes",
    "set_head",
)
SHARED: Final = (*STATE, *actions.STATE, *_SETS, "manifest")
"""Maps that the hooks of a generation have in common."""

# Room for live changes, beyond what a set table needs: a part of it, and at least so much.
_ROOM: Final = 4
_ROOM_LINES: Final = 16_384
_ROOM_LEAVES: Final = 1_024
_ROOM_MEMBERS: Final = 65_536
_ROOM_CLASSES: Final = 256
_CLASSES_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Generation:
    """Loaded programs with their tables. Leaving the context unloads what is not pinned.

    Attributes:
        hooks: each program, at least one; what all share is among the maps of each.
        tables: the set table, as it was built.
    """

    hooks: Mapping[Hook, HookProgram]
    tables: Tables

    @classmethod
    def load(
        cls,
        policy: Policy,
        members: Members,
        *,
        state: Mapping[str, Map] | None = None,
        succession: Succession | None = None,
        describe: Callable[[Mapping[Hook, Plan], Tables], bytes] | None = None,
        sizes: Mapping[str, int] | None = None,
        hooks: Collection[Hook] | None = None,
        devices: Mapping[str, int] | None = None,
        replaying: bool = False,
        ifindex: int = 0,
    ) -> Self:
        """Lower *policy*, load the programs and write their tables.

        Args:
            policy: a valid one.
            members: the contents of its sets, numbered in its order.
            state: maps of the generation before, by name.
            succession: the places of its names; whoever gives it writes the entries of sets
                (`PrefixCounters`). Rules are in file order and no entry is counted if None.
            describe: gives the text of the manifest, of whole pages; none is written if None.
            sizes: capacities of maps to change, by name.
            hooks: which; those of *policy* if None.
            devices: where its mirrors send copies, by target, the ifindex; nowhere if None.
            replaying: the clock and the length of a frame come with it (``bpf/trace.h``).
            ifindex: for hardware offload, the interface.

        Raises:
            RequestError: the policy asks for more than the tables hold.
            KernelError: the kernel does not take it.
        """
        tables = Tables.build(members, spare_classes=_ROOM_CLASSES)
        set_room = min(tables.classes + _ROOM_CLASSES, _CLASSES_MAX)
        places = succession or replace(Succession.first(policy), counting={}, learned_ns={})
        plans = {
            hook: lower(policy.at(hook), tables.masks, set_room) for hook in hooks or policy.hooks
        }
        text = describe(plans, tables) if describe else b""
        needed = _sizes(tables, set_room) | actions.state_sizes(policy, places)
        needed |= {"manifest": max(1, len(text) // PAGE)} | dict(sizes or {})
        shared = dict(state or {})
        loaded: dict[Hook, HookProgram] = {}
        try:
            for hook, plan in plans.items():
                program = loaded[hook] = HookProgram.load(
                    hook,
                    plan,
                    set_root_bits=tables.root_bits,
                    shared=shared,
                    sizes=needed,
                    succession=places,
                    devices=devices or {},
                    replaying=replaying,
                    ifindex=ifindex,
                )
                shared = {name: program.loaded.maps[name] for name in SHARED}
            _write_sets(tables, shared)
            with shared["manifest"].memory() as memory:
                memory[: len(text)] = text
        except BaseException:
            for program in loaded.values():
                program.loaded.close()
            raise
        return cls(loaded, tables)

    @property
    def maps(self) -> Mapping[str, Map]:
        """Those of the first hook, and those that all share."""
        return self._first.loaded.maps

    @property
    def btf(self) -> Btf:
        """The types of the data plane."""
        return self._first.loaded.btf

    @property
    def plan(self) -> Plan:
        """What the tables of the first hook were written from."""
        return self._first.plan

    @property
    def program(self) -> Program:
        """What judges packets at the first hook."""
        return self._first.program

    def replace_counters(
        self, members: Members, numbers: Mapping[str, int], before: Mapping[str, int]
    ) -> Replacement | None:
        """Have the counters of prefixes in sets that count, in place of those that serve.

        Args:
            members: of all sets.
            numbers: by set with counters, its number, as in `Succession`.
            before: the same of the generation that serves.

        Returns:
            What undoes or finishes it; None if no set counts, then or now.

        Raises:
            KernelError: the table cannot be read or written.
        """
        if not (numbers or before):
            return None
        from wirepath.datapath.live.prefix_counters import PrefixCounters

        ids = self.plan.set_ids
        by_id = {ids[name]: number for name, number in numbers.items()}
        return PrefixCounters(self.maps, by_id).replace(members, before.values())

    @property
    def _first(self) -> HookProgram:
        return next(iter(self.hooks.values()))

    def close(self) -> None:
        """Unload it, unless it is pinned or attached."""
        for program in self.hooks.values():
            program.loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_sets(tables: Tables, maps: Mapping[str, Map]) -> None:
    tables.write(
        lines=maps["set_lines"].memory(),
        fences=maps["set_fences"].memory(),
        leaves=maps["set_leaves"].memory(),
        prefix_head=maps["set_fence_head"].memory(),
    )
    tables.write_sets(
        members=maps["set_members"].memory(),
        set_classes=maps["set_classes"].memory(),
        set_head=maps["set_head"].memory(),
    )


def _sizes(tables: Tables, set_room: int) -> dict[str, int]:
    leaves = _with_room(tables.leaves, _ROOM_LEAVES)
    return {
        "set_lines": _with_room(tables.lines, _ROOM_LINES),
        "set_leaves": leaves,
        "set_fences": 2 * leaves,
        "set_members": _with_room(tables.members, _ROOM_MEMBERS),
        "set_classes": set_room,
    }


def _with_room(size: int, least: int) -> int:
    return size + max(size // _ROOM, least)
