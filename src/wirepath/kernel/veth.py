"""The peer of a veth, which may be in another network namespace.

What a native XDP program sends into a veth arrives only if the peer has a native program too,
whatever it does; GRO on the peer is enough only for redirected frames.

Source: drivers/net/veth.c, ``veth_xdp_flush``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.kernel import rtnetlink
from wirepath.kernel.rtnetlink import attributes

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface

# linux/if_link.h: IFLA_*; then IFLA_XDP_*, and XDP_ATTACHED_DRV.
_NAME, _LINK, _MASTER, _NETNS, _XDP = 3, 5, 10, 37, 43
_ATTACHED, _DRIVER_ID = 2, 5
_DRIVER: Final = 1
_NOT_KNOWN: Final = -1  # the ID of a namespace that this one has no ID for


class Peer(NamedTuple):
    """The other end of a veth.

    Attributes:
        name: its name; empty if it cannot be seen from here.
        here: whether it is in the same network namespace.
        takes_answers: whether it, or the bond that it belongs to, has a native XDP program; None if
            it cannot be seen from here.
    """

    name: str
    here: bool
    takes_answers: bool | None


def peer_of(interface: Interface) -> Peer | None:
    """Look at the peer of *interface*; None if that is no veth, or has lost its peer."""
    if interface.driver != "veth":
        return None
    try:
        own = rtnetlink.link(interface.index)
    except OSError:  # it is gone
        return None
    if not (index := _number(own.get(_LINK, b""))):
        return None
    namespace = _number(own[_NETNS]) if _NETNS in own else None
    unseen = Peer("", namespace is None, None)
    if namespace == _NOT_KNOWN:
        return unseen
    try:
        other = rtnetlink.link(index, namespace)
    except OSError:  # without privilege in that namespace
        return unseen
    native = _runs_native(other) or _bond_runs_native(other, namespace)
    return Peer(other[_NAME].rstrip(b"\0").decode(), namespace is None, native)


def _runs_native(link: dict[int, bytes]) -> bool:
    program = attributes(link.get(_XDP, b""))
    return program.get(_ATTACHED) == bytes([_DRIVER]) or _DRIVER_ID in program


# The native program of a bond runs on its slaves, which do not show it.
def _bond_runs_native(slave: dict[int, bytes], namespace: int | None) -> bool:
    if not (master := _number(slave.get(_MASTER, b""))):
        return False
    try:
        return _runs_native(rtnetlink.link(master, namespace))
    except OSError:  # it is gone
        return False


def _number(value: bytes) -> int:
    return int(struct.unpack("=i", value)[0]) if value else 0
