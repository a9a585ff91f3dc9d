"""What an interface of this network namespace is. Asks by ioctl and netlink, in microseconds.

After setns(2) ``/sys/class/net`` still shows the old namespace; these calls do not.
"""

import os
from dataclasses import dataclass
from errno import ENODEV
from typing import Final, Self

from wirepath.errors import RequestError
from wirepath.kernel.handle import checked
from wirepath.native import ffi, lib

# XDP_ATTACHED_* of linux/if_link.h.
_MODES: Final = ("none", "native", "generic", "offload", "several")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface, as it is now.

    Attributes:
        name: as the operator says it.
        index: the kernel's number for it in this namespace.
        up: whether it is up.
        mtu: in bytes, without the Ethernet header.
        driver: its name, empty if there is none to ask.
        rx_queues, tx_queues: in use, 0 if the driver tells none.
        lro: whether large receive offload is on, which native XDP does not stand.
        xdp_id: the program attached, 0 if none.
        xdp_mode: where that runs: none, native, generic, offload, several.
    """

    name: str
    index: int
    up: bool
    mtu: int
    driver: str
    rx_queues: int
    tx_queues: int
    lro: bool
    xdp_id: int
    xdp_mode: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Look *name* up.

        Raises:
            RequestError: there is no such interface here.
            KernelError: the kernel does not tell.
        """
        found = ffi.new("struct wp_interface *")
        result = lib.wp_interface(os.fsencode(name), found)
        if result == -ENODEV:
            raise RequestError(f"{name}: no such interface (`ip link` lists them)")
        checked(result, f"look at {name}")
        return cls(
            name=name,
            index=found.index,
            up=bool(found.up),
            mtu=found.mtu,
            driver=ffi.string(found.driver).decode(),
            rx_queues=found.rx_queues,
            tx_queues=found.tx_queues,
            lro=bool(found.lro),
            xdp_id=found.xdp_id,
            xdp_mode=_MODES[found.xdp_mode],
        )


def name_of(ifindex: int) -> str:
    """Give the name of an interface of this network namespace; empty if it is gone."""
    buffer = ffi.new("char[16]")
    return ffi.string(buffer).decode() if lib.if_indextoname(ifindex, buffer) else ""
