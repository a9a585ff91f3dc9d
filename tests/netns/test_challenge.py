"""Connections of real programs while SYNs flood the server from forged addresses."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pair import IFNAME, IPV4, IPV6, Pair, await_port, ip, run, running

from wirepath import stats
from wirepath.datapath import Datapath
from wirepath.lab.flood import Flood
from wirepath.lab.netns import tune_veth
from wirepath.lab.traffic import at_random, syn
from wirepath.net import Prefix
from wirepath.policy import Policy

PORT = 7000
FORGED = Prefix.parse("10.0.0.0/9")

# Echoes whatever comes, from any number of clients.
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

# What the server answers to forged addresses must not cost the other host its time.
FAR = f"""
[datapath]
default = "drop"
[[rule]]
name = "ours"
match = {{ dst = ["{IPV4[1]}", "{IPV6[1]}", "ff00::/8"] }}
action = "pass"
"""


@contextmanager
def server(hosts: Pair, policy: str) -> Iterator[Datapath]:
    """An echo server without SYN cookies behind *policy*."""
    for name, value in (("tcp_syncookies", 0), ("tcp_max_syn_backlog", 1024)):
        # Of the near host, where we are.
        Path(f"/proc/sys/net/ipv4/{name}").write_text(str(value))
    for host in (hosts.near, hosts.far):
        tune_veth(host, IFNAME)
    ip(hosts.near, "route", "add", str(FORGED), "via", IPV4[1])  # or it would not answer them
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
    traffic = at_random(syn(IPV4[0], PORT, mac=link["address"]), FORGED, range(1024, 65536))
    with Flood(hosts.far, IFNAME, traffic) as sending:
        sending.start(seconds=60)
        time.sleep(0.5)
        yield sending
        sending.stop()


def connect(hosts: Pair, address: str = IPV4[0], patience_s: float = 8.0) -> socket.socket | None:
    """Connect within some time, and be heard. A packet that the flood displaces costs seconds."""
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


def echo(client: socket.socket) -> None:
    client.sendall(b"hear")
    assert client.recv(16) == b"hear"


def challenging(value: str) -> str:
    return f'[[rule]]\nname = "web"\nmatch = {{ dport = {PORT} }}\nchallenge = {value}\n'


@pytest.mark.parametrize("address", [IPV4[0], IPV6[0]], ids=["ipv4", "ipv6"])
def test_a_client_proves_itself_and_does_not_notice(hosts: Pair, address: str) -> None:
    with server(hosts, challenging('"reset"')) as datapath:
        begun = time.monotonic()
        first = connect(hosts, address)
        took = time.monotonic() - begun
        second = connect(hosts, address)
        assert first
        assert second
        with first, second:
            echo(first)
        reasons = stats.read(datapath).outcomes.reasons
        assert reasons["challenge"].packets == 2  # its SYN, and its RST
        assert took < 0.5
        print(f"connected in {took * 1000:.1f} ms")


# A client's firewall of the usual kind: what belongs to nothing that it has seen begin is dropped.
TRACKING = """
table inet far {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        meta l4proto ipv6-icmp accept
    }
    chain output {
        type filter hook output priority 0; policy accept;
        ct state invalid drop
    }
}
"""


def test_a_client_behind_connection_tracking(hosts: Pair) -> None:
    with server(hosts, challenging('"reset"')):
        run(hosts.far, "nft", "-f", "-", input=TRACKING)
        begun = time.monotonic()
        client = connect(hosts)
        assert client
        client.close()
        assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("above", ["", ', above = "100/s"'], ids=["always", "above"])
def test_clients_connect_through_a_flood(hosts: Pair, above: str) -> None:
    """What comes before the rate is exceeded has to fit the server's backlog."""
    with server(hosts, challenging(f'{{ mode = "reset"{above} }}')):
        before = connect(hosts)
        assert before
        with before, flood(hosts) as sending:
            for _ in range(20):
                client = connect(hosts)
                assert client
                client.close()
                echo(before)
            assert sending.sent > 50_000


def test_without_it_they_do_not(hosts: Pair) -> None:
    """The same flood, so that what the test above shows is the challenge's doing."""
    with server(hosts, ""), flood(hosts):
        for _ in range(4):
            assert not connect(hosts, patience_s=1.0)
