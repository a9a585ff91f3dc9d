"""One hook of a generation: a program with the tables of its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wirepath.datapath.generation import write
from wirepath.datapath.generation.pinned import BOUND
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.generation.loading import Loading
    from wirepath.kernel.maps import Map
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.plan.tables import Plan


@dataclass(frozen=True, slots=True)
class HookProgram:
    """The program that judges packets at one hook, with its maps.

    Attributes:
        hook: the hook.
        loaded: the program and its maps, including those that hooks share.
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
        loading: Loading | None,
    ) -> Self:
        """Load the program of *hook* and write the tables of its plan.

        Args:
            hook: the hook.
            plan: the plan of this hook.
            constants: constants that all hooks have, by C name.
            sizes: capacities of maps that the plan does not give, by C name.
            shared: existing maps to use instead of new ones, by C name.
            loading: how a program of ingress is loaded; None at the hooks of TC.

        Raises:
            KernelError: the kernel refuses it.
        """
        values = {**plan.constants, **constants, **(loading.constants() if loading else {})}
        name = BOUND if loading and loading.bound else hook
        loaded = Object.load(
            object_file(),
            constants=lambda btf: write.constants(values, btf),
            sizes=write.sizes(plan) | dict(sizes),
            reuse=shared,
            programs=[name],
            frags=loading is not None and loading.frags,
            bound=loading.bound if loading else 0,
            ifindex=loading.offload if loading else 0,
        )
        try:
            write.write(plan, loaded.maps, loaded.btf)
        except BaseException:
            loaded.close()
            raise
        return cls(hook, loaded)

    @property
    def program(self) -> Program:
        """The program."""
        [program] = self.loaded.programs.values()
        return program
