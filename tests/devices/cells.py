"""The table: each kind of device, and what `up` does there in each mode.

``Filtered`` means that at every hook every packet meets the rules (``walk.py`` says which), and
``Refused`` that `up` says why it is not to be.
"""

import os
from dataclasses import dataclass
from typing import Literal

from devices import making
from devices.making import Maker, over_a_cable, tunnel
from wirepath.kernel.links import Mode


@dataclass(frozen=True)
class Filtered:
    """The policy is in force.

    Attributes:
        answers: whether `reject` answers.
        warns: what `status` warns of, a regular expression; empty: of nothing.
        remark: what the docs add.
    """

    answers: bool = True
    warns: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Refused:
    """The command fails.

    Attributes:
        why: what it says, a regular expression.
        reason: the same in words, for the table of the docs.
    """

    why: str
    reason: str


@dataclass(frozen=True)
class Device:
    """A row.

    Attributes:
        name: of the kind.
        make: makes one.
        native, generic: what `up` does.
        where: where it can be made: on the kernel that runs the tests, in a guest, or in both.
        since: the first kernel that has it.
        native_since: the first kernel whose driver has native XDP.
        link: whether its frames have Ethernet headers; without, rules that answer are refused.
        speaks: whether frames that are not IP pass over it on their own.
    """

    name: str
    make: Maker
    native: Filtered | Refused
    generic: Filtered | Refused
    where: Literal["here", "guest", "both"] = "guest"
    since: tuple[int, int] = (0, 0)
    native_since: tuple[int, int] = (0, 0)
    link: bool = True
    speaks: bool = False

    def expected(self, mode: Mode) -> Filtered | Refused:
        """Give what `up` does in *mode* on this kernel."""
        if mode == "native":
            return self.native if release() >= self.native_since else NO_NATIVE
        return self.generic


def release() -> tuple[int, ...]:
    """Give the first two numbers of this kernel's release."""
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


NO_NATIVE = Refused(r"no native XDP .*--mode generic", "its driver has no native XDP")
VRF = Refused(r"vrf: packets .*attach to its members", "packets meet the hooks of its members")
IFB = Refused(
    r"ifb: packets .*attach where", "packets are redirected there after they met the hooks"
)
ALL = Filtered()
WITHOUT = Filtered(answers=False)
ONE_OF_TWO = Filtered(warns="slave of bond", remark="a warning: the other slave is not filtered")

DEVICES = (
    Device("veth", making.veth, ALL, ALL, "both"),
    Device("lo", making.lo, NO_NATIVE, ALL, "both"),
    Device("tun", making.tun, NO_NATIVE, WITHOUT, "both", link=False),
    Device("tap", making.tap, ALL, ALL, "both"),
    Device("bridge", making.bridge, NO_NATIVE, ALL, "both"),
    Device("port of a bridge", making.bridge_port, ALL, ALL, "both"),
    Device("macvlan", over_a_cable("type macvlan mode bridge"), NO_NATIVE, ALL, "both"),
    Device(
        "vxlan",
        tunnel("type vxlan id 5 dstport 4789 local {own} remote {other}"),
        NO_NATIVE,
        ALL,
        "both",
    ),
    Device("ifb", making.ifb, IFB, IFB, "both"),
    Device("vrf", making.vrf, VRF, VRF),
    Device("VLAN", over_a_cable("type vlan id 5", "type vlan id 5"), NO_NATIVE, ALL),
    Device(
        "parent of a VLAN",
        over_a_cable("type vlan id 5", "type vlan id 5", on_parent=True),
        WITHOUT,
        WITHOUT,
    ),
    Device("QinQ", making.qinq, NO_NATIVE, ALL),
    Device("parent of QinQ", making.qinq_parent, WITHOUT, WITHOUT),
    Device("bond, active-backup", making.bond("active-backup"), ALL, ALL),
    Device("slave of a bond", making.bond("active-backup", slave=True), ONE_OF_TWO, ONE_OF_TWO),
    Device("bond, 802.3ad", making.bond("802.3ad"), ALL, ALL, speaks=True),
    Device(
        "bond, balance-alb",
        making.bond("balance-alb"),
        Refused(
            r"mode balance-alb has no native XDP .*--mode generic",
            "one of its modes that run no XDP",
        ),
        ALL,
        speaks=True,
    ),
    Device("ipvlan", over_a_cable("type ipvlan mode l2"), NO_NATIVE, ALL),
    Device("macsec", making.macsec, NO_NATIVE, ALL),
    Device("netkit", making.netkit, NO_NATIVE, ALL, since=(6, 7)),
    Device("WireGuard", making.wireguard, NO_NATIVE, WITHOUT, link=False),
    Device("gre", tunnel("type gre local {own} remote {other}"), NO_NATIVE, WITHOUT, link=False),
    Device(
        "ipip",
        tunnel("type ipip local {own} remote {other}", versions=(4,)),
        NO_NATIVE,
        WITHOUT,
        link=False,
    ),
    Device(
        "sit",
        tunnel("type sit local {own} remote {other}", versions=(6,)),
        NO_NATIVE,
        WITHOUT,
        link=False,
    ),
    Device(
        "ip6tnl",
        tunnel("type ip6tnl mode any local {own6} remote {other6}"),
        NO_NATIVE,
        WITHOUT,
        link=False,
    ),
)

# Cards of the guest's machine, with the options of QEMU's devices.
CARDS = {
    "virtio-net-pci": Device("virtio_net", making.card(1), ALL, ALL),
    "virtio-net-pci,mq=on,vectors=10": Device("virtio_net, 4 queues", making.card(2), ALL, ALL),
    "virtio-net-pci,mrg_rxbuf=off": Device(
        "virtio_net, mrg_rxbuf=off",
        making.card(3),
        Refused("mrg_rxbuf=on", "merged packets go past XDP"),
        ALL,
    ),
    "virtio-net-pci,ctrl_guest_offloads=off": Device(
        "virtio_net, fixed offloads",
        making.card(4),
        Refused(r"ctrl_guest_offloads=on", "the host fixes its receive offloads"),
        ALL,
    ),
    "vmxnet3": Device("vmxnet3", making.card(5), ALL, ALL, native_since=(6, 3)),
    "e1000e": Device("e1000e", making.card(6), NO_NATIVE, ALL),
}
FAR_CARD = "virtio-net-pci"


def table() -> str:
    """Give the table as the page of the docs has it."""
    rows = [
        "| device | mode | ingress | tc_ingress | egress | remarks |",
        "|---|---|---|---|---|---|",
    ]
    for device in (*DEVICES, *CARDS.values()):
        for mode, cell in (("native", device.native), ("generic", device.generic)):
            if isinstance(cell, Refused):
                hooks, remark = ["refused"] * 3, cell.reason
            else:
                hooks = ["filtered"] * 3
                bare = "no answers or copies; `dscp` from tc_ingress on"
                remark = cell.remark if device.link else bare
            if mode == "native" and device.native_since > (0, 0):
                remark = f"from Linux {device.native_since[0]}.{device.native_since[1]} on"
            rows.append(f"| {' | '.join([device.name, mode, *hooks, remark])} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
