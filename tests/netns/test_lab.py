"""The lab itself: what it builds, what it sends, and that nothing of it is left."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from wirepath.datapath import Datapath
from wirepath.errors import KernelError, RequestError
from wirepath.kernel.interface import Interface
from wirepath.lab import control
from wirepath.lab.flood import Flood
from wirepath.lab.network import Host, Lab
from wirepath.lab.traffic import (
    Traffic,
    addresses,
    at_random,
    from_sources,
    of_frames,
    random_sources,
    syn,
    udp,
    written_out,
)
from wirepath.lab.web import PAGE, WebClient, WebServer
from wirepath.net import Prefix, parse_address
from wirepath.policy import Policy

ETH_P_ALL = 3
V4, V6 = "192.0.2.1", "2001:db8::1"


def left(lab_name: str) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"{lab_name}*")]


def received(host: Host) -> int:
    with host.namespace.netlink() as netlink:
        link = netlink.get_links(ifname=host.interface)[0]
    counted = link.get_attr("IFLA_STATS64")
    return int(counted["rx_packets"] + counted["rx_dropped"])  # dropped: the ring was full


@contextmanager
def listening(host: Host) -> Iterator[socket.socket]:
    """Receive frames as they arrive, before anything answers them."""
    with host.namespace.entered():
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with packets:
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        packets.bind((host.interface, ETH_P_ALL))
        packets.settimeout(20)
        yield packets


def frames_of(lab: Lab, traffic: Traffic, count: int) -> list[bytes]:
    """Send *count* packets and return the frames that arrived, in order."""
    seen: list[bytes] = []
    with listening(lab.server) as packets, Flood(lab.net, lab.server.port, traffic) as flood:
        flood.run(packets=count)
        while len(seen) < count:
            frame = packets.recv(2048)
            if frame[6:12] == bytes.fromhex("0200000000fe"):
                seen.append(frame)
    return seen


def assert_right_checksums(frame: bytes) -> None:
    wanted = Ether(frame)
    for layer in (IP, TCP, UDP):
        if layer in wanted:
            wanted[layer].chksum = None
    assert bytes(wanted) == frame


@pytest.mark.parametrize("address", [V4, V6])
def test_hosts_reach_the_server(lab: Lab, address: str) -> None:
    for host in (lab.client, lab.attacker):
        done = host.namespace.run(["ping", "-c1", "-W20", address], stdout=subprocess.DEVNULL)
        assert done.returncode == 0


def test_the_protected_interface_is_fit_for_xdp(lab: Lab) -> None:
    with lab.server.namespace.entered():
        interface = Interface.of(lab.server.interface)
    assert interface.up
    assert interface.driver == "veth"
    assert interface.rx_queues == os.cpu_count()


def await_requests(client: WebClient, count: int) -> None:
    deadline = time.monotonic() + 20
    while client.tally.asked < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_web(lab: Lab) -> None:
    begun = time.monotonic()
    url = [f"http://{V4}/", f"http://[{V6}]/"]
    with WebServer(lab.server.namespace):
        done = lab.client.namespace.run(["curl", "-s", *url], stdout=subprocess.PIPE)
        with WebClient(lab.client.namespace, [V4, V6]) as client:
            await_requests(client, 5)
    assert done.stdout == PAGE * 2
    assert client.tally.asked == client.tally.answered > 2
    assert client.tally.failure == ""
    assert 0 < client.tally.slowest_s < time.monotonic() - begun


def test_web_counts_what_was_not_answered(lab: Lab) -> None:
    with WebClient(lab.client.namespace, [V4]) as client:
        await_requests(client, 1)
    assert client.tally.asked > 0
    assert client.tally.answered == 0
    assert "refused" in client.tally.failure


def test_two_labs_do_not_touch(lab: Lab) -> None:
    with Lab("wp-other") as other, WebServer(other.server.namespace):
        done = lab.client.namespace.run(["curl", "-s", "-m2", f"http://{V4}/"])
        assert done.returncode != 0
    assert lab.exists


def test_nothing_is_left(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        assert len(left(lab_name)) == 4
        sleeper = lab.client.namespace.spawn(["sleep", "60"])
    assert not left(lab_name)
    assert sleeper.wait() == -signal.SIGTERM


def test_nothing_is_left_by_a_body_that_fails(lab_name: str) -> None:
    with pytest.raises(ZeroDivisionError), Lab(lab_name):
        raise ZeroDivisionError
    assert not left(lab_name)


BODY = """
import subprocess, sys, time
from wirepath.lab.flood import Flood
from wirepath.lab.network import Lab
from wirepath.lab.traffic import at_random, udp
from wirepath.net import Prefix
with Lab(sys.argv[1]) as lab:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    lab.server.namespace.spawn(["sleep", "600"], **quiet)
    traffic = at_random(udp("192.0.2.1", 9), Prefix.parse("198.18.0.0/15"))
    with Flood(lab.net, lab.server.port, traffic) as flood:
        flood.start(seconds=60)
        print("running", flush=True)
        time.sleep(60)
"""


@contextmanager
def other_process(name: str) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-c", BODY, name]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "running\n"
        yield process
        process.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(lab_name: str, number: signal.Signals) -> None:
    with other_process(lab_name) as process:
        process.send_signal(number)
    assert process.returncode in (-number, 128 + number, 1)
    assert not left(lab_name)


def test_the_next_start_removes_what_a_killed_run_left(lab_name: str) -> None:
    with other_process(lab_name) as process:
        process.kill()
    killed = Lab(lab_name)
    (sleeper,) = killed.server.namespace.processes()
    with killed as lab:
        assert sleeper not in lab.server.namespace.processes()
    assert not left(lab_name)


@pytest.mark.parametrize(
    "template",
    [
        udp(V4, 9),
        udp(V4, 9, payload=b"odd", vlan=7),
        syn(V4, 80),
        udp(V6, 9),
        syn(V6, 80, vlan=4094),
    ],
    ids=["udp4", "udp4-tagged", "syn4", "udp6", "syn6-tagged"],
)
def test_flood_is_from_its_sources(lab: Lab, template: object) -> None:
    assert isinstance(template, type(udp(V4, 9)))
    version = 6 if b"\x86\xdd" in template.frame[12:18] else 4
    sources = random_sources(50, version=version)
    seen = frames_of(lab, from_sources(template, sources), 120)
    layer = IPv6 if version == 6 else IP
    assert [Ether(f)[layer].src for f in seen] == (addresses(sources) * 3)[:120]
    for frame in seen:
        assert_right_checksums(frame)


@pytest.mark.parametrize("to", [V4, V6])
def test_flood_written_out(lab: Lab, to: str) -> None:
    sources = random_sources(50, version=6 if to == V6 else 4)
    seen = frames_of(lab, written_out(syn(to, 80), sources), 100)
    layer = IPv6 if to == V6 else IP
    assert [Ether(f)[layer].src for f in seen] == addresses(sources) * 2
    assert len({Ether(f)[TCP].sport for f in seen}) > 40
    for frame in seen:
        assert_right_checksums(frame)


def test_flood_draws_ports(lab: Lab) -> None:
    traffic = from_sources(syn(V4, 80), random_sources(10), range(2000, 2010))
    seen = frames_of(lab, traffic, 200)
    assert {Ether(f)[TCP].sport for f in seen} == set(range(2000, 2010))
    for frame in seen:
        assert_right_checksums(frame)


@pytest.mark.parametrize(
    ("to", "within"), [(V4, "198.18.0.0/15"), (V6, "2001:db9:7::/48"), (V4, "0.0.0.0/0")]
)
def test_flood_at_random(lab: Lab, to: str, within: str) -> None:
    prefix = Prefix.parse(within)
    packets = [Ether(f) for f in frames_of(lab, at_random(udp(to, 9), prefix), 200)]
    sources = [parse_address((p[IP] if IP in p else p[IPv6]).src) for p in packets]
    assert all(source in prefix for source in sources)
    assert len(set(sources)) > 195
    for packet in packets:
        assert_right_checksums(bytes(packet.original))


def test_flood_of_frames(lab: Lab) -> None:
    eth = Ether(dst=lab.server.mac, src="02:00:00:00:00:fe")
    frames = [bytes(eth / IP(src=f"10.0.0.{n}", dst=V4) / UDP(dport=n)) for n in range(5)]
    frames.append(bytes(eth / IPv6(dst=V6) / TCP()))
    assert [f[:42] for f in frames_of(lab, of_frames(frames), 12)] == [f[:42] for f in frames] * 2


def test_frames_too_long_for_the_table() -> None:
    with pytest.raises(ValueError, match="96 is the most"):
        of_frames([bytes(97)])


def test_flood_is_bounded_by_packets(lab: Lab) -> None:
    traffic = from_sources(udp(V4, 9), random_sources(100_000))
    before = received(lab.server)
    with Flood(lab.net, lab.server.port, traffic) as flood:
        result = flood.run(packets=100_000)
    assert result.packets == 100_000
    assert result.pps > 0
    assert result.cpu_ns > 0
    assert received(lab.server) - before >= 100_000


def test_flood_is_bounded_by_time_and_stops_when_told(lab: Lab) -> None:
    traffic = at_random(udp(V4, 9), Prefix.parse("198.18.0.0/15"))
    with Flood(lab.net, lab.server.port, traffic) as flood:
        assert 0.3 <= flood.run(seconds=0.3).seconds < 10
        flood.start(seconds=60)
        with pytest.raises(ValueError, match="running already"):
            flood.start(seconds=1)
        time.sleep(0.3)
        assert flood.sent > 0
        begun = time.monotonic()
        flood.stop()
        assert time.monotonic() - begun < 10
        assert not flood.running


def test_flood_needs_an_interface(lab: Lab) -> None:
    with pytest.raises(RequestError, match="nope: no such interface"):
        Flood(lab.net, "nope", from_sources(udp(V4, 9), random_sources(1)))


@pytest.mark.parametrize("name", ["eth0", "wp-Upper", "wp" + "x" * 10, "wp/../x", ""])
def test_names_of_labs(name: str) -> None:
    with pytest.raises(RequestError, match="no name for a lab"):
        Lab(name)


def test_a_namespace_that_is_not_there() -> None:
    missing = Lab("wp-missing").server.namespace
    with pytest.raises(KernelError, match="enter namespace wp-missing-server: it does not exist"):
        missing.run(["true"])
    missing.remove()


def test_control(lab_name: str) -> None:
    assert control.status(lab_name) == []
    control.up(lab_name)
    assert [(s.host.role, s.xdp, s.processes) for s in control.status(lab_name)] == [
        ("server", 0, []),
        ("client", 0, []),
        ("attacker", 0, []),
    ]
    with pytest.raises(RequestError, match=r"no host nobody \(there are server, client, attacker"):
        control.execute("nobody", ["true"], lab_name)
    with pytest.raises(RequestError, match="run no-such-program"):
        control.execute("client", ["no-such-program"], lab_name)
    run = f"from wirepath.lab import control; control.execute('client', {['ping', '-c1', V4]!r}"
    argv = [sys.executable, "-c", f"{run}, {lab_name!r})"]
    assert subprocess.run(argv, check=False, stdout=subprocess.DEVNULL).returncode == 0
    control.down(lab_name)
    control.down(lab_name)
    assert control.status(lab_name) == []


def test_answers_of_xdp_arrive(lab: Lab) -> None:
    """A connection to a port that the policy rejects fails at once."""
    rejecting = '[[rule]]\nname = "no"\nmatch = { proto = "tcp", dport = 23 }\nreject = true\n'
    with lab.server.namespace.entered():
        datapath = Datapath.up(lab.server.interface, Policy.parse(rejecting))
    with lab.client.namespace.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(10)
    with client, pytest.raises(ConnectionRefusedError):
        client.connect((lab.server.ipv4, 23))
    assert datapath.counters().hooks["ingress"].verdicts["tx"].packets == 1
