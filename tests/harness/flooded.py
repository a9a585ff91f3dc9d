"""A real server under SYN floods from forged addresses, and its clients."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.pair import IFNAME, IPV4, IPV6, Pair, await_port, ip, run, running
from wirepath.datapath import Datapath
from wirepath.lab.flood import Flood
from wirepath.lab.netns import tune_veth
from wirepath.lab.traffic import random_sources, syn, written_out
from wirepath.policy import Policy

PORT = 7000
_GOING = 50_000  # packets, after which a flood has filled every queue that it can fill

# Echoes everything to any number of clients.
SERVER = f"""
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = socketserver.socket.AF_INET6
    daemon_threads, request_queue_size = True, 1024
Server(("::", {PORT}), Echo).serve_forever()
"""

# The other host must not spend time on answers to forged addresses.
FAR = f"""
[datapath]
default = "drop"
[[rule]]
name = "ours"
match = {{ dst = ["{IPV4[1]}", "{IPV6[1]}", "ff00::/8"] }}
action = "pass"
"""


@contextmanager
def server(hosts: Pair, policy: str, *, cookies: int = 0) -> Iterator[Datapath]:
    """Run an echo server protected by *policy*, with the given value of ``tcp_syncookies``."""
    for name, value in (("tcp_syncookies", cookies), ("tcp_max_syn_backlog", 1024)):
        # Of the near host, where we are.
        Path(f"/proc/sys/net/ipv4/{name}").write_text(str(value))
    for host in (hosts.near, hosts.far):
        tune_veth(host, IFNAME)
    ip(hosts.near, "route", "add", "default", "via", IPV4[1])  # otherwise it would not answer them
    with hosts.far.entered():
        far = Datapath.up(IFNAME, Policy.parse(FAR))
    try:
        with (
            running(hosts.near, sys.executable, "-c", SERVER),
            Datapath.up(IFNAME, Policy.parse(policy)) as datapath,
        ):
            await_port(hosts.near, PORT)
            yield datapath
            datapath.down()
    finally:
        with hosts.far.entered(), far:
            far.down()


@contextmanager
def flood(hosts: Pair) -> Iterator[Flood]:
    [link] = json.loads(run(hosts.near, "ip", "-json", "link", "show", IFNAME))
    forged = random_sources(32_768)
    traffic = written_out(syn(IPV4[0], PORT, mac=link["address"]), forged)
    with Flood(hosts.far, IFNAME, traffic) as sending:
        sending.start(seconds=60)
        while sending.sent < _GOING:
            assert sending.running
            time.sleep(0.01)
        yield sending
        sending.stop()


def connect(hosts: Pair, address: str = IPV4[0], patience_s: float = 8.0) -> socket.socket | None:
    """Connect and get an echo. A packet that the flood displaces delays this by seconds."""
    with hosts.far.entered():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.settimeout(patience_s)
    try:
        made.connect((address, PORT))
        echo(made)
    except OSError:
        made.close()
        return None
    return made


def connected(hosts: Pair, address: str = IPV4[0]) -> socket.socket:
    """Connect and get an echo; fail if that is not possible."""
    made = connect(hosts, address)
    assert made
    return made


def echo(client: socket.socket) -> None:
    client.sendall(b"hear")
    assert client.recv(16) == b"hear"
