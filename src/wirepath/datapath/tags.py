"""VLAN tags that the driver strips: who asks for them at ingress, and whether XDP can see them.

With rxvlan on, a driver takes the outermost tag out of a received frame and keeps it next to the
bytes. The hooks of TC always know it. A program of XDP may ask the driver, if it is loaded for this
device, in native mode, and if the driver can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.kernel import stripping
from wirepath.kernel.devices import above, devices

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wirepath.kernel.interface import Interface
    from wirepath.kernel.links import Mode
    from wirepath.policy import Policy

# Kinds of devices; a bridge may do so itself, by its filter.
_TAKING_TAGS: Final = frozenset({"vlan", "bridge", "openvswitch"})


def asking(policy: Policy, mode: Mode) -> list[str]:
    """List the rules at ingress that need the tag: for their match, or for their answer.

    In generic mode the kernel itself gives an answer the tag of the frame.
    """
    return [
        rule.name
        for rule in policy.rules
        if "ingress" in rule.hooks
        and (rule.match.vlan or (mode != "generic" and "tx" in rule.action.may))
    ]


def driver_tells(interface: Interface) -> bool:
    """Tell whether a program that is loaded for *interface* can ask its driver for the tag."""
    from wirepath.kernel.netlink import xdp_metadata

    return interface.link == "ethernet" and "vlan_tag" in xdp_metadata(interface.index)


def unseen(
    interface: Interface,
    rules: Sequence[str],
    mode: Mode,
    *,
    matching: Collection[str],
    bound: bool,
) -> list[str]:
    """Warn of rules that need a tag that the program cannot see: one line for each.

    Args:
        interface: where the program runs.
        rules: the names of the rules that need tags.
        mode: how it is attached.
        matching: names of rules that match on tags. The others answer; they need tags only if a
            device on top of *interface* takes frames that have one.
        bound: whether it asks the driver for tags.
    """
    if not any(each.kind in _TAKING_TAGS for each in above(interface.index, devices())):
        rules = [name for name in rules if name in matching]
    if bound or not rules or not (cure := stripping.advice(interface, mode)):
        return []
    what = f"{interface.name} strips VLAN tags, and ingress in {mode} mode does not see them"
    return [f"rule {name}: {what} ({cure})" for name in rules]
