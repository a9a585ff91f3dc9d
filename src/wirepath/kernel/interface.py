"""The state of an interface of this network namespace, read by ioctl and netlink in microseconds.

``/sys/class/net`` would not do: after setns(2) it still shows the old namespace.
"""

import os
import struct
from dataclasses import dataclass
from errno import ENODEV
from fcntl import ioctl
from pathlib import Path
from socket import AF_PACKET, SOCK_RAW, socket
from typing import Final, Literal, Self

from wirepath.errors import KernelError, RequestError
from wirepath.kernel.handle import checked
from wirepath.native import ffi, lib

# ARPHRD_* of linux/if_arp.h: Ethernet and loopback; then ppp, rawip, IP tunnels, tun and WireGuard.
_ETHERNET: Final = frozenset({1, 772})
_IP: Final = frozenset({512, 519, 768, 769, 776, 778, 823, 65534})

_HARDWARE_ADDRESS: Final = 0x8927  # SIOCGIFHWADDR of linux/sockios.h
_IFREQ: Final = struct.Struct("=16sH6s16x")  # struct ifreq with a MAC

# XDP_ATTACHED_* of linux/if_link.h.
_MODES: Final = ("none", "native", "generic", "offload", "several")


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface, as it is now.

    Attributes:
        name: as the operator gave it.
        index: the kernel's number for it in this namespace.
        up: whether it is up.
        mtu: in bytes, without the Ethernet header.
        driver: its name; empty if the interface has none.
        rx_queues, tx_queues: in use; 0 if the driver does not say.
        lro: whether large receive offload is on, which rules out native XDP.
        xdp_id: ID of the attached XDP program; 0 if there is none.
        xdp_mode: where that runs: none, native, generic, offload, several.
        arphrd: ARPHRD_* of linux/if_arp.h, which tells the headers that frames begin with.
        combined_max, rx_max: how many queues the card has that receive and send, and that only
            receive; 0 if it has none of the kind, or the driver does not say.
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
    arphrd: int
    combined_max: int = 0
    rx_max: int = 0

    @property
    def link(self) -> Literal["ethernet", "ip"] | None:
        """The headers that its frames begin with; None if they are of neither kind."""
        if self.arphrd in _ETHERNET:
            return "ethernet"
        return "ip" if self.arphrd in _IP else None

    @classmethod
    def of(cls, name: str) -> Self:
        """Read the state of interface *name*.

        Raises:
            RequestError: there is no such interface in this network namespace.
            KernelError: the kernel refuses to describe it.
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
            arphrd=found.link,
            combined_max=found.combined_max,
            rx_max=found.rx_max,
        )


def name_of(ifindex: int) -> str:
    """Return the name of an interface of this network namespace; empty if it is gone."""
    buffer = ffi.new("char[16]")
    return os.fsdecode(ffi.string(buffer)) if lib.if_indextoname(ifindex, buffer) else ""


def mac_of(name: str) -> bytes:
    """Return the MAC of interface *name* as it is now; empty without one, or if it is gone.

    Addresses of other links (the IPv4 address of a tunnel) are left out.
    """
    with socket(AF_PACKET, SOCK_RAW, 0) as asker:
        try:
            answer = ioctl(asker, _HARDWARE_ADDRESS, _IFREQ.pack(os.fsencode(name), 0, b""))
        except OSError as error:
            if error.errno == ENODEV:
                return b""
            raise KernelError(f"look at {name}", error.errno or 0) from error
    _, arphrd, mac = _IFREQ.unpack(answer)
    return bytes(mac) if arphrd in _ETHERNET else b""


def received(name: str) -> int:
    """Count the packets that interface *name* has received, as the kernel does; 0 if it is gone.

    Source: net/core/net-procfs.c; packets that XDP dropped are among them.
    """
    # Of the thread, whose network namespace may be another than that of the process.
    with Path("/proc/thread-self/net/dev").open(errors="surrogateescape") as lines:
        for line in lines:
            who, _, counts = line.partition(":")
            if who.strip() == name:
                return int(counts.split()[1])
    return 0
