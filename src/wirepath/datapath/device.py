"""Interfaces that a policy cannot hold on: refused by name, before anything is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath.errors import AttachError, RequestError

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface
    from wirepath.net import Link
    from wirepath.policy import Policy

# Devices whose packets do not meet the hooks of the device itself.
_BYPASSED: Final = {
    "vrf": "packets meet the hooks of its members, not its own (attach to its members)",
    "ifb": "packets are redirected there after they met the hooks (attach where they come from)",
}


# Of virtio_net, linux/virtio_net.h: the features that this rests on, by bit.
_MERGEABLE: Final = 15
_MERGED: Final = (7, 8, 9, 10)  # GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO
_SYSFS: Final = Path("/sys/class/net")


def check_native(interface: Interface) -> None:
    """Check whether packets meet a program in native mode, which attaching does not tell.

    Raises:
        AttachError: they do not; says what to do.
    """
    if interface.driver != "virtio_net":
        return
    try:
        bits = (_SYSFS / interface.name / "device" / "features").read_text().strip()
    except OSError:  # in another network namespace than that of this /sys
        return
    has = {bit for bit, char in enumerate(bits) if char == "1"}
    if _MERGEABLE not in has and has & set(_MERGED):
        what = "virtio_net takes merged packets past XDP without mergeable receive buffers"
        cure = "use --mode generic, or have the hypervisor set mrg_rxbuf=on"
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
