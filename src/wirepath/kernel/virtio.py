"""The features that a hypervisor gives a virtio card, which decide whether XDP works on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface

# Bits of linux/virtio_net.h.
_GUEST_CSUM: Final = 1
_CTRL_GUEST_OFFLOADS: Final = 2
_MERGED: Final = frozenset({7, 8, 9, 10})  # GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO
_MERGEABLE: Final = 15
_SYSFS: Final = Path("/sys/class/net")


def bits(interface: Interface) -> frozenset[int] | None:
    """Read the feature bits of a virtio card.

    Returns:
        None if it is another kind of card, or if /sys is of another network namespace.
    """
    if interface.driver != "virtio_net":
        return None
    directory = _SYSFS / interface.name
    try:
        if int((directory / "ifindex").read_text()) != interface.index:
            return None
        text = (directory / "device" / "features").read_text().strip()
    except OSError:
        return None
    return frozenset(bit for bit, char in enumerate(text) if char == "1")


def blind(has: frozenset[int]) -> tuple[str, str]:
    """Say why packets would pass by a program in native mode, though it attaches.

    Returns:
        What is wrong, and the cure; two empty strings if nothing is.
    """
    if _MERGEABLE in has or not has & _MERGED:
        return "", ""
    return (
        "virtio_net takes merged packets past XDP without mergeable receive buffers",
        "use --mode generic, or have the hypervisor set mrg_rxbuf=on",
    )


def fixed(has: frozenset[int]) -> tuple[str, str]:
    """Say why the driver refuses native XDP: the host has fixed receive offloads.

    Returns:
        What is wrong, and the cure; two empty strings if nothing is.
    """
    if _CTRL_GUEST_OFFLOADS in has or not has & {_GUEST_CSUM, *_MERGED}:
        return "", ""
    return (
        "the hypervisor has fixed receive offloads, which virtio_net has to turn off for XDP",
        "use --mode generic, or have the hypervisor set ctrl_guest_offloads=on",
    )
