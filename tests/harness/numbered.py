"""Numbered datagrams: whether each that was sent has come, or has not."""

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from harness.pair import IPV4
from wirepath.lab.netns import Namespace

_ROOM_BYTES = 64 << 20  # no datagram is lost for want of a reader
_BURST = 10  # to eight ports: less than the ring of a veth holds
_PAUSE_S = 0.001
_SETTLED_S = 0.15


class Inbox:
    """Sockets on a host, and what came to them; leaving the context closes them.

    Args:
        host: where.
        ports: a socket each.
    """

    def __init__(self, host: Namespace, ports: Sequence[int]) -> None:
        self._sockets = {}
        with host.entered():
            for port in ports:
                self._sockets[port] = inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                inbox.setsockopt(socket.SOL_SOCKET, 33, _ROOM_BYTES)  # SO_RCVBUFFORCE
                inbox.bind(("0.0.0.0", port))  # noqa: S104 - of a namespace
                inbox.settimeout(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for inbox in self._sockets.values():
            inbox.close()

    def take(self) -> dict[int, list[int]]:
        """Take out what has come, by port; waits until nothing more does."""
        taken: dict[int, list[int]] = {port: [] for port in self._sockets}
        quiet = time.monotonic() + _SETTLED_S
        while time.monotonic() < quiet:
            for port, inbox in self._sockets.items():
                with suppress(BlockingIOError):
                    while True:
                        taken[port].append(int.from_bytes(inbox.recv(16), "big"))
                        quiet = time.monotonic() + _SETTLED_S
            time.sleep(0.01)
        return taken


class Sender(threading.Thread):
    """Sends each number to each port, 0 first, until the context is left.

    Attributes:
        sent: how many numbers.
    """

    def __init__(self, host: Namespace, ports: Sequence[int], address: str = IPV4[0]) -> None:
        super().__init__(name="sender")
        self._to = [(address, port) for port in ports]
        self._end = threading.Event()
        self.sent = 0
        with host.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def run(self) -> None:
        while not self._end.is_set():
            for number in range(self.sent, self.sent + _BURST):
                for to in self._to:
                    self._socket.sendto(number.to_bytes(4, "big"), to)
            self.sent += _BURST
            time.sleep(_PAUSE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()
        self._socket.close()


def send(host: Namespace, ports: Sequence[int], count: int = 3, address: str = IPV4[0]) -> None:
    """Send *count* datagrams to each port."""
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            for port in ports:
                sender.sendto(number.to_bytes(4, "big"), (address, port))
