"""Marks on real traffic, observed after the host that writes them, by tcpdump and scapy."""

import hashlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scapy.layers import inet as scapy
from scapy.layers.inet6 import IPv6 as ScapyIPv6
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet
from scapy.utils import PcapReader

from harness import frames
from harness.frames import Eth, Udp, Vlan
from harness.pair import IFNAME, Pair, await_port, await_written, ip, python, run, running
from wirepath.datapath import Datapath
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

_PORTS: dict[Hook, str] = {"ingress": IFNAME, "tc_ingress": IFNAME, "egress": "wp2"}
_WAYS: tuple[tuple[Hook, Mode], ...] = (
    *((hook, "native") for hook in HOOKS),
    ("ingress", "generic"),
    ("tc_ingress", "generic"),
)
_BEYOND = {4: "198.51.100.3", 6: "2001:db8:a::3"}
_SIZE = 1 << 20
_TO_ALL = Eth(dst=b"\xff" * 6)
_POLICY = """
[[rule]]
name = "everything"
hook = "{hook}"
dscp = "CS1"

[[rule]]
name = "bulk"
match = {{ proto = "tcp", dport = 9090 }}
hook = "{hook}"
dscp = "AF41"

[[rule]]
name = "voice"
match = {{ proto = "udp", dscp = [0, "CS7"] }}
hook = "{hook}"
dscp = "EF"
"""
_SERVE = (
    "import hashlib, socket, sys\n"
    "family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
    "server = socket.create_server((sys.argv[1], 9090), family=family)\n"
    "while True:\n"
    "    client, _ = server.accept()\n"
    "    body = hashlib.sha256()\n"
    "    while data := client.recv(1 << 16):\n"
    "        body.update(data)\n"
    "    client.sendall(body.hexdigest().encode())\n"
    "    client.close()\n"
)


def await_forwarding(near: Namespace) -> None:
    """Wait until both ports of the bridge forward; the kernel may be slow to see a carrier."""
    deadline = time.monotonic() + 30
    states: list[str] = []
    while states != ["forwarding"] * 2:
        assert time.monotonic() < deadline, states
        time.sleep(0.02)
        states = [port["state"] for port in json.loads(run(near, "bridge", "-j", "link"))]


@pytest.fixture
def beyond(hosts: Pair) -> Iterator[Namespace]:
    """Make a third host; the near one is a bridge between it and the far one."""
    host = Namespace(f"wp{os.getpid():x}-beyond")
    try:
        host.create()
        near = hosts.near
        ip(near, "link", "add", "wp2", "type", "veth", "peer", "name", IFNAME, "netns", host.name)
        ip(near, "link", "add", "wpbr", "type", "bridge")
        for port in (IFNAME, "wp2"):
            ip(near, "link", "set", port, "master", "wpbr", "up")
        ip(near, "link", "set", "wpbr", "up")
        # So that packets come out as on a wire, cut into segments after TC.
        run(near, "ethtool", "-K", "wp2", "tso", "off", "tx-udp-segmentation", "off")
        # XDP gets packets uncut by the peer; those that it passes are merged again, given time.
        run(near, "ethtool", "-K", IFNAME, "gro", "on")
        merge = f"echo 1000000 > /sys/class/net/{IFNAME}/gro_flush_timeout"
        run(near, "ip", "netns", "exec", near.name, "sh", "-c", merge)
        ip(host, "link", "set", IFNAME, "up")
        ip(host, "addr", "add", f"{_BEYOND[4]}/24", "dev", IFNAME)
        ip(host, "addr", "add", f"{_BEYOND[6]}/64", "dev", IFNAME, "nodad")
        for each in (hosts.far, host):
            run(each, "sysctl", "-qw", "net.ipv4.tcp_ecn=1")
        await_forwarding(near)
        yield host
    finally:
        host.remove()


@contextmanager
def captured(host: Namespace, path: Path) -> Iterator[list[Packet]]:
    """Collect every IP packet that arrives at *host*; the list is complete after the context."""
    packets: list[Packet] = []
    # The snap length decides how many packets the buffer holds.
    watch = ("tcpdump", "-i", IFNAME, "-Q", "in", "-s", "2048", "-B", "16384", "--immediate-mode",
             "-U", "-Z", "root", "-w", str(path), "ip or ip6 or vlan")  # fmt: skip
    with running(host, *watch, ready="listening") as process:
        yield packets
        await_written(process)
    with PcapReader(str(path)) as reader:
        packets += list(reader)


def mark(packet: Packet) -> tuple[int, int]:
    """Return DSCP and ECN of a packet, after checking its checksum."""
    if scapy.IP not in packet:
        tos = packet[ScapyIPv6].tc
        return tos >> 2, tos & 3
    header = packet[scapy.IP].copy()
    header.remove_payload()
    del header.chksum
    assert scapy.IP(bytes(header)).chksum == packet[scapy.IP].chksum
    return packet[scapy.IP].tos >> 2, packet[scapy.IP].tos & 3


def send_body(hosts: Pair, address: str) -> tuple[str, str]:
    """Send a body over TCP; return its hash and the hash of the received bytes."""
    body = os.urandom(_SIZE)
    with hosts.far.entered(), socket.create_connection((address, 9090), timeout=20) as client:
        client.sendall(body)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while part := client.recv(100):
            answer += part
    return hashlib.sha256(body).hexdigest(), answer.decode()


@pytest.mark.parametrize(("hook", "mode"), _WAYS)
def test_a_body_over_tcp(
    hosts: Pair, beyond: Namespace, tmp_path: Path, hook: Hook, mode: Mode
) -> None:
    """The body arrives unchanged; each segment has the mark, and the ECN that TCP chose."""
    policy = Policy.parse(_POLICY.format(hook=hook))
    with Datapath.up(_PORTS[hook], policy, mode=mode) as datapath:
        for family, address in _BEYOND.items():
            with running(beyond, *python("-c", _SERVE, address)):
                await_port(beyond, 9090, address)
                with captured(beyond, tmp_path / "capture") as packets:
                    sent, came = send_body(hosts, address)
            assert sent == came
            check_segments([packet for packet in packets if scapy.TCP in packet], family)
        counted = datapath.counters().rules["bulk"]
        if hook != "ingress":
            assert counted.bytes > 2000 * counted.packets, "the kernel had nothing merged"
        datapath.down()


def sent_once(data: list[Packet]) -> Iterator[Packet]:
    """Leave out retransmissions, which TCP sends without ECN (RFC 3168 section 6.1.5)."""
    ahead = data[0][scapy.TCP].seq
    for packet in data:
        segment = packet[scapy.TCP]
        if (segment.seq - ahead) % (1 << 32) < 1 << 31:
            ahead = segment.seq + len(segment.payload)
            yield packet


def check_segments(segments: list[Packet], family: int) -> None:
    assert {mark(packet)[0] for packet in segments} == {34}
    data = [packet for packet in segments if len(packet) > 1000]
    assert {mark(packet)[1] for packet in sent_once(data)} == {2}
    assert max(map(len, data)) <= 1514
    assert len(data) >= _SIZE // 1460
    first = [packet for packet in segments if "S" in packet[scapy.TCP].flags]
    assert {mark(packet) for packet in first} == {(34, 0)}
    if family == 6:
        assert len({packet[ScapyIPv6].fl for packet in segments} - {0}) == 1


@pytest.mark.parametrize(("hook", "mode"), _WAYS)
def test_tagged_and_not(
    hosts: Pair, beyond: Namespace, tmp_path: Path, hook: Hook, mode: Mode
) -> None:
    """A VLAN tag is in the bytes at XDP and in the skb at TC; marks find the header in both."""
    sent = Counter[tuple[int, int, int]]()
    policy = Policy.parse(_POLICY.format(hook=hook))
    with Datapath.up(_PORTS[hook], policy, mode=mode) as datapath:
        with captured(beyond, tmp_path / "capture") as packets, hosts.far.entered():
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            with link:
                link.bind((IFNAME, 0))
                for vid in (0, 7):
                    for tos in range(256):
                        for packet in (frames.IPv4(tos=tos, ttl=9), frames.IPv6(tos=tos, hops=9)):
                            under = _TO_ALL / Vlan(vid) if vid else _TO_ALL
                            link.send(bytes(under / packet / Udp(dport=9) / b"payload"))
                            dscp = 46 if tos >> 2 in (0, 56) else 8
                            sent[vid, dscp, tos & 3] += 1
                        time.sleep(0.001)
        datapath.down()
    found = [packet for packet in packets if scapy.UDP in packet and packet[scapy.UDP].dport == 9]
    assert Counter((p[Dot1Q].vlan if Dot1Q in p else 0, *mark(p)) for p in found) == sent


def test_back_to_what_was(hosts: Pair, beyond: Namespace, tmp_path: Path) -> None:
    """Without the rule the next packet is unchanged."""
    policy = Policy.parse(_POLICY.format(hook="egress"))
    pings = ("ping", "-c", "3", "-i", "0.05", "-q", "-Q", "0x40", _BEYOND[4])
    said = []
    with Datapath.up("wp2", policy) as datapath:
        for text in (None, "", None):
            if text is not None:
                datapath.apply(Policy.parse(text))
            with captured(beyond, tmp_path / "capture") as packets:
                run(hosts.far, *pings)
            said.append({mark(p) for p in packets if scapy.ICMP in p})
        datapath.down()
    assert said == [{(8, 0)}, {(16, 0)}, {(16, 0)}]
