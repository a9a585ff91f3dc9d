"""States of connections, compared with those of nft for the same packets, at every hook."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.pair import IFNAME, IPV4, IPV6, Pair, ip, run
from harness.tracked import (
    ask,
    ask_nobody,
    connections,
    count_by_nft,
    counted_by_nft,
    counted_by_us,
    out_of_nowhere,
    settled,
    talk,
)
from wirepath.datapath import Datapath
from wirepath.kernel.conntrack import on_packets
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

COUNT = """
[[rule]]
name = "count"
hook = ["ingress", "tc_ingress", "egress"]
match = { ct = "invalid" }
"""
FIN, SYN, RST, ACK = 1, 2, 4, 16
INSIDE = ("192.0.2.1", "192.0.2.2")


@pytest.fixture
def mode() -> Mode:
    return "native"


@pytest.fixture
def counting(hosts: Pair, mode: Mode) -> Iterator[Pair]:
    with Datapath.up(IFNAME, Policy.parse(COUNT), mode=mode) as datapath:
        yield hosts
        datapath.down()


def compare(host: Namespace, hook: Hook) -> dict[str, int]:
    """Check that both counted the same; link-local packets are random, untracked and left out."""
    ours, theirs = settled(lambda: (counted_by_us(hook), counted_by_nft(host)))
    ours.pop("untracked")
    theirs.pop("untracked")
    assert ours == theirs
    return ours


@pytest.mark.parametrize(
    ("hook", "mode"),
    [
        *((hook, "native") for hook in HOOKS),
        ("ingress", "generic"),
        ("tc_ingress", "generic"),
    ],
)
def test_same_as_nft(counting: Pair, hook: Hook) -> None:
    near, far = counting.near, counting.far
    count_by_nft(near, "postrouting" if hook == "egress" else "prerouting")
    for addresses in (IPV4, IPV6):
        talk(far, near, addresses[0], 8001)
        talk(near, far, addresses[1], 8002)
        ask(far, near, addresses[0], 8003)
        ask(near, far, addresses[1], 8004)
        ask_nobody(near, addresses[1])
        ask_nobody(far, addresses[0])
        for flags in (RST, FIN | ACK, SYN | ACK, RST | ACK, FIN, SYN | FIN, 0):
            out_of_nowhere(far, addresses[0], flags)
            out_of_nowhere(near, addresses[1], flags)
        out_of_nowhere(far, addresses[0], SYN, port=10)
        out_of_nowhere(far, addresses[0], ACK, port=11)
    counted = compare(near, hook)
    assert all(counted.values())
    assert counted["related"] == 2
    tracked = connections(near)
    assert sum(f"dst={IPV4[0]} " in line and "dport=8001" in line for line in tracked) == 1


@pytest.fixture
def inside(counting: Pair) -> Iterator[Namespace]:
    """Make a host inside a NAT of the near one, which hides it from the far one."""
    host = Namespace(f"{counting.near.name}-in")
    with ExitStack() as stack:
        stack.callback(host.remove)
        host.create()
        near = counting.near
        ip(near, "link", "add", "wp2", "type", "veth", "peer", "name", "wp3", "netns", host.name)
        ip(near, "addr", "add", f"{INSIDE[0]}/24", "dev", "wp2")
        ip(near, "link", "set", "wp2", "up")
        ip(host, "addr", "add", f"{INSIDE[1]}/24", "dev", "wp3")
        ip(host, "link", "set", "wp3", "up")
        ip(host, "route", "add", "default", "via", INSIDE[0])
        run(near, "sysctl", "-q", "net.ipv4.ip_forward=1")
        nat = f"""
        table ip wpnat {{
            chain out {{ type nat hook postrouting priority 100; oifname {IFNAME} masquerade; }}
            chain in {{
                type nat hook prerouting priority -100;
                iifname {IFNAME} tcp dport 8080 dnat to {INSIDE[1]}:80
            }}
        }}
        """
        run(near, "nft", "-f", "-", input=nat)
        yield host


@pytest.mark.parametrize("hook", ["ingress", "tc_ingress", "egress"])
def test_translated(counting: Pair, inside: Namespace, hook: Hook) -> None:
    near, far = counting.near, counting.far
    count_by_nft(near, "postrouting" if hook == "egress" else "prerouting")
    talk(inside, far, IPV4[1], 8002)
    ask(inside, far, IPV4[1], 8004)
    ask_nobody(inside, IPV4[1])
    # From outside, to a server that appears to be on the near host.
    with inside.entered():
        server = socket.create_server((INSIDE[1], 80))
    with far.entered():
        client = socket.socket()
    with server, client:
        client.settimeout(20)
        client.connect((IPV4[0], 8080))
        theirs, _ = server.accept()
        with theirs:
            theirs.sendall(b"!")
            assert client.recv(9) == b"!"
    counted = compare(near, hook)
    assert counted["invalid"] == 0
    assert counted["established"]
    if hook == "egress":
        # The SYN, and datagrams that were not answered yet.
        assert (counted["new"], counted["related"]) == (4, 0)
    else:
        assert (counted["new"], counted["related"]) == (1, 1)


def test_pings(counting: Pair) -> None:
    """Programs cannot look pings up: every request is new, and answers have no state.

    At egress netfilter has noted the state on the packet, from Linux 6.2 on.
    """
    for here, there in ((counting.far, 0), (counting.near, 1)):
        for addresses in (IPV4, IPV6):
            run(here, "ping", "-c", "3", "-i", "0.05", "-n", addresses[there])
    for hook in ("ingress", "tc_ingress", "egress"):
        counted = settled(lambda hook=hook: counted_by_us(hook))  # type: ignore[misc]
        assert (counted["related"], counted["invalid"]) == (0, 0)
        if hook == "egress" and on_packets():
            assert (counted["new"], counted["established"]) == (2, 10)
            continue
        assert (counted["new"], counted["established"]) == (6, 0)
        assert counted["untracked"] >= 6


LIMIT = """
[[rule]]
name = "crowd"
hook = "tc_ingress"
match = { ct = "new" }
limit = { rate = "50/s", burst = "50", per = "src" }
"""


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_new_connections_are_limited(hosts: Pair, mode: Mode) -> None:
    with (
        ExitStack() as stack,
        socket.create_server((IPV4[0], 8001), backlog=512) as listener,
        Datapath.up(IFNAME, Policy.parse(LIMIT), mode=mode) as datapath,
    ):
        mine, theirs = stack.enter_context(_connected(hosts.far)), listener.accept()[0]
        stack.enter_context(theirs)
        time.sleep(0.1)  # until the burst has room again
        began = time.monotonic()
        crowd = [stack.enter_context(_begin(hosts.far)) for _ in range(200)]
        for _ in range(500):
            mine.sendall(b"?")
            assert theirs.recv(9) == b"?"
            theirs.sendall(b"!")
            assert mine.recv(9) == b"!"
        arrived = sum(not each.connect_ex((IPV4[0], 8001)) for each in crowd)
        allowed = 50 + 50 * (time.monotonic() - began)
        counted = datapath.counters()
        assert 50 <= arrived <= allowed + 1
        assert counted.rules["crowd"].dropped >= 200 - allowed
        assert counted.hooks["tc_ingress"].states["established"] >= 500
        assert "conntrack" not in counted.hooks["ingress"].document()
        datapath.down()


def _connected(host: Namespace) -> socket.socket:
    with host.entered():
        return socket.create_connection((IPV4[0], 8001), timeout=20)


def _begin(host: Namespace) -> socket.socket:
    with host.entered():
        each = socket.socket()
    each.settimeout(0)
    each.connect_ex((IPV4[0], 8001))
    return each
