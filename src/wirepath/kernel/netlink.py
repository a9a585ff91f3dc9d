"""Facts that only generic netlink gives. Importing pyroute2 takes 0.2 s, so it happens on use."""

from __future__ import annotations

from errno import ENOENT
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Sequence

# NETDEV_* of linux/netdev.h.
_DEV_GET: Final = 1
_XDP_FEATURES: Final = ("basic", "redirect", "ndo_xmit", "xsk_zerocopy", "hw_offload", "rx_sg")
_METADATA: Final = ("timestamp", "hash", "vlan_tag")


def xdp_features(ifindex: int) -> frozenset[str] | None:
    """Ask the driver which XDP features it has.

    Returns:
        A subset of ``basic`` (native XDP), ``redirect``, ``ndo_xmit`` (it sends frames that are
        redirected to it), ``xsk_zerocopy``, ``hw_offload``, ``rx_sg`` (frames in several buffers,
        for jumbo MTUs); None if the kernel does not say, as before Linux 6.3.

    Raises:
        KernelError: there is no such interface (ENODEV).
    """
    return _bits(ifindex, "XDP_FEATURES", _XDP_FEATURES)


def xdp_metadata(ifindex: int) -> frozenset[str]:
    """Ask the driver what it tells XDP programs of a frame, if they are bound to its device.

    Returns:
        A subset of ``timestamp``, ``hash``, ``vlan_tag`` (one that is not in the frame); empty if
        the kernel does not say, as before Linux 6.8.

    Raises:
        KernelError: there is no such interface (ENODEV).
    """
    return _bits(ifindex, "XDP_METADATA", _METADATA) or frozenset()


# Reads a set of features; None if the kernel does not tell.
# Source: Documentation/netlink/specs/netdev.yaml.
def _bits(ifindex: int, attribute: str, names: Sequence[str]) -> frozenset[str] | None:
    from pyroute2.netlink import NLM_F_REQUEST, genlmsg
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.generic import GenericNetlinkSocket

    class Device(genlmsg):  # type: ignore[misc] # pyroute2 is untyped
        nla_map = (
            ("UNUSED", "none"),
            ("IFINDEX", "uint32"),
            ("PAD", "none"),
            ("XDP_FEATURES", "uint64"),
            ("XDP_SEGMENTS", "uint32"),
            ("XDP_METADATA", "uint64"),
        )

    with GenericNetlinkSocket() as netlink:
        try:
            netlink.bind("netdev", Device)
        except NetlinkError as error:
            if error.code != ENOENT:
                raise KernelError("ask netlink for family netdev", error.code) from error
            return None
        ask = Device()
        ask["cmd"], ask["version"] = _DEV_GET, 1
        ask["attrs"] = [("IFINDEX", ifindex)]
        try:
            answer = netlink.nlm_request(ask, msg_type=netlink.prid, msg_flags=NLM_F_REQUEST)
        except NetlinkError as error:
            raise KernelError(f"ask interface {ifindex} for XDP", error.code) from error
        bits = answer[0].get_attr(attribute)
    if bits is None:
        return None
    return frozenset(name for bit, name in enumerate(names) if bits >> bit & 1)
