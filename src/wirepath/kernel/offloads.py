"""Offloads of an interface: whether they are on, and turning them on or off."""

import array
import fcntl
import os
import socket
import struct
from errno import ENODEV, EPERM
from typing import Final, Literal

from wirepath.errors import KernelError, RequestError

Feature = Literal["tso", "gso", "tx", "gro"]
"""An offload, by ethtool's name: segmentation of sent packets by the card (tso) or late in the
stack (gso), checksums of sent packets by the card (tx), joining of received packets (gro)."""

_LONGEST: Final = 15  # bytes of an interface's name
_SIOCETHTOOL: Final = 0x8946  # linux/sockios.h
# ETHTOOL_G* and ETHTOOL_S* of linux/ethtool.h.
_COMMANDS: Final[dict[Feature, tuple[int, int]]] = {
    "tx": (0x16, 0x17),
    "tso": (0x1E, 0x1F),
    "gso": (0x23, 0x24),
    "gro": (0x2B, 0x2C),
}


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


def _ask(name: str, doing: str, command: int, value: int) -> int:
    order = array.array("I", (command, value))  # struct ethtool_value
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
    return order[1]


def _missing(name: str) -> RequestError:
    return RequestError(f"{name}: no such interface (`ip link` lists them)")
