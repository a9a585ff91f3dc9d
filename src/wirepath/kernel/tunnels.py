"""Tunnel devices for mirroring: frames sent out of one arrive complete at a collector."""

from __future__ import annotations

import logging
import os
import socket
import struct
from errno import EAFNOSUPPORT, EEXIST, ENODEV, EOPNOTSUPP, EPERM, ERANGE
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal

from wirepath.errors import KernelError, NotSupported
from wirepath.kernel import offloads, rtnetlink
from wirepath.kernel.handle import telling
from wirepath.kernel.links import ROOT
from wirepath.kernel.rtnetlink import attribute

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

Kind = Literal["vxlan", "erspan"]
"""The encapsulation: VXLAN (RFC 7348) or ERSPAN type II (draft-foschiano-erspan-03)."""

VXLAN_PORT: Final = 4789
"""The UDP destination port of VXLAN; RFC 7348 section 8."""

_IFINFO: Final = struct.Struct("=BBHiII")  # struct ifinfomsg
_UP, _NOARP = 0x1, 0x80  # IFF_*
# IFLA_* of linux/if_link.h: for every interface, for kinds of interface, for VXLAN.
_NAME, _LINKINFO, _AF_SPEC = 3, 18, 26
_KIND, _DATA = 1, 2
_VXLAN_ID, _VXLAN_GROUP, _VXLAN_LEARNING, _VXLAN_PORT, _VXLAN_GROUP6 = 1, 2, 7, 15, 16
_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE = 8, 1
# IFLA_GRE_* and GRE_* of linux/if_tunnel.h.
_GRE_IFLAGS, _GRE_OFLAGS, _GRE_IKEY, _GRE_OKEY = 2, 3, 4, 5
_GRE_LOCAL, _GRE_REMOTE, _GRE_TTL, _GRE_FLAGS, _GRE_ERSPAN_INDEX, _GRE_ERSPAN_VER = (
    6,
    7,
    8,
    13,
    21,
    22,
)
_GRE_KEY_AND_SEQUENCE: Final = 0x2000 | 0x1000
_TTL: Final = 64  # of the outer header; 0 would copy the inner one
_NO_ENCAPSULATION_LIMIT: Final = 1  # IP6_TNL_F_IGN_ENCAP_LIMIT: no destination options
_TYPE_II: Final = 1  # its value in the version field of the header

_NEEDS: Final[dict[str, str]] = {
    "vxlan": "CONFIG_VXLAN",
    "erspan": "CONFIG_NET_IPGRE",
    "ip6erspan": "CONFIG_IPV6_GRE",
}


def create(
    name: str,
    kind: Kind,
    remote: IPv4Address | IPv6Address,
    number: int,
    *,
    prepare: Callable[[], object] | None = None,
) -> None:
    """Create a tunnel device in the network namespace of the calling thread, and bring it up.

    The device has no address and sends no packets of its own. Frames are segmented and their
    checksums computed before encapsulation, so that the collector sees them as a wire would carry
    them. Encapsulated frames that exceed the path MTU are fragmented by VXLAN over IPv4 and lost
    by VXLAN over IPv6, whose path needs room for 70 more bytes; ERSPAN truncates them and says so
    in its header.

    Like any tunnel, it also receives encapsulated frames from any address. The caller should drop
    those at the ingress of the device, which *prepare* can set up.

    Args:
        name: of the device, up to 15 bytes.
        kind: the encapsulation.
        remote: address of the collector.
        number: the VNI, 0 to 2^24 - 1; or the session, 0 to 1023.
        prepare: called after the device is created and before it is up.

    Raises:
        NotSupported: this kernel was built without that kind of tunnel.
        KernelError: the name is taken, there is no route to *remote*, or the kernel refuses; no
            device is left.
    """
    doing = f"create {name}"
    way, data = _vxlan(remote, number) if kind == "vxlan" else _erspan(remote, number)
    link = attribute(_KIND, way.encode() + b"\0") + attribute(_DATA, data)
    try:
        flags = rtnetlink.CREATE | rtnetlink.EXCL
        _request(rtnetlink.NEWLINK, name, attribute(_LINKINFO, link), flags=flags)
    except OSError as error:
        raise _refused(doing, error.errno or 0, name, way) from error
    try:
        if prepare:
            prepare()
        _bring_up(doing, name)
    except BaseException:
        remove(name)
        raise
    log.debug("made %s: %s to %s, number %d", name, way, remote, number)


def remove(name: str) -> None:
    """Remove the device; does nothing if it is gone.

    Raises:
        KernelError: the kernel refuses.
    """
    with telling(f"remove {name}", cure=ROOT):
        try:
            _request(rtnetlink.DELLINK, name)
        except OSError as error:
            if error.errno != ENODEV:
                raise


def _vxlan(remote: IPv4Address | IPv6Address, number: int) -> tuple[str, bytes]:
    group = _VXLAN_GROUP if remote.version == 4 else _VXLAN_GROUP6  # noqa: PLR2004 - IPv4
    return "vxlan", (
        attribute(_VXLAN_ID, struct.pack("=I", number))
        + attribute(group, remote.packed)
        + attribute(_VXLAN_LEARNING, b"\0")
        + attribute(_VXLAN_PORT, struct.pack("!H", VXLAN_PORT))
    )


def _erspan(remote: IPv4Address | IPv6Address, number: int) -> tuple[str, bytes]:
    key, flags = struct.pack("!I", number), struct.pack("!H", _GRE_KEY_AND_SEQUENCE)
    data = (
        attribute(_GRE_IFLAGS, flags)
        + attribute(_GRE_OFLAGS, flags)
        + attribute(_GRE_IKEY, key)
        + attribute(_GRE_OKEY, key)
        + attribute(_GRE_REMOTE, remote.packed)
        + attribute(_GRE_TTL, bytes([_TTL]))
        + attribute(_GRE_ERSPAN_INDEX, struct.pack("=I", 0))
        + attribute(_GRE_ERSPAN_VER, bytes([_TYPE_II]))
    )
    if isinstance(remote, IPv4Address):
        return "erspan", data
    # Without a local address, ip6gre_tunnel_xmit of net/ipv6/ip6_gre.c sends nothing.
    data += attribute(_GRE_LOCAL, _own_address(remote).packed)
    return "ip6erspan", data + attribute(_GRE_FLAGS, struct.pack("=I", _NO_ENCAPSULATION_LIMIT))


# The source address by which this host reaches *remote*.
def _own_address(remote: IPv6Address) -> IPv6Address:
    cure = "`ip -6 route` shows those that there are"
    with (
        telling(f"find the way to {remote}", cure=cure),
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker,
    ):
        asker.connect((str(remote), 9))
        return IPv6Address(asker.getsockname()[0])


def _bring_up(doing: str, name: str) -> None:
    features: tuple[offloads.Feature, ...] = ("tso", "gso", "tx")
    for feature in features:
        offloads.put(name, feature, on=False)
    quiet = attribute(_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_NONE]))
    with telling(doing):
        try:
            # Without an address, the device sends no router solicitations either.
            _request(
                rtnetlink.NEWLINK, name, attribute(_AF_SPEC, attribute(socket.AF_INET6, quiet))
            )
        except OSError as error:
            if error.errno != EAFNOSUPPORT:  # a host without IPv6 sends none anyway
                raise
        _request(rtnetlink.NEWLINK, name, state=_UP | _NOARP)


def _request(kind: int, name: str, also: bytes = b"", *, state: int = 0, flags: int = 0) -> None:
    head = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, state, state)
    message = head + attribute(_NAME, os.fsencode(name) + b"\0") + also
    rtnetlink.request(kind, message, flags)


def _refused(doing: str, errno: int, name: str, way: str) -> KernelError:
    what, cure = "", ""
    if errno == EOPNOTSUPP:
        return NotSupported(doing, errno, needs=_NEEDS[way])
    if errno == EPERM:
        cure = ROOT
    elif errno == EEXIST and any(name == there for _, there in socket.if_nameindex()):
        what, cure = "an interface of that name is there already", f"`ip link del {name}`"
    elif errno == EEXIST:
        what = f"there is a {way} with that number already"
    elif errno == ERANGE:
        what = f"no such number or name for a {way}"
    return KernelError(doing, errno, what=what, cure=cure)
