"""How the program of ingress is loaded, which depends on the mode and on the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wirepath.kernel.functions import has_function

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface
    from wirepath.kernel.links import Mode


@dataclass(frozen=True, slots=True)
class Loading:
    """How the program of ingress is loaded.

    Attributes:
        frags: whether it takes frames in several buffers.
        offload: the ifindex of the device that runs it itself; 0: the host does.
        merged: whether packets of several segments reach it.
        told: whether the kernel tells it of how many segments.
    """

    frags: bool = True
    offload: int = 0
    merged: bool = False
    told: bool = False

    @classmethod
    def of(cls, mode: Mode, interface: Interface) -> Self:
        """Decide how to load it for *interface*."""
        if mode == "generic":
            # With frags, the kernel hands packets on to TC without their link header.
            return cls(frags=False, merged=True, told=has_function("bpf_rdonly_cast"))
        if mode == "offload":
            return cls(offload=interface.index)
        return cls()

    def constants(self) -> dict[str, object]:
        """Give the constants of the program that this decides, by C name."""
        return {"merging": {"possible": self.merged, "told": self.told}}
