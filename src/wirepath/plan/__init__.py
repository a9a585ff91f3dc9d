"""Lower a policy to constants and tables, which the joint writes into the kernel.

This is pure: the same arguments give the same plan on every machine. A plan speaks the names of the
C side; their numbers are known only from BTF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wirepath.plan import actions, sets, split

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wirepath.net import Hook, Link
    from wirepath.plan.hook import HookPlan
    from wirepath.plan.slots import Slots
    from wirepath.plan.tables import Plan
    from wirepath.policy import Policy
    from wirepath.prefixes import Members, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A policy with its plans.

    Attributes:
        policy: the policy that was planned.
        slots: the places of its names.
        hooks: the plan of each hook, at least one.
        shared: the plan of the sets, which all hooks share.
        states: by map of what actions remember, how many entries it must have.
        ban_lengths: prefix lengths of the bans on all packets that limits impose.
        tables: the prefix table of all sets.
    """

    policy: Policy
    slots: Slots
    hooks: Mapping[Hook, HookPlan]
    shared: Plan
    states: Mapping[str, int]
    ban_lengths: Collection[int]
    tables: Tables


def fit(policy: Policy, members: Members, slots: Slots) -> Tables:
    """See whether the tables hold all that *policy* asks for, as `plan` does, but plan no hook.

    Args:
        policy: a valid one.
        members: the contents of its sets, numbered in its order.
        slots: the places of its names.

    Returns:
        The prefix table of all sets.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    tables = sets.build(members, slots.secret)
    for hook in policy.hooks:
        split.split(policy.at(hook))
    actions.states(policy, slots, cpus=1)
    return tables


def plan(
    policy: Policy,
    members: Members,
    slots: Slots,
    *,
    hooks: Collection[Hook] | None = None,
    devices: Mapping[str, int] | None = None,
    link: Link = "ethernet",
    cpus: int = 1,
) -> Planned:
    """Plan *policy*.

    Args:
        policy: a valid one.
        members: the contents of its sets, numbered in its order.
        slots: the places of its names.
        hooks: the hooks to plan; those of *policy* if None.
        devices: the ifindex of each existing device that copies go to, by `Target.words`.
        link: the headers that frames begin with.
        cpus: how many the machine has that the plan is for.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    from wirepath.plan.hook import plan_hook

    tables = sets.build(members, slots.secret)
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
                link=link,
            )
            for hook in hooks or policy.hooks
        },
        shared=sets.plan_sets(tables, changing=bool(policy.sets)),
        states=actions.states(policy, slots, cpus),
        ban_lengths=actions.ban_lengths(policy),
        tables=tables,
    )
