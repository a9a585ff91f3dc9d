"""Why an XDP program was refused: the errno, and what the kernel says of the interface, explained.

The kernel returns one errno for many causes, and its explanation does not reach the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from errno import EBUSY, EEXIST, EINVAL, EOPNOTSUPP, ERANGE
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError
from wirepath.kernel import devices, virtio
from wirepath.kernel.devices import NATIVE_BONDS, Device
from wirepath.kernel.netlink import xdp_features
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.kernel.interface import Interface

PAGE_MTU: Final = 3498
"""The MTU up to which a frame fits a page besides headroom and tailroom; that of veth."""

GENERIC: Final = "use --mode generic, which is slower"
"""The cure where there is no native mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the kernel says of an interface that has refused a program.

    Attributes:
        interface: the interface.
        features: the XDP features of its driver; None if the kernel does not tell them.
        virtio: the features that a hypervisor gives it; None if it is no virtio card.
        among: the devices of its namespace.
    """

    interface: Interface
    features: frozenset[str] | None = None
    virtio: frozenset[int] | None = None
    among: Sequence[Device] = ()

    @classmethod
    def about(cls, interface: Interface) -> Known:
        """Ask the kernel."""
        return cls(
            interface=interface,
            features=xdp_features(interface.index),
            virtio=virtio.bits(interface),
            among=devices.devices(),
        )

    @property
    def driver(self) -> str:
        """The name of the driver, for a message."""
        return self.interface.driver or "unknown"

    @property
    def too_large(self) -> bool:
        """Whether frames may exceed a page, and the driver may not take them in several buffers."""
        return self.interface.mtu > PAGE_MTU and "rx_sg" not in (self.features or ())


def explain(errno: int, mode: str, known: Known) -> tuple[str, str]:
    """Explain why the kernel refused to attach a program; not for EPERM.

    Returns:
        What is wrong and the cure; empty where the errno says all that is known.
    """
    interface = known.interface
    if errno == EBUSY or interface.xdp_id:
        what = f"{_program(interface.xdp_id)} is there already, in {interface.xdp_mode} mode"
        return what, "take it off first"
    if errno == EOPNOTSUPP:
        none = f"driver {known.driver} has no {mode} XDP"
        return _no_native(known) if mode == "native" else (none, "")
    if errno == EINVAL:
        return _invalid(mode, known)
    causes = {EEXIST: _above, ERANGE: _mtu}
    return causes[errno](known) if errno in causes else ("", "")


def _invalid(mode: str, known: Known) -> tuple[str, str]:
    name = known.interface.name
    if known.interface.lro:
        return "large receive offload is on", f"turn it off: `ethtool -K {name} lro off`"
    if mode == "native" and known.too_large:
        return _mtu(known)
    return "", f"see `wirepath doctor {name}`"


def _above(known: Known) -> tuple[str, str]:
    for upper in devices.above(known.interface.index, known.among):
        if upper.xdp_id:
            there = f"{upper.kind} {upper.name}, which is above it"
            cure = f"attach to {upper.name}, or take the program off there"
            return f"{_program(upper.xdp_id)} is on {there}", cure
    return "", ""


def _no_native(known: Known) -> tuple[str, str]:
    own = devices.find(known.interface.index, known.among)
    if own and own.kind == "bond" and (why := _bond(own, known.among)):
        return why
    if known.virtio is not None:
        what, cure = virtio.fixed(known.virtio)
        if what:
            return what, cure
    if known.features is None and known.too_large and known.interface.driver:
        what = f"driver {known.driver} has no native XDP, or none at MTU {known.interface.mtu}"
        return what, f"use --mode generic, or `ip link set {known.interface.name} mtu 1500`"
    if known.features is not None and "basic" in known.features:
        if known.too_large:
            return _mtu(known)
        what = f"driver {known.driver} has native XDP, but not with the settings of this interface"
        return what, f"see `wirepath doctor {known.interface.name}`, or use --mode generic"
    return f"driver {known.driver} has no native XDP", GENERIC


# None if its slaves are the cause and are not to be seen to be.
def _bond(bond: Device, among: Sequence[Device]) -> tuple[str, str] | None:
    if bond.bond_mode not in NATIVE_BONDS:
        what = f"a bond of mode {bond.bond_mode or 'unknown'} has no native XDP"
        return what, "use --mode generic, or mode 802.3ad or active-backup"
    for slave in devices.members(bond, among):
        if slave.xdp_id:
            return f"{_program(slave.xdp_id)} is on its slave {slave.name}", (
                f"take it off {slave.name} first"
            )
    return None


def _mtu(known: Known) -> tuple[str, str]:
    what = f"MTU {known.interface.mtu} is too large for driver {known.driver}"
    return what, f"lower it: `ip link set {known.interface.name} mtu 1500`"


# Names an XDP program, if the kernel lets us read it.
def _program(number: int) -> str:
    try:
        with Program.by_id(number) as program:
            return f"XDP program {program.name} (id {number})"
    except KernelError:
        return f"XDP program id {number}"
