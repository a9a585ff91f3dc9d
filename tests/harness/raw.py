"""Sending frames on an interface unchanged."""

import socket
from contextlib import suppress

FRAME = bytes(12) + b"\x88\xb5" + bytes(46)  # IEEE 802 local experimental EtherType


def send(ifname: str) -> None:
    """Send a frame; it is no error if a program drops it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((ifname, 0))
        with suppress(OSError):  # ENOBUFS: a program dropped it
            raw.send(FRAME)
