"""The table: each kind of device, and what `up` does there in each mode.

``Filtered`` means that at every hook every packet meets the rules (``walk.py`` says which), and
``Refused`` that `up` says why it is not to be.
"""

import os
from dataclasses import dataclass
from typing import Literal

from devices import making
from devices.bonds import bond
from devices.forwarding import across_a_bridge
from devices.making import Maker, over_a_cable, tunnel
from wirepath.kernel.links import Mode


@dataclass(frozen=True)
class Filtered:
    """The policy is in force.

    Attributes:
        answers: whether `reject` answers.
        tags: whether ingress sees the outermost VLAN tag of a packet.
        warns: what `status` warns of, a regular expression; empty: of nothing.
        remark: what the docs add.
    """

    answers: bool = True
    tags: bool = True
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
class PassedBy:
    """The command succeeds, and packets do not meet the hooks of this device.

    Attributes:
        why: what `up` and `doctor` note, a regular expression.
        reason: the same in words, for the table of the docs.
    """

    why: str
    reason: str


Cell = Filtered | Refused | PassedBy

NO_NATIVE = Refused(r"no native XDP .*--mode generic", "its driver has no native XDP")


@dataclass(frozen=True)
class Device:
    """A row.

    Attributes:
        name: of the kind.
        make: makes one.
        native, generic: what `up` does.
        where: where it can be made: on the kernel that runs the tests, in a guest, or in both.
        since: the first kernel that has it.
        native_since: the first kernel where native mode does so.
        native_before: what native mode does before.
        link: whether its frames have Ethernet headers; without, rules that answer are refused.
        speaks: whether frames that are not IP pass over it on their own.
        foreign: whether limits and answers leave out frames for another host's MAC; empty: not
            tried.
    """

    name: str
    make: Maker
    native: Cell
    generic: Cell
    where: Literal["here", "guest", "both"] = "guest"
    since: tuple[int, int] = (0, 0)
    native_since: tuple[int, int] = (0, 0)
    native_before: Cell = NO_NATIVE
    link: bool = True
    speaks: bool = False
    foreign: Literal["", "ignored", "judged"] = ""

    def expected(self, mode: Mode) -> Cell:
        """Give what `up` does in *mode* on this kernel."""
        if mode == "native":
            return self.native if release() >= self.native_since else self.native_before
        return self.generic


def release() -> tuple[int, ...]:
    """Give the first two numbers of this kernel's release."""
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


VRF = Refused(r"vrf: packets .*attach to its members", "packets meet the hooks of its members")
IFB = Refused(
    r"ifb: packets .*attach where", "packets are redirected there after they met the hooks"
)
ALL = Filtered()
WITHOUT = Filtered(answers=False)
STRIPPED = "strips VLAN tags"
UNSEEN = Filtered(
    tags=False, warns=STRIPPED, remark="`vlan` at ingress needs rxvlan off, as `status` warns"
)
HANDED_ON = Filtered(
    tags=False, warns=STRIPPED, remark="match on `vlan` at tc_ingress, as `status` advises"
)
UNTOLD = Filtered(
    answers=False,
    tags=False,
    warns=STRIPPED,
    remark="answers and `vlan` at ingress need rxvlan off, as `status` warns",
)
# Its bridge may take packets that have tags, though none of these has.
UNTAGGED = Filtered(warns=STRIPPED, remark="answers leave without VLAN tags, as `status` warns")
BETWEEN_PORTS = PassedBy(
    r"none between its ports \(attach to the ports\)",
    "a note: packets between its ports meet the hooks of the ports",
)
ONE_OF_TWO = Filtered(warns="slave of bond", remark="a warning: the other slave is not filtered")

OWN_MAC = "02:00:00:00:00:77"  # of a VLAN

DEVICES = (
    Device("veth", making.veth, ALL, ALL, "both", foreign="ignored"),
    Device("lo", making.lo, NO_NATIVE, ALL, "both"),
    Device("tun", making.tun, NO_NATIVE, WITHOUT, "both", link=False),
    Device("tap", making.tap, ALL, ALL, "both"),
    Device("bridge", making.bridge, NO_NATIVE, ALL, "both"),
    Device("bridge under a VLAN", making.tagged_bridge, NO_NATIVE, HANDED_ON),
    Device("bridge, between its ports", across_a_bridge("wpbr"), NO_NATIVE, BETWEEN_PORTS, "both"),
    Device(
        "port of a bridge",
        making.bridge_port,
        ALL,
        ALL,
        "both",
        native_since=(6, 8),
        native_before=UNTAGGED,
    ),
    Device(
        "port of a bridge, to another port",
        across_a_bridge("wp0"),
        ALL,
        ALL,
        "both",
        native_since=(6, 8),
        native_before=UNTAGGED,
        foreign="judged",
    ),
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
        over_a_cable("type vlan id 5", "type vlan id 5", on_parent=True, vlan=5),
        ALL,
        UNSEEN,
        native_since=(6, 8),
        native_before=UNTOLD,
        foreign="ignored",
    ),
    Device(
        "parent of a VLAN with a MAC of its own",
        over_a_cable(f"address {OWN_MAC} type vlan id 5", "type vlan id 5", on_parent=True, vlan=5),
        ALL,
        UNSEEN,
        native_since=(6, 8),
        native_before=UNTOLD,
        foreign="judged",
    ),
    Device(
        "parent of a VLAN in a bridge",
        across_a_bridge("wp0", vlan=5),
        ALL,
        UNSEEN,
        native_since=(6, 8),
        native_before=UNTOLD,
        foreign="judged",
    ),
    Device("QinQ", making.qinq, NO_NATIVE, ALL),
    Device(
        "parent of QinQ",
        making.qinq_parent,
        ALL,
        UNSEEN,
        native_since=(6, 8),
        native_before=UNTOLD,
    ),
    Device("bond, active-backup", bond("active-backup"), ALL, ALL),
    Device("bond under a VLAN", bond("active-backup", vlan=5), UNTOLD, HANDED_ON),
    Device("slave of a bond", bond("active-backup", slave=True), ONE_OF_TWO, ONE_OF_TWO),
    Device("bond, 802.3ad", bond("802.3ad"), ALL, ALL, speaks=True),
    Device(
        "slave of a bond, 802.3ad",
        bond("802.3ad", slave=True),
        ONE_OF_TWO,
        ONE_OF_TWO,
        speaks=True,
    ),
    Device(
        "bond, balance-alb",
        bond("balance-alb"),
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
ON_CARDS = (
    *CARDS.values(),
    Device("virtio_net under a VLAN", making.card(1, vlan=5), ALL, ALL, foreign="ignored"),
    Device(
        "vmxnet3 under a VLAN",
        making.card(5, vlan=5),
        UNTOLD,
        UNSEEN,
        native_since=(6, 3),
        foreign="ignored",
    ),
    Device("e1000e under a VLAN", making.card(6, vlan=5), NO_NATIVE, UNSEEN, foreign="ignored"),
)


def table() -> str:
    """Give the table as the page of the docs has it."""
    rows = [
        "| device | mode | ingress | tc_ingress | egress | remarks |",
        "|---|---|---|---|---|---|",
    ]
    for device in (*DEVICES, *ON_CARDS):
        for mode, cell in (("native", device.native), ("generic", device.generic)):
            if isinstance(cell, Refused):
                hooks, remark = ["refused"] * 3, cell.reason
            elif isinstance(cell, PassedBy):
                hooks, remark = ["not met"] * 3, cell.reason
            else:
                hooks = ["filtered"] * 3
                bare = "no answers or copies; `dscp` from tc_ingress on"
                remark = cell.remark if device.link else bare
            if mode == "native" and device.native_since > (0, 0):
                remark = "; ".join(filter(None, (_since(device), remark)))
            rows.append(f"| {' | '.join([device.name, mode, *hooks, remark])} |")
    return "\n".join(rows)


def _since(device: Device) -> str:
    since = ".".join(map(str, device.native_since))
    if isinstance(device.native_before, Filtered):
        return f"before Linux {since} {device.native_before.remark}"
    return f"from Linux {since} on"


if __name__ == "__main__":
    print(table())
