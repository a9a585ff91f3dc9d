"""One hook of a generation: a program with the tables of its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wirepath.datapath.generation import write
from wirepath.datapath.generation.pinned import INGRESS
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.kernel.maps import Map
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.plan.tables import Plan


@dataclass(frozen=True, slots=True)
class HookProgram:
    """What judges packets at one hook.

    Attributes:
        hook: which.
        loaded: its program and its maps, those that hooks share included.
    """

    hook: Hook
    loaded: Object

    @classmethod
    def load(
        cls,
        hook: Hook,
        plan: Plan,
        *,
        constants: Mapping[str, object],
        sizes: Mapping[str, int],
        shared: Mapping[str, Map],
        frags: bool,
        ifindex: int,
    ) -> Self:
        """Load the program of *hook* and write the tables of its plan.

        Args:
            hook: which.
            plan: of this hook.
            constants: more of them, those of all hooks.
            sizes: capacities of maps besides those of the plan.
            shared: maps that there are already, by name.
            frags: whether an XDP program takes frames in several buffers.
            ifindex: for hardware offload, the interface.

        Raises:
            KernelError: the kernel does not take it.
        """
        values = {**plan.constants, **constants}
        loaded = Object.load(
            object_file(),
            constants=lambda btf: write.constants(values, btf),
            sizes=write.sizes(plan) | dict(sizes),
            reuse=shared,
            programs=[hook],
            frags=frags and hook == INGRESS,
            ifindex=ifindex,
        )
        try:
            write.write(plan, loaded.maps, loaded.btf)
        except BaseException:
            loaded.close()
            raise
        return cls(hook, loaded)

    @property
    def program(self) -> Program:
        """What judges packets."""
        return self.loaded.programs[self.hook]
