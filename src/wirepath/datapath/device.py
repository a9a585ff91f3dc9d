"""Interfaces that a policy cannot hold on: refused by name, before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.errors import AttachError, RequestError
from wirepath.kernel import virtio

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface
    from wirepath.net import Link
    from wirepath.policy import Policy

# Devices whose packets do not meet the hooks of the device itself.
_BYPASSED: Final = {
    "vrf": "packets meet the hooks of its members, not its own (attach to its members)",
    "ifb": "packets are redirected there after they met the hooks (attach where they come from)",
}


def check_native(interface: Interface) -> None:
    """Check whether packets meet a program in native mode, which attaching does not tell.

    Raises:
        AttachError: they do not; says what to do.
    """
    has = virtio.bits(interface)
    what, cure = virtio.blind(has) if has is not None else ("", "")
    if what:
        raise AttachError(f"attach {interface.name}", what=what, cure=cure)


def link_of(interface: Interface, policy: Policy) -> Link:
    """Tell which headers frames of *interface* begin with.

    Raises:
        AttachError: packets do not meet its hooks, or begin with headers that we do not read.
        RequestError: *policy* answers or copies packets, which takes Ethernet headers.
    """
    name = interface.name
    if why := _BYPASSED.get(interface.driver):
        what, _, cure = why.partition(" (")
        raise AttachError(f"attach {name}", what=f"{interface.driver}: {what}", cure=cure[:-1])
    if interface.link is None:
        what = f"its frames begin with headers of type {interface.arphrd} (linux/if_arp.h)"
        cure = "wirepath reads Ethernet and IP: attach to the device underneath"
        raise AttachError(f"attach {name}", what=what, cure=cure)
    if interface.link == "ip":
        _check_rules(name, policy)
    return interface.link


def _check_rules(name: str, policy: Policy) -> None:
    from wirepath.datapath.generation.pinned import INGRESS
    from wirepath.plan.actions import copies

    does = {rule.name: "answers packets" for rule in policy.rules if "tx" in rule.action.may}
    does |= dict.fromkeys(copies(policy), "copies packets")
    for rule, what in does.items():
        raise RequestError(
            f"rule.{rule}: {what}, which takes Ethernet headers; {name} has none"
            " (put the rule on the device underneath, or leave it out)"
        )
    # After generic XDP the kernel takes the first bytes for Ethernet: if one changes whose lowest
    # bit says "multicast", as in IPv6, it reads the rest as such (bpf_prog_run_generic_xdp).
    for each in policy.rules:
        if each.action.rewrites and INGRESS in each.hooks:
            raise RequestError(
                f"rule.{each.name}: changes packets at ingress, where {name} has no Ethernet"
                ' headers and the kernel would lose them (use hook = "tc_ingress")'
            )
