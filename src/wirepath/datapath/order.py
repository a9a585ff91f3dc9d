"""An order: what is to serve on an interface, read and checked before anything changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wirepath.datapath.generation.manifest import Tc
    from wirepath.datapath.host.place import Place
    from wirepath.kernel.links import Mode
    from wirepath.net import Link
    from wirepath.plan.requirements import Requirements
    from wirepath.policy import Policy
    from wirepath.prefixes import Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that decides what will serve on an interface, and how.

    Attributes:
        policy: the policy.
        members: the contents of its sets, numbered in the order of the policy.
        needs: what the policy requires of the host.
        place: the interface, and what may be changed there.
        mode: how the XDP program is attached.
        link: the headers that frames begin with there.
        tc: how programs are attached at the hooks of TC.
        bans: how many bans there has to be room for, at least.
    """

    policy: Policy
    members: Members
    needs: Requirements
    place: Place
    mode: Mode
    link: Link
    tc: Tc
    bans: int = 0
