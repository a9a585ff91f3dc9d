"""Connection states as nft counts them, to compare with the counters of the datapath."""

import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from harness.frames import checksum
from harness.pair import IFNAME, run
from wirepath.datapath import Datapath
from wirepath.kernel.conntrack import on_packets
from wirepath.lab.netns import Namespace
from wirepath.net import Hook

T = TypeVar("T")

_PATIENCE_S = 20.0
_QUIET_S = 0.2

STATES = ("new", "established", "related", "invalid", "untracked")

# After conntrack, where nft knows the state; by interface, since the namespace has others.
_TABLE = """
table inet wpcount {{
    {counters}
    chain count {{
        type filter hook {hook} priority {priority};
        {but}
        {side} {iface} jump states
    }}
    chain states {{
        {rules}
    }}
}}
"""


def count_by_nft(host: Namespace, hook: str = "prerouting", iface: str = IFNAME) -> None:
    """Make nft on *host* count packets of *iface* by state.

    Before Linux 6.2 outgoing RSTs are not counted: one that refuses a connection ends it before we
    look it up.
    """
    side = "oifname" if hook == "postrouting" else "iifname"
    priority = 300 if hook == "postrouting" else 0
    counters = "\n".join(f"counter {state} {{}}" for state in STATES)
    rules = "\n".join(f"ct state {state} counter name {state}" for state in STATES)
    text = _TABLE.format(
        but="" if hook != "postrouting" or on_packets() else "tcp flags & rst == rst return",
        counters=counters,
        hook=hook,
        side=side,
        iface=iface,
        rules=rules,
        priority=priority,
    )
    run(host, "nft", "-f", "-", input=text)


def counted_by_nft(host: Namespace) -> dict[str, int]:
    """Return what nft has counted since `count_by_nft`."""
    listed = json.loads(run(host, "nft", "-j", "list", "counters", "table", "inet", "wpcount"))
    found = {c["name"]: c["packets"] for n in listed["nftables"] if (c := n.get("counter"))}
    return {state: found[state] for state in STATES}


def connections(host: Namespace) -> list[str]:
    """List the connections that *host* tracks."""
    with host.entered():
        return Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()


def counted_by_us(hook: Hook) -> dict[str, int]:
    """Return what the datapath has counted."""
    with Datapath.open(IFNAME) as datapath:
        return dict(datapath.counters().hooks[hook].states)


def settled(read: Callable[[], T]) -> T:
    """Read until the result no longer changes."""
    deadline, last = time.monotonic() + _PATIENCE_S, read()
    while time.monotonic() < deadline:
        time.sleep(_QUIET_S)
        if (now := read()) == last:
            return now
        last = now
    raise AssertionError(last)


def out_of_nowhere(host: Namespace, target: str, flags: int, port: int = 9) -> None:
    """Send a segment that belongs to no connection from *host*, with a correct checksum."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with host.entered(), socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.connect((target, 0))
        ends = [socket.inet_pton(family, str(end[0])) for end in (raw.getsockname(), (target,))]
        head = struct.pack("!HHIIBBHHH", 40009, port, 1, 1, 5 << 4, flags, 1024, 0, 0)
        pseudo = b"".join(ends) + struct.pack("!II", len(head), socket.IPPROTO_TCP)
        raw.send(head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:])


def talk(client: Namespace, server: Namespace, address: str, port: int, times: int = 3) -> None:
    """Open a TCP connection, exchange *times* messages, and close it, the client first."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with server.entered():
        listener = socket.create_server((address, port), family=family)
    with client.entered():
        mine = socket.socket(family)
    with listener, mine:
        mine.settimeout(_PATIENCE_S)
        mine.connect((address, port))
        theirs, _ = listener.accept()
        with theirs:
            for _ in range(times):
                mine.sendall(b"?")
                assert theirs.recv(9) == b"?"
                theirs.sendall(b"!")
                assert mine.recv(9) == b"!"
            mine.shutdown(socket.SHUT_WR)
            assert theirs.recv(9) == b""


def ask(client: Namespace, server: Namespace, address: str, port: int) -> None:
    """Send two datagrams that are answered, and one more."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with server.entered():
        inbox = socket.socket(family, socket.SOCK_DGRAM)
        inbox.bind((address, port))
    with client.entered():
        mine = socket.socket(family, socket.SOCK_DGRAM)
    with inbox, mine:
        mine.settimeout(_PATIENCE_S)
        inbox.settimeout(_PATIENCE_S)
        mine.connect((address, port))
        for _ in range(2):
            mine.send(b"?")
        for _ in range(2):
            _, whose = inbox.recvfrom(9)
            inbox.sendto(b"!", whose)
            assert mine.recv(9) == b"!"
        mine.send(b".")
        inbox.recv(9)


def ask_nobody(client: Namespace, address: str, port: int = 9) -> None:
    """Send a datagram to a closed port, and wait for the ICMP error."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with client.entered(), socket.socket(family, socket.SOCK_DGRAM) as mine:
        mine.settimeout(_PATIENCE_S)
        mine.connect((address, port))
        mine.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            mine.recv(9)
