"""Route netlink for devices, qdiscs and filters: requests, acknowledgements, dumps.

Not pyroute2, which does not know some of the attributes (such as the ID of a filter's program) and
takes too long to import for a look at one filter.

Every call acts on the network namespace of the calling thread.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/rtnetlink.h
NEWLINK: Final = 16
DELLINK: Final = 17
GETLINK: Final = 18
NEWQDISC: Final = 36
DELQDISC: Final = 37
GETQDISC: Final = 38
NEWTFILTER: Final = 44
DELTFILTER: Final = 45
GETTFILTER: Final = 46

# NLM_F_* of linux/netlink.h: what a NEW message may do.
REPLACE: Final = 0x100
EXCL: Final = 0x200
CREATE: Final = 0x400

ROOT: Final = 0xFFFFFFFF
"""The parent of an interface's root qdisc; TC_H_ROOT of linux/pkt_sched.h."""

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_ATTRIBUTE: Final = struct.Struct("=HH")  # struct nlattr
_TCMSG: Final = struct.Struct("=BBHiIII")
_LARGEST: Final = 1 << 17  # bytes to receive at once; the kernel sends up to 32 KB
_FLAGS: Final = 0x3FFF  # NLA_TYPE_MASK
_KIND, _OPTIONS = 1, 2  # TCA_*
_IFINFO: Final = struct.Struct("=BBHiII")  # struct ifinfomsg
_IFNAME, _LINK, _MASTER = 3, 5, 10  # IFLA_*
_TARGET_NETNS: Final = 46  # IFLA_TARGET_NETNSID


class Traffic(NamedTuple):
    """A message about a qdisc or a filter; struct tcmsg of linux/rtnetlink.h.

    Attributes:
        ifindex: index of the interface.
        handle: of the qdisc or filter, unique within its parent.
        parent: handle of the parent.
        info: of a filter, priority << 16 | EtherType in network order.
        kind: ``fq``, ``bpf``; empty if the message has none.
        options: the attributes of that kind, packed.
    """

    ifindex: int
    handle: int = 0
    parent: int = 0
    info: int = 0
    kind: str = ""
    options: bytes = b""

    def packed(self) -> bytes:
        """Give the bytes of the message."""
        head = _TCMSG.pack(0, 0, 0, self.ifindex, self.handle, self.parent, self.info)
        kind = attribute(_KIND, self.kind.encode() + b"\0") if self.kind else b""
        return head + kind + (attribute(_OPTIONS, self.options) if self.options else b"")

    @classmethod
    def of(cls, message: bytes) -> Self:
        """Read a message from its bytes, without the netlink header."""
        _, _, _, ifindex, handle, parent, info = _TCMSG.unpack_from(message)
        found = attributes(message[_TCMSG.size :])
        kind = found.get(_KIND, b"").rstrip(b"\0").decode()
        return cls(ifindex, handle, parent, info, kind, found.get(_OPTIONS, b""))


def attribute(number: int, value: bytes) -> bytes:
    """Pack one attribute, padded to a multiple of 4 bytes. *value* may hold nested attributes."""
    head = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number)
    return head + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Unpack attributes by number; of several with the same number, the last one counts."""
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, number = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[number & _FLAGS] = data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found


def request(kind: int, message: bytes, flags: int = 0) -> None:
    """Send *message* and wait for the acknowledgement of the kernel.

    Raises:
        OSError: the kernel refuses.
    """
    for _ in _answers(kind, message, _ACK | flags):
        pass


def traffic(kind: int, about: Traffic) -> list[Traffic]:
    """Dump qdiscs (GETQDISC) or filters (GETTFILTER) of the interface that *about* names.

    Returns:
        All of them; none if the interface is gone.

    Raises:
        OSError: the kernel refuses.
    """
    found = map(Traffic.of, _answers(kind, about.packed(), _DUMP))
    return [each for each in found if each.ifindex == about.ifindex]


def links() -> list[bytes]:
    """Dump every device of this network namespace: messages that begin with ``struct ifinfomsg``.

    Raises:
        OSError: the kernel refuses.
    """
    return list(_answers(GETLINK, bytes(16), _DUMP))


def above(name: str) -> dict[int, str]:
    """List *name* and the interfaces above it, by ifindex: its VLANs, its bridge, its bond.

    Packets of *name* may go on as packets of these.

    Raises:
        OSError: the kernel refuses.
    """
    names: dict[int, str] = {}
    steps: list[tuple[int, int]] = []  # from an interface to one above it
    for message in links():
        index, found = _IFINFO.unpack_from(message)[3], attributes(message[_IFINFO.size :])
        names[index] = os.fsdecode(found[_IFNAME].rstrip(b"\0"))
        if _LINK in found:
            steps.append((int.from_bytes(found[_LINK], sys.byteorder), index))
        if _MASTER in found:
            steps.append((index, int.from_bytes(found[_MASTER], sys.byteorder)))
    reached = {index for index, each in names.items() if each == name}
    while more := {up for low, up in steps if low in reached and up in names} - reached:
        reached |= more
    return {index: names[index] for index in reached}


def link(index: int, namespace: int | None = None) -> dict[int, bytes]:
    """Give the attributes of one interface, IFLA_* of linux/if_link.h.

    Args:
        index: its number in its network namespace.
        namespace: the ID that this namespace has for the one it is in; None if it is in this one.

    Raises:
        OSError: there is no such interface (ENODEV), or it may not be seen (EPERM).
    """
    asked = _IFINFO.pack(0, 0, 0, index, 0, 0)
    if namespace is not None:
        asked += attribute(_TARGET_NETNS, struct.pack("=i", namespace))
    # The kernel acknowledges a request that it has answered, too.
    answer = next(iter(list(_answers(GETLINK, asked, _ACK))))
    return attributes(answer[_IFINFO.size :])


def _answers(kind: int, message: bytes, flags: int) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        length = _HEADER.size + len(message)
        netlink.send(_HEADER.pack(length, kind, _REQUEST | flags, 1, 0) + message)
        while True:
            data = netlink.recv(_LARGEST)
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                body, data = data[_HEADER.size : length], data[length + -length % 4 :]
                if kind not in (_ERROR, _DONE):
                    yield body
                    continue
                (error,) = struct.unpack_from("=i", body)
                if error:
                    raise OSError(-error, os.strerror(-error))
                return
