"""The devices of a network namespace and how they are stacked: slaves of bonds, ports of bridges.

A program on one of several slaves meets only a part of their traffic, and the kernel allows no
program on a device if another is on the device above it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from wirepath.errors import KernelError
from wirepath.kernel import rtnetlink
from wirepath.kernel.rtnetlink import attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_IFINFOMSG: Final = struct.Struct("=BxHiII")  # linux/rtnetlink.h
# IFLA_* of linux/if_link.h.
_NAME, _LINK, _MASTER, _LINKINFO, _LINK_NETNS, _XDP = 3, 5, 10, 18, 37, 43
_KIND, _DATA = 1, 2
_BOND_MODE: Final = 1
_XDP_IDS: Final = (4, 5, 6, 7)  # IFLA_XDP_PROG_ID, and those by mode

# linux/if_bonding.h: the modes, and those that native XDP runs on (drivers/net/bonding).
_BOND_MODES: Final = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
    "balance-alb",
)  # fmt: skip
NATIVE_BONDS: Final = frozenset({"balance-rr", "active-backup", "balance-xor", "802.3ad"})

# Devices that share their members' traffic out.
_SPREADING: Final = frozenset({"bond", "team"})
# Devices on top of one other, which IFLA_LINK names. That of a veth is its peer.
_STACKED: Final = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as the kernel describes it among the others.

    Attributes:
        index, name: its number and name in this namespace.
        kind: ``bond``, ``bridge``, ``vlan``, ``veth``; empty for a card.
        master: the index of the bond, bridge or team that it belongs to; 0 if there is none.
        below: the index of the device that it lies on; 0 if there is none.
        bond_mode: ``802.3ad``, ``active-backup``; empty unless it is a bond.
        xdp_id: the ID of its XDP program; 0 if it has none.
    """

    index: int
    name: str
    kind: str = ""
    master: int = 0
    below: int = 0
    bond_mode: str = ""
    xdp_id: int = 0

    @classmethod
    def of(cls, message: bytes) -> Self:
        """Read a device from a message of route netlink, without the netlink header."""
        index = _IFINFOMSG.unpack_from(message)[2]
        found = attributes(message[_IFINFOMSG.size :])
        info = attributes(found.get(_LINKINFO, b""))
        kind = _text(info.get(_KIND, b""))
        mode = attributes(info.get(_DATA, b"")).get(_BOND_MODE) if kind == "bond" else None
        programs = attributes(found.get(_XDP, b""))
        return cls(
            index,
            _text(found.get(_NAME, b"")),
            kind,
            _number(found.get(_MASTER)),
            _number(found.get(_LINK)) if kind in _STACKED and _LINK_NETNS not in found else 0,
            _BOND_MODES[mode[0]] if mode and mode[0] < len(_BOND_MODES) else "",
            next((_number(programs[n]) for n in _XDP_IDS if n in programs), 0),
        )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")


def _number(value: bytes | None) -> int:
    return int(struct.unpack_from("=I", value)[0]) if value else 0


def devices() -> list[Device]:
    """List the devices of this network namespace.

    Raises:
        KernelError: the kernel refuses.
    """
    try:
        return [Device.of(message) for message in rtnetlink.links()]
    except OSError as error:
        raise KernelError("list interfaces", error.errno or 0) from error


def find(index: int, among: Iterable[Device]) -> Device | None:
    """Return the device with this *index*; None if there is none."""
    return next((each for each in among if each.index == index), None)


def members(of: Device, among: Iterable[Device]) -> list[Device]:
    """List the slaves or ports of a bond, team or bridge."""
    return [each for each in among if each.master == of.index]


def above(index: int, among: Sequence[Device]) -> list[Device]:
    """List the devices on top of the one with this *index*, those right above it first."""
    found: list[Device] = []
    left = [index]
    while left:
        lower = find(number := left.pop(0), among)
        masters = {lower.master} if lower else set()
        upper = [each for each in among if each.index in masters or number == each.below]
        found += [each for each in upper if each not in found]
        left += [each.index for each in upper if each.index != index]
    return found


def missed(index: int, among: Sequence[Device]) -> str:
    """Say which traffic passes by a program on one of several slaves, with the cure.

    Returns:
        Empty if all of them have a program, or if the device is no slave of a bond or team.
    """
    found = find(index, among)
    group = find(found.master, among) if found else None
    if not found or not group or group.kind not in _SPREADING or group.xdp_id:
        return ""
    bare = [each.name for each in members(group, among) if each != found and not each.xdp_id]
    if not bare:
        return ""
    generic = group.bond_mode not in NATIVE_BONDS
    cure = f"attach to {group.name}{' with --mode generic' if generic else ''}"
    mode = f" ({group.bond_mode})" if group.bond_mode else ""
    return (
        f"a slave of {group.kind} {group.name}{mode}: packets that arrive at {', '.join(bare)}"
        f" are not filtered ({cure})"
    )


def passed_by(index: int, among: Sequence[Device]) -> str:
    """Say which traffic does not meet a program on a bridge, with the cure; empty if it is none."""
    found = find(index, among)
    if not found or found.kind != "bridge":
        return ""
    return (
        "a bridge: only packets for this host and from it meet the program, none between its ports"
        " (attach to the ports)"
    )
