"""A policy lowered to tables and constants; the joint writes them into the kernel's maps.

Pure: the same arguments give the same plan on every machine. Names are those of the C side; which
numbers they have there, only BTF knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wirepath.plan import actions, sets
from wirepath.plan.hook import HookPlan, plan_hook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wirepath.net import Hook
    from wirepath.plan.slots import Slots
    from wirepath.plan.tables import Plan
    from wirepath.policy import Policy
    from wirepath.prefixes import Members, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a policy becomes.

    Attributes:
        policy: what was planned.
        slots: the places of its names.
        hooks: the plan of each hook, at least one.
        shared: the plan of what all hooks have in common: the sets.
        states: how many entries each map of what actions remember has to have.
        ban_lengths: of the prefixes that limits ban from all rules.
        tables: the table of all sets.
    """

    policy: Policy
    slots: Slots
    hooks: Mapping[Hook, HookPlan]
    shared: Plan
    states: Mapping[str, int]
    ban_lengths: Collection[int]
    tables: Tables


def plan(
    policy: Policy,
    members: Members,
    slots: Slots,
    *,
    hooks: Collection[Hook] | None = None,
    devices: Mapping[str, int] | None = None,
    cpus: int = 1,
) -> Planned:
    """Plan *policy*.

    Args:
        policy: a valid one.
        members: the contents of its sets, numbered in its order.
        slots: the places of its names.
        hooks: which; those of *policy* if None.
        devices: the ifindex of each device that copies go to and that is there, by target.
        cpus: of the machine that it is for.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    tables = sets.build(members)
    return Planned(
        policy=policy,
        slots=slots,
        hooks={
            hook: plan_hook(
                hook,
                policy,
                slots,
                set_masks=tables.masks,
                set_room=sets.class_room(tables),
                devices=devices or {},
            )
            for hook in hooks or policy.hooks
        },
        shared=sets.plan_sets(tables),
        states=actions.states(policy, slots, cpus),
        ban_lengths=actions.ban_lengths(policy),
        tables=tables,
    )
