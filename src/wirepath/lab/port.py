"""The program at the ports of the lab, without which answers of XDP would not arrive there."""

from typing import Final

from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.lab.netns import Namespace

_DRIVER_MODE: Final = 1 << 2  # XDP_FLAGS_DRV_MODE of linux/if_link.h


def attach(namespace: Namespace, ifname: str) -> None:
    """Attach a program that passes everything to the veth *ifname*, in native mode.

    It stays as long as the interface.

    Raises:
        KernelError: the kernel refuses it.

    Source: drivers/net/veth.c, ``veth_xdp_flush``.
    """
    with (
        Object.load(object_file("port"), programs=["port"], frags=True) as loaded,
        namespace.netlink() as netlink,
    ):
        attributes = [
            ("IFLA_XDP_FD", loaded.programs["port"].fd),
            ("IFLA_XDP_FLAGS", _DRIVER_MODE),
        ]
        index = netlink.link_lookup(ifname=ifname)[0]
        netlink.link("set", index=index, xdp={"attrs": attributes})
