"""Dumps of nftables objects by raw netlink: chains, rules, elements of sets.

Not pyroute2, which takes 0.2 s to import and a multiple of the kernel's time to parse a large rule
set. Every call acts on the network namespace of the calling thread and changes nothing.

Source: linux/netfilter/nfnetlink.h and nf_tables.h.
"""

from __future__ import annotations

import os
import socket
import struct
from errno import EINTR, EINVAL, ENOENT, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError
from wirepath.kernel.rtnetlink import attribute, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

GETCHAIN: Final = 4
GETRULE: Final = 7
GETSETELEM: Final = 13
ANY_FAMILY: Final = 0

_NETFILTER: Final = 12  # NETLINK_NETFILTER of linux/netlink.h
_NFTABLES: Final = 10  # NFNL_SUBSYS_NFTABLES
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10  # NLM_F_*
_ERROR, _DONE = 2, 3
_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_FAMILY: Final = struct.Struct("=BBH")  # struct nfgenmsg
_ATTRIBUTE: Final = struct.Struct("=HH")
_LARGEST: Final = 1 << 17  # bytes to receive at once
_LIST_ITEM: Final = 1  # NFTA_LIST_ELEM
_TRIES: Final = 5
_ABSENT: Final = frozenset({EINVAL, EOPNOTSUPP, ENOENT})  # no nftables, or no such set any more


def dump(
    kind: int, family: int = ANY_FAMILY, *, doing: str, **asked: str
) -> list[tuple[int, bytes]]:
    """Dump all objects of one kind as (family, packed attributes).

    Args:
        kind: GETCHAIN, GETRULE or GETSETELEM.
        family: of the tables: NFPROTO_*.
        doing: what to say if the kernel refuses.
        asked: names of a table and a set, in this order.

    Returns:
        The objects; none where the kernel has no nftables, or no such set.

    Raises:
        KernelError: the kernel refuses, or the rule set has changed during each of five dumps.
    """
    names = enumerate(asked.values(), 1)
    message = b"".join(attribute(number, name.encode() + b"\0") for number, name in names)
    for _ in range(_TRIES):
        try:
            return list(_answers(kind, family, message))
        except InterruptedError:
            continue  # the rule set was replaced in between
        except OSError as error:
            if error.errno in _ABSENT:
                return []
            cure = "run it as root, or with CAP_NET_ADMIN" if error.errno == EPERM else ""
            raise KernelError(doing, error.errno or 0, cure=cure) from error
    raise KernelError(doing, EINTR, what="it keeps changing", cure="try again")


def _answers(kind: int, family: int, message: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as netlink:
        length = _HEADER.size + _FAMILY.size + len(message)
        head = _HEADER.pack(length, _NFTABLES << 8 | kind, _REQUEST | _DUMP, 1, 0)
        netlink.send(head + _FAMILY.pack(family, 0, 0) + message)
        while True:
            data = netlink.recv(_LARGEST)
            at = 0
            while at < len(data):
                length, what, flags, _, _ = _HEADER.unpack_from(data, at)
                body = at + _HEADER.size
                if flags & _INTERRUPTED:
                    raise InterruptedError
                if what in (_ERROR, _DONE):
                    (error,) = struct.unpack_from("=i", data, body)
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return
                yield data[body], data[body + _FAMILY.size : at + length]
                at += length + -length % 4


def items(data: bytes) -> Iterator[dict[int, bytes]]:
    """Unpack a list of objects, each with its attributes by number."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, number = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        if number & 0x3FFF == _LIST_ITEM:
            yield attributes(data[at + _ATTRIBUTE.size : at + length])
        at += length + -length % 4


def text(data: bytes) -> str:
    """Read a name."""
    return data.rstrip(b"\0").decode(errors="replace")


def number(data: bytes) -> int:
    """Read a number in network order."""
    return int.from_bytes(data, "big")
