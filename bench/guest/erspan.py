"""Test that an ERSPAN collector receives mirrored frames; run in a guest by ``run.py``."""

import platform
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Final

from wirepath.datapath import Datapath
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

_TAPPED, _COLLECTING = "wp0", "wp1"  # each has a peer of the same name in the other namespace
_FRAMES: Final = 50
_PATIENCE_S: Final = 10.0
_RULE: Final = '[[rule]]\nname = "tap"\nhook = "egress"\nmirror = {{ to = "erspan:{}:77" }}\n'
_REMOTES: Final = {"192.0.2.2": 20, "2001:db8::2": 40}  # with the size of the outer IP header
_GRE: Final = b"\x10\0\x88\xbe"  # with a sequence number, ERSPAN type II
_HEADERS: Final = 16  # bytes of the GRE and ERSPAN headers


def main() -> int:
    """Print how many frames arrive at the collector; return 1 unless all do, unchanged."""
    here, far = Namespace("e-here"), Namespace("e-far")
    print(f"kernel {platform.release()}")
    for host in (here, far):
        host.create()
    _cable(here, far)
    return max([_measure(here, far, remote) for remote in _REMOTES])


def _cable(here: Namespace, far: Namespace) -> None:
    for name in (_TAPPED, _COLLECTING):
        here.run(["ip", "link", "add", name, "type", "veth", "peer", name, "netns", far.name])
        for host, number in ((here, 1), (far, 2)):
            host.run(["ip", "link", "set", name, "up"])
            if name == _COLLECTING:
                host.run(["ip", "addr", "add", f"192.0.2.{number}/24", "dev", name])
                host.run(["ip", "addr", "add", f"2001:db8::{number}/64", "dev", name, "nodad"])


def _measure(here: Namespace, far: Namespace, remote: str) -> int:
    frames = [_frame(number) for number in range(_FRAMES)]
    with far.entered(), _raw(_COLLECTING) as collector, here.entered(), _raw(_TAPPED) as out:
        # Resolve the neighbour first: only a few packets may wait for its address.
        here.run(["ping", "-c", "1", remote])
        with Datapath.up(_TAPPED, Policy.parse(_RULE.format(remote))) as datapath:
            for frame in frames:
                out.send(frame)
            came = list(_unwrapped(collector, _REMOTES[remote]))
            datapath.down()
    whole = sum(frame in came for frame in frames)
    print(f"{remote:12} {whole} of {_FRAMES} frames, session 77")
    return whole != _FRAMES


def _raw(name: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind((name, 3))
    return raw


# IPv4 with a protocol number for experiments (RFC 3692).
def _frame(number: int) -> bytes:
    payload = number.to_bytes(2, "big") + bytes(60 + number)
    ends = bytes([198, 51, 100, 1, 198, 51, 100, 2])
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, 0, 64, 253, 0) + ends
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + header + payload


# Yields the inner frames of received packets of our session.
def _unwrapped(collector: socket.socket, ip_bytes: int) -> Iterator[bytes]:
    until = time.monotonic() + _PATIENCE_S
    collector.settimeout(2)
    while time.monotonic() < until:
        try:
            packet = collector.recv(1 << 16)[14:]
        except TimeoutError:
            return
        gre = packet[ip_bytes:]
        if gre[:4] == _GRE and int.from_bytes(gre[8:12], "big") & 0x3FF == 77:
            yield gre[_HEADERS:]


if __name__ == "__main__":
    sys.exit(main())
