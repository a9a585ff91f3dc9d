"""Which drivers take VLAN tags out of received frames, and how tags stay in their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.kernel import devices, offloads
from wirepath.kernel.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator

# By the kernel's names of features: ethtool's for the driver that receives, and for the peer of a
# veth, which leaves tags where they were when its peer sent them.
_KEPT_BY: Final = {
    "rx-vlan-hw-parse": ("rxvlan", "txvlan"),
    "rx-vlan-stag-hw-parse": ("rx-vlan-stag-hw-parse", "tx-vlan-stag-hw-insert"),
}


def advice(interface: Interface) -> str:
    """Say how the outermost VLAN tag stays in received frames; empty if no driver takes it out.

    A bond or team receives by its slaves, whatever its own settings are.

    Raises:
        KernelError: the kernel refuses to list devices.
    """
    return ", ".join(filter(None, map(_advice, _receiving(interface))))


def _receiving(interface: Interface) -> Iterator[Interface]:
    among = devices.devices()
    own = devices.find(interface.index, among)
    if own and own.kind in devices.SPREADING:
        for each in devices.members(own, among):
            yield Interface.of(each.name)
    else:
        yield interface


def _advice(interface: Interface) -> str:
    if offloads.are_on(interface.name, _KEPT_BY, fixed=True):
        return f"{interface.name} cannot leave them in: match on `vlan` at tc_ingress"
    features = offloads.are_on(interface.name, _KEPT_BY)
    if not features:
        return ""
    own = " off ".join(_KEPT_BY[each][0] for each in features)
    command = f"`ethtool -K {interface.name} {own} off`"
    if interface.driver != "veth":
        return command
    peer = " off ".join(_KEPT_BY[each][1] for each in features)
    return f"`ethtool -K PEER {peer} off` on its peer, then {command}"
