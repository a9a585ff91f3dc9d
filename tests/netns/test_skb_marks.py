"""Marks and priorities on real traffic, as nft, routing rules and qdiscs use them."""

import re
import socket
import time
from collections.abc import Callable

import pytest

from harness import frames
from harness.frames import Eth, Layer, Udp, Vlan
from harness.hooked import WAYS
from harness.pair import IFNAME, IPV4, IPV6, Pair, await_port, ip, python, run, running
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

_PATIENCE_S = 10.0
_ALL = 3  # ETH_P_ALL
_BODY = 1 << 20
_MODES = ("tcx", "clsact")
_MARK = """
[[rule]]
name = "some"
hook = "{hook}"
match = {{ dport = 6001 }}
mark = "0x7"
"""
_CLASSES = """
[[rule]]
name = "all"
hook = "egress"
mark = 7

[[rule]]
name = "calls"
hook = "egress"
match = { dport = [6001, 9090] }
priority = "1:10"

[[rule]]
name = "unmarked"
hook = "egress"
match = { dport = 6003 }
mark = 0
"""
_NFT = """
table inet wp {
  chain in {
    type filter hook prerouting priority raw
    meta mark 7 counter
    meta mark 0 udp dport { 6001, 6002 } counter
  }
}
"""
# ld mark; jeq 7; ret -1 (the filter's class) or 0 (no match): not every kernel has cls_fw.
_IS_7 = f"4,32 0 0 {0xFFFFF000 + 20},21 0 1 7,6 0 0 {0xFFFFFFFF},6 0 0 0"
_SERVE = (
    "import socket\n"
    "server = socket.create_server(('::', 9090), family=socket.AF_INET6, dualstack_ipv6=True)\n"
    "while True:\n"
    "    client, _ = server.accept()\n"
    "    size = 0\n"
    "    while data := client.recv(1 << 16):\n"
    "        size += len(data)\n"
    "    client.sendall(str(size).encode())\n"
    "    client.close()\n"
)


def await_that(holds: Callable[[], bool], said: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.02)


def send(address: str, port: int, count: int = 1) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(b"x", (address, port))


def send_frames(*sent: Layer) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((IFNAME, 0))
        for frame in sent:
            link.send(bytes(frame))


@pytest.mark.parametrize(("tc", "mode"), WAYS)
def test_nft_sees_the_mark_of_what_comes_in(hosts: Pair, tc: Tc, mode: Mode) -> None:
    run(hosts.near, "nft", _NFT)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as own:
        own.bind((IFNAME, 0))
        mac = own.getsockname()[4]
    policy = Policy.parse(_MARK.format(hook="tc_ingress"))
    with Datapath.up(IFNAME, policy, tc=tc, mode=mode) as datapath:
        with hosts.far.entered():
            for address in (IPV4[0], IPV6[0]):
                send(address, 6001, 3)
                send(address, 6002, 2)
            # The kernel removes a tag with VLAN 0.
            tagged = Eth(dst=mac) / Vlan(0, pcp=5)
            send_frames(
                tagged / frames.IPv4(src=IPV4[1], dst=IPV4[0]) / Udp(dport=6001),
                tagged / frames.IPv6(src=IPV6[1], dst=IPV6[0]) / Udp(dport=6001),
                tagged / frames.IPv4(src=IPV4[1], dst=IPV4[0]) / Udp(dport=6002),
            )
        await_that(lambda: counted(hosts) == [8, 5], lambda: counted(hosts))
        datapath.down()


def counted(hosts: Pair) -> list[int]:
    shown = run(hosts.near, "nft", "list", "chain", "inet", "wp", "in")
    return [int(packets) for packets in re.findall(r"counter packets (\d+)", shown)]


_NETS = {4: ("203.0.113.0/24", "203.0.113.9"), 6: ("2001:db8:b::/64", "2001:db8:b::9")}


def forward(hosts: Pair, family: int, *table: str) -> str:
    """Make the near host forward a net to the interface wp8; give an address there."""
    near, (net, beyond) = hosts.near, _NETS[family]
    run(near, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    ip(near, "link", "add", "wp8", "type", "veth", "peer", "name", "wp9")
    for name in ("wp8", "wp9"):
        ip(near, "link", "set", name, "up")
    ip(near, f"-{family}", "route", "add", net, "dev", "wp8", *table)
    ip(near, "neigh", "add", beyond, "lladdr", "02:00:00:00:00:09", "dev", "wp8")
    ip(hosts.far, f"-{family}", "route", "add", net, "via", (IPV4 if family == 4 else IPV6)[0])
    return beyond


@pytest.mark.parametrize("family", [4, 6])
def test_routing_rules_see_the_mark_of_what_comes_in(hosts: Pair, family: int) -> None:
    """The mark chooses the route of a forwarded packet."""
    beyond = forward(hosts, family, "table", "100")
    ip(hosts.near, f"-{family}", "route", "add", "unreachable", _NETS[family][0])
    ip(hosts.near, f"-{family}", "rule", "add", "fwmark", "7", "lookup", "100")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as arrived:
        arrived.bind(("wp9", 0))
        arrived.settimeout(_PATIENCE_S)
        with Datapath.up(IFNAME, Policy.parse(_MARK.format(hook="tc_ingress"))) as datapath:
            with hosts.far.entered():
                for port in (6002, 6001, 6002, 6001):
                    send(beyond, port)
            ports = (port for port in iter(lambda: to_port(arrived.recv(2048)), None) if port)
            assert [next(ports), next(ports)] == [6001, 6001]
            datapath.down()


def to_port(frame: bytes) -> int:
    """Return the port that a datagram of `send` is for; 0 for any other packet."""
    at = {0x0800: 14 + 20, 0x86DD: 14 + 40}.get(int.from_bytes(frame[12:14], "big"), len(frame))
    return int.from_bytes(frame[at + 2 : at + 4], "big") if frame[-1:] == b"x" else 0


Classes = Callable[[], dict[str, int]]


def htb(near: Namespace, ifname: str) -> Classes:
    """Put classes of htb on an interface; give a function that returns the packets of each."""
    run(near, "tc", "qdisc", "add", "dev", ifname, "root", "handle", "1:", "htb", "default", "30")
    for name in ("1:10", "1:20", "1:30"):
        run(near, "tc", "class", "add", "dev", ifname, "parent", "1:", "classid", name, "htb",
            "rate", "1gbit", "quantum", "60000")  # fmt: skip
    run(near, "tc", "filter", "add", "dev", ifname, "parent", "1:", "protocol", "all", "prio", "1",
        "bpf", "bytecode", _IS_7, "flowid", "1:20")  # fmt: skip

    def sent() -> dict[str, int]:
        shown = run(near, "tc", "-s", "class", "show", "dev", ifname)
        found = re.findall(r"class htb (\S+) .*?Sent \d+ bytes (\d+) pkt", shown, re.DOTALL)
        return {name: int(packets) for name, packets in found}

    return sent


@pytest.mark.parametrize("tc", _MODES)
def test_a_class_of_htb_by_mark_and_by_priority(hosts: Pair, tc: str) -> None:
    """A priority names the class; for packets without one, a filter of the qdisc uses the mark."""
    learn_neighbours(hosts)
    classes = htb(hosts.near, IFNAME)
    policy = Policy.parse(_CLASSES)
    with Datapath.up(IFNAME, policy, tc=tc) as datapath:  # type: ignore[arg-type]
        before = classes()
        for address in (IPV4[1], IPV6[1]):
            send(address, 6001, 5)
            send(address, 6002, 3)
            send(address, 6003, 2)
        tagged = Eth(dst=b"\x02\0\0\0\0\x09") / Vlan(5)
        send_frames(
            tagged / frames.IPv4() / Udp(dport=6001),
            tagged / frames.IPv6() / Udp(dport=6001),
            tagged / frames.IPv4() / Udp(dport=6002),
        )

        def since() -> dict[str, int]:
            return {name: packets - before[name] for name, packets in classes().items()}

        await_that(lambda: since()["1:10"] == 12 and since()["1:30"] == 4, since)
        assert since()["1:20"] >= 7  # and the kernel's own neighbour discovery
        datapath.apply(Policy.parse(""))
        before = classes()
        send(IPV4[1], 6001, 2)
        await_that(lambda: since()["1:30"] >= 2, since)
        assert since()["1:10"] == 0
        datapath.down()


@pytest.mark.parametrize(("family", "where"), [(4, "1:30"), (6, "1:10")])
def test_what_forwarding_makes_of_a_priority(hosts: Pair, family: int, where: str) -> None:
    """Forwarding IPv4 overwrites the priority by the TOS; a mark stays."""
    beyond = forward(hosts, family)
    classes = htb(hosts.near, "wp8")
    text = 'hook = "tc_ingress"\nmatch = { dport = 6001 }\npriority = "1:10"\n'
    with Datapath.up(IFNAME, Policy.parse(f'[[rule]]\nname = "calls"\n{text}')) as datapath:
        before = classes()[where]
        with hosts.far.entered():
            send(beyond, 6001, 5)
        await_that(lambda: classes()[where] >= before + 5, classes)
        datapath.down()


@pytest.mark.parametrize("address", [IPV4[1], IPV6[1]])
def test_what_is_cut_into_segments(hosts: Pair, address: str) -> None:
    """A packet that the kernel will segment is marked once; the mark holds for all segments."""
    learn_neighbours(hosts)
    classes = htb(hosts.near, IFNAME)
    with (
        running(hosts.far, *python("-c", _SERVE)),
        Datapath.up(IFNAME, Policy.parse(_CLASSES)) as datapath,
    ):
        await_port(hosts.far, 9090, address)
        before = classes()
        with socket.create_connection((address, 9090), timeout=20) as client:
            client.sendall(bytes(_BODY))
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == str(_BODY).encode()
        assert classes()["1:10"] - before["1:10"] >= _BODY // 1460
        assert classes()["1:30"] == before["1:30"]
        datapath.down()


def learn_neighbours(hosts: Pair) -> None:
    for address in (IPV4[1], IPV6[1]):
        run(hosts.near, "ping", "-c1", "-W5", address)
