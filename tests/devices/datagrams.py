"""Datagrams of both versions of IP: sent from any source, taken in with their DSCPs."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from wirepath.lab.netns import Namespace

_TRANSPARENT = {4: (socket.IPPROTO_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
_ASK_TOS = {4: (socket.IPPROTO_IP, 13), 6: (socket.IPPROTO_IPV6, 66)}


class Inbox:
    """Sockets, by version of IP and port, at which datagrams arrive."""

    def __init__(self, sockets: dict[tuple[int, int], socket.socket]) -> None:
        self._sockets = sockets

    def take(self, count: int, patience_s: float) -> dict[int, list[int]]:
        """Take what has come to each port, as DSCPs: *count* datagrams, and any that came too."""
        came: dict[int, list[int]] = {port: [] for _, port in self._sockets}
        deadline = time.monotonic() + patience_s
        while sum(map(len, came.values())) < count and time.monotonic() < deadline:
            time.sleep(0.02)
            self._read(came)
        time.sleep(0.1)  # for one that should not have come
        self._read(came)
        return came

    def _read(self, came: dict[int, list[int]]) -> None:
        for (_, port), each in self._sockets.items():
            with suppress(BlockingIOError):
                while True:
                    _, ancillary, _, _ = each.recvmsg(64, 64)
                    came[port].append(ancillary[0][2][0] >> 2)


@contextmanager
def inbox(host: Namespace, ports: Sequence[int]) -> Iterator[Inbox]:
    """Take in what arrives at *ports* of *host*."""
    with ExitStack() as stack:
        made = {}
        with host.entered():
            for version in (4, 6):
                for port in ports:
                    each = made[version, port] = stack.enter_context(udp(version))
                    each.setsockopt(*_ASK_TOS[version], 1)
                    each.settimeout(0)
                    each.bind(("::" if version == 6 else "0.0.0.0", port))  # noqa: S104
        yield Inbox(made)


def udp(version: int) -> socket.socket:
    """Make a socket in the network namespace of this thread."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    if version == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def send(host: Namespace, version: int, source: str, address: str, port: int) -> None:
    """Send a datagram from *host*, which need not have the *source* among its addresses."""
    with host.entered():
        sender = udp(version)
    with sender:
        sender.setsockopt(*_TRANSPARENT[version], 1)
        sender.bind((source, 0))
        with suppress(PermissionError):  # egress has dropped it
            sender.sendto(b"!", (address, port))
