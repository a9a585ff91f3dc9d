"""Which drivers take VLAN tags out of received frames, and how tags stay in their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.kernel import devices, offloads
from wirepath.kernel.interface import Interface

if TYPE_CHECKING:
    from wirepath.kernel.links import Mode

# Kinds of devices that another one hands its packets to, after the kernel has taken the tag out:
# net/core/dev.c, __netif_receive_skb_core, before it calls a handler.
_HANDED_ON: Final = frozenset({"bond", "team", "bridge", "macvlan", "ipvlan", "openvswitch"})
_ELSEWHERE: Final = "match on `vlan` at tc_ingress"
# By the kernel's names of features: ethtool's for the driver that receives, and for the peer of a
# veth, which leaves tags where they were when its peer sent them.
_KEPT_BY: Final = {
    "rx-vlan-hw-parse": ("rxvlan", "txvlan"),
    "rx-vlan-stag-hw-parse": ("rx-vlan-stag-hw-parse", "tx-vlan-stag-hw-insert"),
}


def advice(interface: Interface, mode: Mode) -> str:
    """Say how ingress gets to see the outermost VLAN tag of a frame; empty if nothing takes it out.

    Args:
        interface: where the program runs. The native program of a bond runs on its slaves, so
            that their settings count.
        mode: how it is attached.

    Raises:
        KernelError: the kernel refuses to list devices.
    """
    among = devices.devices()
    own = devices.find(interface.index, among)
    if not own or own.kind not in _HANDED_ON:
        return _advice(interface)
    if own.kind != "bond" or mode == "generic":
        return _ELSEWHERE
    slaves = (Interface.of(each.name) for each in devices.members(own, among))
    return ", ".join(filter(None, map(_advice, slaves)))


def _advice(interface: Interface) -> str:
    if offloads.are_on(interface.name, _KEPT_BY, fixed=True):
        return _ELSEWHERE
    features = offloads.are_on(interface.name, _KEPT_BY)
    if not features:
        return ""
    own = " off ".join(_KEPT_BY[each][0] for each in features)
    command = f"`ethtool -K {interface.name} {own} off`"
    if interface.driver != "veth":
        return command
    peer = " off ".join(_KEPT_BY[each][1] for each in features)
    return f"`ethtool -K PEER {peer} off` on its peer, then {command}"
