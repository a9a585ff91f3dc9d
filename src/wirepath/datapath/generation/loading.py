"""How the program of ingress is loaded, which depends on the mode and on the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wirepath.datapath import tags
from wirepath.kernel import features
from wirepath.kernel.functions import has_function
from wirepath.kernel.refusal import PAGE_MTU

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface
    from wirepath.kernel.links import Mode
    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True)
class Loading:
    """How the program of ingress is loaded.

    Attributes:
        frags: whether it takes frames in several buffers.
        bound: the ifindex of the device whose driver it asks for VLAN tags that are not in the
            frame; 0: it asks none.
        offload: the ifindex of the device that runs it itself; 0: the host does.
        merged: whether packets of several segments reach it.
        told: whether the kernel tells it of how many segments.
    """

    frags: bool = True
    bound: int = 0
    offload: int = 0
    merged: bool = False
    told: bool = False

    @classmethod
    def of(cls, policy: Policy, mode: Mode, interface: Interface) -> Self:
        """Decide how to load the program of *policy* for *interface*."""
        if mode == "generic":
            # With frags, the kernel hands packets on to TC without their link header.
            return cls(frags=False, merged=True, told=has_function("bpf_rdonly_cast"))
        if mode == "offload":
            return cls(offload=interface.index)
        if not (tags.asking(policy, mode) and tags.driver_tells(interface)):
            return cls()
        if features.binds(interface.index, frags=True):
            return cls(bound=interface.index)
        # Not every kernel that binds programs lets them take frames in several buffers.
        if interface.mtu <= PAGE_MTU and features.binds(interface.index, frags=False):
            return cls(bound=interface.index, frags=False)
        return cls()

    def constants(self) -> dict[str, object]:
        """Give the constants of the program that this decides, by C name."""
        return {
            "merging": {"possible": self.merged, "told": self.told},
            "tags_are_stripped": bool(self.bound),
        }
