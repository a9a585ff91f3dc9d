"""Offloads of an interface: whether they are on, and turning them on or off.

Old ones have an ioctl of their own. All others have names, which the kernel lists, and bits in the
order of that list: net/ethtool/common.c.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from errno import ENODEV, EPERM
from typing import TYPE_CHECKING, Final, Literal

from wirepath.errors import KernelError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

Feature = Literal["tso", "gso", "tx", "gro"]
"""An offload, by ethtool's name: segmentation of sent packets by the card (tso) or late in the
stack (gso), checksums of sent packets by the card (tx), joining of received packets (gro)."""

MERGING: Final = frozenset({"rx-lro", "rx-gro-hw"})
"""Names of offloads of received packets that the kernel turns off for a program, and leaves off."""

_LONGEST: Final = 15  # bytes of an interface's name
_SIOCETHTOOL: Final = 0x8946  # linux/sockios.h
# ETHTOOL_G* and ETHTOOL_S* of linux/ethtool.h.
_COMMANDS: Final[dict[Feature, tuple[int, int]]] = {
    "tx": (0x16, 0x17),
    "tso": (0x1E, 0x1F),
    "gso": (0x23, 0x24),
    "gro": (0x2B, 0x2C),
}
# Of the same header: lists of names (set ETH_SS_FEATURES), and the bits of features by blocks.
_GSTRINGS, _GSSET_INFO, _GFEATURES, _SFEATURES = 0x1B, 0x37, 0x3A, 0x3B
_FEATURES: Final = 4
_NAME_BYTES: Final = 32
_BLOCK_BITS: Final = 32
_AVAILABLE, _ACTIVE = 0, 2


def get(name: str, feature: Feature) -> bool:
    """Tell whether *feature* of an interface of this network namespace is on.

    Raises:
        RequestError: there is no such interface.
        KernelError: the kernel refuses.
    """
    return bool(_ask(name, f"read {feature} of {name}", _COMMANDS[feature][0], 0))


def put(name: str, feature: Feature, *, on: bool) -> None:
    """Turn *feature* on or off; does nothing if it is so already.

    The kernel keeps tso off as long as tx is off.

    Raises:
        RequestError: there is no such interface.
        KernelError: the driver does not allow the change (EOPNOTSUPP), or this process may not
            make it (EPERM).
    """
    if get(name, feature) == on:
        return
    doing = f"turn {feature} of {name} {'on' if on else 'off'}"
    _ask(name, doing, _COMMANDS[feature][1], int(on))


def are_on(name: str, features: Iterable[str], *, fixed: bool = False) -> list[str]:
    """List those of *features*, by the kernel's names, that are on and can be turned off.

    Args:
        name: of an interface of this network namespace.
        features: what to look for.
        fixed: whether to list those instead that are on and cannot be turned off.

    Raises:
        RequestError: there is no such interface.
        KernelError: the kernel refuses.
    """
    places = _places(name)
    known = [each for each in features if each in places]
    state = _state(name, len(places))
    return [
        each
        for each in known
        if _has(state, _ACTIVE, places[each]) and _has(state, _AVAILABLE, places[each]) != fixed
    ]


def turn_on(name: str, features: Iterable[str]) -> None:
    """Turn *features* on, by the kernel's names; the driver may have to leave some of them off.

    Raises:
        RequestError: there is no such interface.
        KernelError: the kernel refuses.
    """
    places = _places(name)
    wanted = [places[each] for each in features if each in places]
    blocks = -(-len(places) // _BLOCK_BITS)
    words = [0, 0] * blocks  # struct ethtool_set_features_block: valid, requested
    for place in wanted:
        for word in (0, 1):
            words[place // _BLOCK_BITS * 2 + word] |= 1 << place % _BLOCK_BITS
    order = array.array("I", (_SFEATURES, blocks, *words))
    _order(name, f"turn {', '.join(features)} of {name} on", order)


# The place of each feature by its name.
def _places(name: str) -> dict[str, int]:
    # struct ethtool_sset_info for one set; then struct ethtool_gstrings with room for it.
    count = array.array("I", (_GSSET_INFO, 0, 1 << _FEATURES, 0, 0))
    _order(name, f"count features of {name}", count)
    names = array.array("I", (_GSTRINGS, _FEATURES, count[4])) + array.array(
        "I", bytes(_NAME_BYTES * count[4])
    )
    _order(name, f"list features of {name}", names)
    raw = names.tobytes()[12:]
    found = (raw[at : at + _NAME_BYTES] for at in range(0, len(raw), _NAME_BYTES))
    return {each.rstrip(b"\0").decode(): place for place, each in enumerate(found)}


# The words of struct ethtool_get_features_block: available, requested, active, never changed.
def _state(name: str, features: int) -> array.array[int]:
    blocks = -(-features // _BLOCK_BITS)
    order = array.array("I", (_GFEATURES, blocks, *[0, 0, 0, 0] * blocks))
    _order(name, f"read features of {name}", order)
    return order[2:]


def _has(state: array.array[int], word: int, place: int) -> bool:
    return bool(state[place // _BLOCK_BITS * 4 + word] >> place % _BLOCK_BITS & 1)


def _ask(name: str, doing: str, command: int, value: int) -> int:
    order = array.array("I", (command, value))  # struct ethtool_value
    _order(name, doing, order)
    return order[1]


def _order(name: str, doing: str, order: array.array[int]) -> None:
    raw = os.fsencode(name)
    if len(raw) > _LONGEST:
        raise _missing(name)
    request = struct.pack("16sP16x", raw, order.buffer_info()[0])  # struct ifreq
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            fcntl.ioctl(asker, _SIOCETHTOOL, request)
    except OSError as error:
        if error.errno == ENODEV:
            raise _missing(name) from None
        cure = "run it as root, or with CAP_NET_ADMIN" if error.errno == EPERM else ""
        raise KernelError(doing, error.errno or 0, cure=cure) from error


def _missing(name: str) -> RequestError:
    return RequestError(f"{name}: no such interface (`ip link` lists them)")
