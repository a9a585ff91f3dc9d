"""How devices are stacked, from messages of route netlink, and what a program on one misses."""

import struct

import pytest

from wirepath.kernel.devices import Device, above, missed, passed_by
from wirepath.kernel.rtnetlink import attribute

ETH0, ETH1 = Device(2, "eth0", master=5), Device(3, "eth1", master=5)
BARE = "packets that arrive at eth1 are not filtered"


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def message(index: int, name: str, *more: bytes) -> bytes:
    """Compose ``struct ifinfomsg`` with attributes, as RTM_NEWLINK has them."""
    return (
        struct.pack("=BxHiII", 0, 1, index, 0, 0)
        + attribute(3, name.encode() + b"\0")
        + b"".join(more)
    )


def info(kind: str, data: bytes = b"") -> bytes:
    return attribute(
        18, attribute(1, kind.encode() + b"\0") + (attribute(2, data) if data else b"")
    )


@pytest.mark.parametrize(
    ("raw", "device"),
    [
        (message(2, "eth0"), Device(2, "eth0")),
        (message(2, "eth0", attribute(10, u32(5))), Device(2, "eth0", master=5)),
        (
            message(5, "bond0", info("bond", attribute(1, b"\4") + attribute(3, u32(100)))),
            Device(5, "bond0", "bond", bond_mode="802.3ad"),
        ),
        (
            message(7, "eth0.7", attribute(5, u32(2)), info("vlan")),
            Device(7, "eth0.7", "vlan", 0, 2),
        ),
        # IFLA_LINK of a veth is its peer; with a namespace it is a number there.
        (message(8, "veth0", attribute(5, u32(9)), info("veth")), Device(8, "veth0", "veth")),
        (
            message(7, "eth0.7", attribute(5, u32(2)), attribute(37, u32(0)), info("vlan")),
            Device(7, "eth0.7", "vlan"),
        ),
        (
            message(2, "eth0", attribute(43, attribute(2, b"\1") + attribute(4, u32(77)))),
            Device(2, "eth0", xdp_id=77),
        ),
        # Several modes at once: only the IDs by mode.
        (
            message(2, "eth0", attribute(43, attribute(2, b"\4") + attribute(6, u32(78)))),
            Device(2, "eth0", xdp_id=78),
        ),
    ],
)
def test_messages(raw: bytes, device: Device) -> None:
    assert Device.of(raw) == device


def test_devices_above() -> None:
    bond, vlan = Device(5, "bond0", "bond"), Device(6, "bond0.7", "vlan", below=5)
    bridge = Device(9, "br0", "bridge")
    port = Device(7, "macvlan0", "macvlan", master=9, below=6)
    among = (ETH0, ETH1, bond, vlan, port, bridge)
    assert above(2, among) == [bond, vlan, port, bridge]
    assert above(9, among) == []
    assert above(4242, among) == []


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("802.3ad", f"a slave of bond bond0 (802.3ad): {BARE} (attach to bond0)"),
        ("active-backup", f"a slave of bond bond0 (active-backup): {BARE} (attach to bond0)"),
        (
            "balance-alb",
            f"a slave of bond bond0 (balance-alb): {BARE} (attach to bond0 with --mode generic)",
        ),
    ],
)
def test_slave_of_a_bond(mode: str, told: str) -> None:
    bond = Device(5, "bond0", "bond", bond_mode=mode)
    assert missed(2, (ETH0, ETH1, bond)) == told


def test_port_of_a_team() -> None:
    told = f"a slave of team team0: {BARE} (attach to team0 with --mode generic)"
    assert missed(2, (ETH0, ETH1, Device(5, "team0", "team"))) == told


@pytest.mark.parametrize(
    "among",
    [
        (),
        (Device(2, "eth0"),),
        (ETH0, Device(5, "bond0", "bond", bond_mode="802.3ad")),  # the only slave
        (ETH0, Device(3, "eth1", master=5, xdp_id=7), Device(5, "bond0", "bond")),
        (ETH0, ETH1, Device(5, "bond0", "bond", xdp_id=7)),
        (ETH0, ETH1, Device(5, "br0", "bridge")),
    ],
)
def test_nothing_is_missed(among: tuple[Device, ...]) -> None:
    assert missed(2, among) == ""


def test_bridges_pass_by() -> None:
    bridge = Device(5, "br0", "bridge")
    assert passed_by(5, (ETH0, bridge)).endswith("none between its ports (attach to the ports)")
    assert passed_by(2, (ETH0, bridge)) == ""
    assert passed_by(4242, (ETH0, bridge)) == ""
