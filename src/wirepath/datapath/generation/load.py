"""Loading a generation: the programs of all hooks with their tables, not yet serving."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from wirepath.datapath.generation import cells, state, write
from wirepath.datapath.generation.hook import HookProgram
from wirepath.datapath.generation.loading import Loading
from wirepath.datapath.generation.manifest import PAGE
from wirepath.datapath.generation.pinned import INGRESS, PROGRAM
from wirepath.datapath.live.ban_lengths import Lengths
from wirepath.datapath.live.ban_table import ROOMS
from wirepath.kernel import conntrack
from wirepath.kernel.functions import has_function
from wirepath.kernel.lockdown import is_confidential
from wirepath.plan import plan
from wirepath.plan.sets import SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from wirepath.datapath.live.prefix_counters import Replacement
    from wirepath.kernel.btf import Btf
    from wirepath.kernel.maps import Map
    from wirepath.kernel.program import Program
    from wirepath.net import Hook, Link
    from wirepath.plan import Planned
    from wirepath.plan.hook import HookPlan
    from wirepath.plan.slots import Slots
    from wirepath.policy import Policy
    from wirepath.prefixes import Members, Tables

SHARED: Final = (*state.STATE, *SETS, "manifest")
"""Maps that the hooks of a generation share."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Loaded programs with their tables; leaving the context unloads them unless they are pinned.

    Attributes:
        hooks: the program of each hook, at least one; each has the shared maps among its maps.
        planned: the plans that the tables were written from.
    """

    hooks: Mapping[Hook, HookProgram]
    planned: Planned

    @classmethod
    def load(
        cls,
        policy: Policy,
        members: Members,
        *,
        before: Mapping[str, Map] | None = None,
        slots: Slots | None = None,
        describe: Callable[[Mapping[Hook, HookPlan], Tables], bytes] | None = None,
        sizes: Mapping[str, int] | None = None,
        hooks: Collection[Hook] | None = None,
        devices: Mapping[str, int] | None = None,
        link: Link = "ethernet",
        loading: Loading | None = None,
        mac: bytes | None = None,
        replaying: bool = False,
    ) -> Self:
        """Plan *policy*, load the programs and write their tables.

        Args:
            policy: the policy.
            members: the contents of its sets, numbered in the order of the policy.
            before: maps of the previous generation, by C name; its state is carried over.
            slots: the slots of the policy's names; a caller that gives them writes the prefix
                counters (`PrefixCounters`). If None, slots are in file order and no prefix counts.
            describe: makes the text of the manifest, in whole pages; none is written if None.
            sizes: capacities of maps to override, by C name.
            hooks: the hooks to load; those of *policy* if None.
            devices: by mirror target, the ifindex that copies are sent to; no copies if None.
            link: the headers that frames begin with.
            loading: how the program of ingress is loaded; if None, as most drivers take it.
            mac: the MAC of the interface; None if none gets the programs: then all frames are ours.
            replaying: whether a frame brings its own time and length along (``bpf/trace.h``).

        Raises:
            RequestError: the policy asks for more than the tables hold.
            KernelError: the kernel refuses it.
        """
        planned = plan(
            policy,
            members,
            slots or state.attached_nowhere(policy),
            hooks=hooks,
            devices=devices,
            link=link,
            cpus=os.cpu_count() or 1,
        )
        constants = {
            "replaying": replaying,
            "link_header_may_hide": link == "ethernet"
            and not replaying
            and has_function("bpf_cast_to_kern_ctx"),
            "packets_have_states": policy.tracks and conntrack.on_packets(),
            **_telling_foreign(mac, replaying=replaying),
        }
        text = describe(planned.hooks, planned.tables) if describe else b""
        needed = write.sizes(planned.shared)
        needed |= {name: write.capacity(size) for name, size in planned.states.items()}
        needed |= {"manifest": write.capacity(len(text) // PAGE)} | dict(sizes or {})
        bans = needed.setdefault("bans", ROOMS[-1])
        shared = state.carried(before, planned.states, bans) if before else {}
        loaded: dict[Hook, HookProgram] = {}
        try:
            for hook, of_hook in planned.hooks.items():
                program = loaded[hook] = HookProgram.load(
                    hook,
                    of_hook,
                    constants={**planned.shared.constants, **constants},
                    sizes=needed,
                    shared=shared,
                    loading=(loading or Loading()) if hook == INGRESS else None,
                )
                shared = {name: program.loaded.maps[name] for name in SHARED}
            write.write(planned.shared, shared, program.loaded.btf)
            Lengths(shared["ban_lengths"]).expect(planned.ban_lengths)
            with shared["manifest"].memory() as memory:
                memory[: len(text)] = text
        except BaseException:
            for program in loaded.values():
                program.loaded.close()
            raise
        return cls(loaded, planned)

    @property
    def maps(self) -> Mapping[str, Map]:
        """The maps of the first hook, with the maps that all hooks share."""
        return self._first.loaded.maps

    @property
    def btf(self) -> Btf:
        """The types of the data plane."""
        return self._first.loaded.btf

    @property
    def plan(self) -> HookPlan:
        """The plan of the first hook."""
        return self.planned.hooks[self._first.hook]

    @property
    def program(self) -> Program:
        """The program of the first hook."""
        return self._first.program

    def pin(self, directory: Path) -> None:
        """Pin the generation in *directory*, with a directory inside for each hook of TC.

        Each program holds all of its maps from then on, so that the kernel knows them without pins.

        Raises:
            PinError: a pin of the same name exists.
        """
        for hook, program in self.hooks.items():
            own = directory if hook == INGRESS else directory / hook
            if own != directory:
                own.mkdir(mode=0o700)
            for name, each in program.loaded.maps.items():
                if "rodata" in name:
                    continue
                if own == directory or name not in SHARED:
                    each.pin(own / name)
                program.program.hold(each)
            program.program.pin(own / (INGRESS if own == directory else PROGRAM))

    def hold(self, record: Map) -> None:
        """Keep *record*, which no program reads, in the kernel for as long as the programs are."""
        for program in self.hooks.values():
            program.program.hold(record)

    def take_over(self, before: Mapping[str, Map], policy: Policy, slots: Slots) -> None:
        """Take the state of rules that stay over; call this right before the generation serves.

        Args:
            before: the maps of the serving generation, by C name.
            policy: its policy.
            slots: its places.
        """
        after = self.planned.slots
        state.take_over(before, self.maps, slots.ranges, after.ranges)
        cells.convert(self.maps, policy, slots, self.planned.policy, after)

    def replace_counters(self, members: Members, before: Mapping[str, int]) -> Replacement | None:
        """Begin to exchange the prefix counters of the serving generation for those of this one.

        Args:
            members: the prefixes of all sets.
            before: by set with counters, its number in the serving generation, as in `Slots`.

        Returns:
            The exchange, to be undone or finished; None if neither generation counts by prefix.

        Raises:
            KernelError: the table cannot be read or written.
        """
        numbers = self.planned.slots.counting
        if not (numbers or before):
            return None
        from wirepath.datapath.live.prefix_counters import PrefixCounters

        ids = {name: number for number, name in enumerate(self.planned.policy.sets)}
        by_id = {ids[name]: number for name, number in numbers.items()}
        return PrefixCounters(self.maps, by_id).replace(members, before.values())

    @property
    def _first(self) -> HookProgram:
        return next(iter(self.hooks.values()))

    def close(self) -> None:
        """Unload the programs and maps, unless they are pinned or attached."""
        for program in self.hooks.values():
            program.loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# How the program tells foreign frames; where it cannot, every frame is ours. A replay is told.
def _telling_foreign(mac: bytes | None, *, replaying: bool) -> dict[str, object]:
    typed = has_function("bpf_cast_to_kern_ctx")
    able = replaying or (mac is not None and (typed or not is_confidential()))
    return {
        "kernel_typed": typed,
        "loaded_mac": int.from_bytes(mac or b"", "little"),
        **({} if able else {"foreign_ignored": False}),
    }
