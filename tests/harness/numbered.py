"""Numbered datagrams, to find out which of those that were sent have arrived."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Self

from harness.pair import IFNAME, IPV4
from wirepath.lab.netns import Namespace

_ROOM_BYTES = 64 << 20  # so that no datagram is lost for lack of a reader
_BURST = 10  # numbers, to eight ports each: fewer datagrams than the ring of a veth holds
_PAUSE_S = 0.001
_PATIENCE_S = 20.0
_ARP = 0x0806
_TRANSPARENT = 19  # IP_TRANSPARENT of linux/in.h


class Inbox:
    """Sockets on a host that receive datagrams; leaving the context closes them.

    Args:
        host: a host of a `Pair`.
        ports: the ports; each gets a socket.
    """

    def __init__(self, host: Namespace, ports: Sequence[int]) -> None:
        self._host = host
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
        """Take out, by port, all datagrams that were sent before, however busy the machine is."""
        settle(self._host)
        return {port: list(_numbers(inbox)) for port, inbox in self._sockets.items()}


def _numbers(inbox: socket.socket) -> Iterator[int]:
    with suppress(BlockingIOError):
        while True:
            yield int.from_bytes(inbox.recv(16), "big")


def settle(host: Namespace) -> None:
    """Wait until *host* has processed all packets that are on their way to it.

    It sends ARP requests to the other host, which no policy judges. Packets do not overtake
    each other on a veth with its own ring, nor in the backlog of one CPU: so the answers to
    requests from each CPU come last.
    """
    home = os.sched_getaffinity(0)
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((IFNAME, _ARP))
        wire.settimeout(_PATIENCE_S)
        try:
            for cpu in home:
                os.sched_setaffinity(0, {cpu})
                for address in IPV4:
                    wire.send(_question(wire.getsockname()[4], address))
                while not _is_answer(wire.recv(64)):
                    pass
        finally:
            os.sched_setaffinity(0, home)


# A probe has no sender address, so that the kernel does not take the answer for its own (RFC 5227).
def _question(mac: bytes, address: str) -> bytes:
    head = b"\xff" * 6 + mac + _ARP.to_bytes(2, "big") + bytes.fromhex("0001080006040001")
    return head + mac + bytes(10) + socket.inet_aton(address)


def _is_answer(frame: bytes) -> bool:
    return frame[20:22] == b"\0\2" and frame[38:42] == bytes(4)


class Sender(threading.Thread):
    """Sends each number to each port, starting with 0, until the context is left.

    Attributes:
        sent: how many numbers were sent.
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


def send(
    host: Namespace,
    ports: Sequence[int],
    count: int = 3,
    address: str = IPV4[0],
    sources: Sequence[str] = (),
) -> None:
    """Send *count* datagrams to each port, the first from the first of *sources*, and so on.

    The sources need not be addresses of the host.
    """
    with ExitStack() as stack:
        with host.entered():
            senders = [stack.enter_context(_sender(source)) for source in sources or [""]]
        for number in range(count):
            for port in ports:
                sender = senders[number % len(senders)]
                sender.sendto(number.to_bytes(4, "big"), (address, port))


def _sender(source: str) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if source:
        sender.setsockopt(socket.SOL_IP, _TRANSPARENT, 1)
        sender.bind((source, 0))
    return sender
