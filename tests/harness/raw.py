"""Frames that leave by an interface as they are."""

import socket
from contextlib import suppress

FRAME = bytes(12) + b"\x88\xb5" + bytes(46)  # IEEE 802 local experimental EtherType


def send(ifname: str) -> None:
    """Send one; that a program drops it is no error."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((ifname, 0))
        with suppress(OSError):  # ENOBUFS: a program dropped it
            raw.send(FRAME)
