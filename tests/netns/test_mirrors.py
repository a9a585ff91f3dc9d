"""Taps under traffic: a host, a remote host, and an IDS that receives the copies."""

import hashlib
import os
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from harness.hooked import WAYS
from harness.living import left
from harness.pair import IFNAME, IPV4, Pair, await_port, await_written, ip, python, run, running
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.datapath.host import mirrors
from wirepath.datapath.live import counters
from wirepath.errors import KernelError, NotSupported, RequestError
from wirepath.kernel import offloads, tunnels
from wirepath.kernel.clsact import Filter
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

MIRROR, SEEN_AT = "mirror0", "ids0"
OFF = ("tso", "gso", "tx")
UNDERLAY = ("203.0.113.1", "203.0.113.2")
PAGE_BYTES = 3_000_000
_PCAP_HEAD, _PCAP_RECORD = 24, struct.Struct("=IIII")


def tap(
    inside: str = "", *, to: str = MIRROR, match: str = 'proto = ["icmp", "tcp", "udp"]'
) -> Policy:
    rule = '[[rule]]\nname = "web-tap"\nhook = ["tc_ingress", "egress"]\n'
    return Policy.parse(f'{rule}match = {{ {match} }}\nmirror = {{ to = "{to}" {inside} }}\n')


@pytest.fixture
def ids(hosts: Pair) -> Iterator[Namespace]:
    """Make the IDS, at the other end of mirror0 of the near host."""
    host = Namespace(f"wp{os.getpid():x}-ids")
    host.create()
    try:
        ip(hosts.near, "link", "add", MIRROR, "type", "veth", "peer", "name", SEEN_AT,
           "netns", host.name)  # fmt: skip
        for each, name in ((hosts.near, MIRROR), (host, SEEN_AT)):
            run(each, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            ip(each, "link", "set", name, "up")
        yield host
    finally:
        host.remove()


@contextmanager
def capturing(host: Namespace, name: str, file: Path, what: str, *also: str) -> Iterator[None]:
    """Capture at an interface to *file*, which is complete once the context ends."""
    words = (
        "tcpdump",
        "-Z",
        "root",
        "-n",
        "-i",
        name,
        "-U",
        "--immediate-mode",
        "-s",
        "2048",
        "-B",
        "32768",
        "-w",
        str(file),
        *also,
    )
    with running(host, *words, what, ready="listening on") as process:
        yield
        await_written(process)


def frames(file: Path) -> list[bytes]:
    data, at, found = file.read_bytes(), _PCAP_HEAD, []
    while at < len(data):
        _, _, size, _ = _PCAP_RECORD.unpack_from(data, at)
        at += _PCAP_RECORD.size
        found.append(data[at : at + size])
        at += size
    return found


def count() -> counters.RuleCount:
    with Datapath.open(IFNAME) as datapath:
        return datapath.counters().rules["web-tap"]


def down() -> None:
    with Datapath.open(IFNAME) as datapath:
        datapath.down()


def without_offloads(hosts: Pair) -> None:
    """Turn offloads off, so that captures show what a wire would carry."""
    for host in (hosts.near, hosts.far):
        run(host, "ethtool", "-K", IFNAME, *(word for each in OFF for word in (each, "off")))


def talk(hosts: Pair) -> None:
    """Send pings with fragments, and UDP, both ways."""
    for size in ("56", "1200"):
        run(hosts.near, "ping", "-q", "-c", "20", "-i", "0.01", "-s", size, IPV4[1])
        run(hosts.far, "ping", "-q", "-c", "20", "-i", "0.01", "-s", size, IPV4[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(200):
            sender.sendto(bytes([number]) * number, (IPV4[1], 9))


@contextmanager
def serving_page(hosts: Pair, directory: Path) -> Iterator[str]:
    """Serve a page on the near host; give its hash."""
    page = os.urandom(PAGE_BYTES)
    (directory / "page").write_bytes(page)
    words = python("-m", "http.server", "8080", "--directory", str(directory))
    with running(hosts.near, *words):
        await_port(hosts.near, 8080)
        yield hashlib.sha256(page).hexdigest()


def fetch(hosts: Pair, directory: Path) -> str:
    url = f"http://{IPV4[0]}:8080/page"
    run(
        hosts.far,
        "curl",
        "-sS",
        "--max-time",
        "30",
        "--limit-rate",
        "10M",
        "-o",
        str(directory / "got"),
        url,
    )
    return hashlib.sha256((directory / "got").read_bytes()).hexdigest()


@pytest.mark.parametrize(("tc", "mode"), WAYS)
def test_every_packet_of_both_directions(
    hosts: Pair, ids: Namespace, tmp_path: Path, tc: Tc, mode: Mode
) -> None:
    without_offloads(hosts)
    what = "icmp or (udp port 9)"
    with (
        Datapath.up(IFNAME, tap(), tc=tc, mode=mode),
        capturing(hosts.near, IFNAME, tmp_path / "near", what),
        capturing(ids, SEEN_AT, tmp_path / "ids", what),
    ):
        talk(hosts)
    near, seen = frames(tmp_path / "near"), frames(tmp_path / "ids")
    assert len(near) >= 4 * 40 + 200
    assert Counter(seen) == Counter(near)
    assert count().own["mirrored"] == count().packets == len(seen)
    down()


def plain(frame: bytes) -> bytes:
    """Clear the checksum of TCP, which a virtual wire may leave incomplete."""
    return frame[:50] + bytes(2) + frame[52:]


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_tcp_in_bulk(hosts: Pair, ids: Namespace, tmp_path: Path, mode: Mode) -> None:
    """The stack hands over 64 KiB at once; the IDS gets the same frames as the far host."""
    for host in (hosts.near, hosts.far):
        run(host, "ethtool", "-K", IFNAME, "tso", "off")
    with (
        serving_page(hosts, tmp_path) as page,
        Datapath.up(IFNAME, tap(match="port = 8080"), mode=mode),
        capturing(hosts.far, IFNAME, tmp_path / "far", "tcp port 8080"),
        capturing(ids, SEEN_AT, tmp_path / "ids", "tcp port 8080"),
    ):
        assert fetch(hosts, tmp_path) == page
    far, seen = frames(tmp_path / "far"), frames(tmp_path / "ids")
    assert len(far) > PAGE_BYTES // 1460
    assert max(map(len, seen)) <= 1514
    assert Counter(map(plain, seen)) == Counter(map(plain, far))
    for frame in seen[:: len(seen) // 200]:
        packet = Ether(frame)
        said = packet[TCP].chksum
        del packet[TCP].chksum
        assert Ether(bytes(packet))[TCP].chksum == said
    down()


def test_one_in_100(hosts: Pair, ids: Namespace) -> None:
    with Datapath.up(IFNAME, tap(", one_in = 100", match="dport = 9")) as datapath:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(10_000):
                sender.sendto(b"x", (IPV4[1], 9))
        found = count()
        assert found.packets == 10_000
        assert abs(found.own["mirrored"] - 100) <= 2
        datapath.down()


@pytest.mark.parametrize("tc", ["tcx", "clsact"])
def test_snap(hosts: Pair, ids: Namespace, tmp_path: Path, tc: str) -> None:
    """Copies are truncated, but no other packets that leave by that device."""
    without_offloads(hosts)
    other = b"\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5" + bytes(700)
    with (
        Datapath.up(IFNAME, tap(", snap = 96"), tc=tc),  # type: ignore[arg-type]
        capturing(hosts.near, IFNAME, tmp_path / "near", "icmp"),
        capturing(ids, SEEN_AT, tmp_path / "ids", "icmp or ether proto 0x88b5"),
    ):
        run(hosts.near, "ping", "-q", "-c", "20", "-i", "0.01", "-s", "1200", IPV4[1])
        run(hosts.near, "ping", "-q", "-c", "20", "-i", "0.01", "-s", "10", IPV4[1])
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((MIRROR, 0))
            raw.send(other)
    near, seen = frames(tmp_path / "near"), frames(tmp_path / "ids")
    assert Counter(seen) == Counter([frame[:96] for frame in near] + [other])
    down()
    with Datapath.up(IFNAME, tap(", snap = 60"), tc=tc) as datapath:  # type: ignore[arg-type]
        datapath.apply(tap())
        with capturing(ids, SEEN_AT, tmp_path / "whole", "icmp"):
            run(hosts.near, "ping", "-q", "-c", "2", "-i", "0.01", "-s", "300", IPV4[1])
        assert {len(frame) for frame in frames(tmp_path / "whole")} == {342}
        datapath.down()
    assert not Filter(Interface.of(MIRROR).index, "egress").ifindex
    assert "clsact" not in run(hosts.near, "tc", "qdisc", "show", "dev", MIRROR)


def test_bulk_cut_is_one_frame(hosts: Pair, ids: Namespace, tmp_path: Path) -> None:
    with (
        serving_page(hosts, tmp_path) as page,
        Datapath.up(IFNAME, tap(", snap = 96", match="sport = 8080")),
        capturing(ids, SEEN_AT, tmp_path / "ids", "tcp port 8080"),
    ):
        assert fetch(hosts, tmp_path) == page
        assert count().own["mirror_failed"] == 0
    seen = frames(tmp_path / "ids")
    assert len(seen) == count().own["mirrored"] < PAGE_BYTES // 1460
    assert max(map(len, seen)) == 96
    down()


@contextmanager
def collector(hosts: Pair, ids: Namespace, vni: int) -> Iterator[None]:
    """Make the other end of a tunnel, in the namespace of the IDS."""
    for host, name, address in zip((hosts.near, ids), (MIRROR, SEEN_AT), UNDERLAY, strict=True):
        ip(host, "address", "add", f"{address}/24", "dev", name)
        ip(host, "link", "set", name, "mtu", "1600")
    ip(ids, "link", "add", "vx", "type", "vxlan", "id", str(vni), "dstport",
       str(tunnels.VXLAN_PORT), "remote", UNDERLAY[0])  # fmt: skip
    run(ids, "sysctl", "-qw", "net.ipv6.conf.vx.disable_ipv6=1")
    ip(ids, "link", "set", "vx", "up")
    yield


def test_vxlan(hosts: Pair, ids: Namespace, bpffs: Path, tmp_path: Path) -> None:
    without_offloads(hosts)
    to = f"vxlan:{UNDERLAY[1]}:42"
    name = mirrors.tunnel_name(IFNAME, to)
    what = "icmp or (udp port 9)"
    with collector(hosts, ids, 42), Datapath.up(IFNAME, tap(to=to)) as datapath:
        assert len(name) == 15
        with (
            capturing(hosts.near, IFNAME, tmp_path / "near", what),
            capturing(ids, "vx", tmp_path / "ids", what),
        ):
            talk(hosts)
        near, seen = frames(tmp_path / "near"), frames(tmp_path / "ids")
        assert len(near) >= 4 * 40 + 200
        assert Counter(seen) == Counter(near)
        assert not injected(hosts, ids, name)
        datapath.apply(tap())
        assert not there(name)
        datapath.apply(tap(to=to))
        assert there(name)
        ip(hosts.near, "link", "del", name)
        cure = "bring it back and `wirepath apply`"
        assert datapath.status().warnings == (f"rule web-tap: {to} is gone ({cure})",)
        datapath.apply(tap(to=to))
        assert datapath.status().warnings == ()
        datapath.down()
    assert not there(name)
    assert left(bpffs) == []


def there(name: str) -> bool:
    return name in (each for _, each in socket.if_nameindex())


def injected(hosts: Pair, ids: Namespace, tunnel: str) -> bool:
    """Return whether a packet that the collector sends into the tunnel reaches the near host."""
    shown = run(hosts.near, "ip", "-o", "link", "show", tunnel)
    mac = shown.split("link/ether ")[1].split()[0]
    ip(ids, "route", "add", IPV4[0], "dev", "vx", "src", UNDERLAY[1])
    ip(ids, "neighbour", "add", IPV4[0], "lladdr", mac, "dev", "vx", "nud", "permanent")
    before = run(hosts.near, "cat", "/proc/net/snmp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
        inbox.bind((IPV4[0], 7777))
        inbox.settimeout(0.5)
        send = f"import socket; socket.socket(2, 2).sendto(b'x', ('{IPV4[0]}', 7777))"
        run(ids, *python("-c", send))
        came = run(hosts.near, "ip", "-s", "-o", "link", "show", tunnel)
        assert int(came.split("RX:")[1].split("\\")[1].split()[1]) == 1, before
        try:
            return bool(inbox.recv(9))
        except TimeoutError:
            return False


def test_a_tunnel_in_the_way_is_made_anew(hosts: Pair) -> None:
    name = mirrors.tunnel_name(IFNAME, "vxlan:192.0.2.9:7")
    tunnels.create(name, "vxlan", IPv4Address("192.0.2.9"), 99)
    with Datapath.up(IFNAME, tap(to="vxlan:192.0.2.9:7")) as datapath:
        assert "vxlan id 7 " in run(hosts.near, "ip", "-d", "link", "show", name)
        datapath.down()


def test_gone_under_traffic(hosts: Pair, ids: Namespace, bpffs: Path) -> None:
    with Datapath.up(IFNAME, tap()) as datapath:
        words = ("ping", "-q", "-c", "200", "-i", "0.005", IPV4[1])
        pinging = hosts.near.spawn(words, stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        ip(hosts.near, "link", "set", MIRROR, "down")
        time.sleep(0.2)
        (warning,) = datapath.status().warnings
        assert warning.startswith("rule web-tap: ")
        assert warning.endswith(" copies to mirror0 failed (is it up? `ip link`)")
        ip(hosts.near, "link", "del", MIRROR)
        said, _ = pinging.communicate(timeout=30)
        assert "200 received" in said
        gone = "rule web-tap: mirror0 is gone (bring it back and `wirepath apply`)"
        assert datapath.status().warnings == (gone,)
        found = count()
        assert 0 < found.own["mirrored"] < 400
        assert sum(found.own.values()) == found.packets
        datapath.down()
    assert left(bpffs) == []


def test_an_interface_that_is_gone(hosts: Pair, ids: Namespace, bpffs: Path) -> None:
    with Datapath.up(IFNAME, tap(", snap = 60"), tc="clsact"):
        ip(hosts.near, "link", "del", IFNAME)
    down()
    assert "clsact" not in run(hosts.near, "tc", "qdisc", "show", "dev", MIRROR)
    assert features() == [True] * 3
    assert left(bpffs) == []


def test_a_rule_that_did_something_else(hosts: Pair, ids: Namespace) -> None:
    """Packets that a rule dropped before it became a mirror do not count as copies."""
    limit = '[[rule]]\nname = "web-tap"\nhook = "egress"\nmatch = { dport = 9 }\n'
    limit += 'limit = { rate = "1/min", per = "rule" }\n'
    with Datapath.up(IFNAME, Policy.parse(limit)) as datapath:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(5):
                sender.sendto(b"x", (IPV4[1], 9))
            assert count().dropped == 4
            datapath.apply(tap(match="dport = 9"))
            assert count() == counters.RuleCount(own={"mirrored": 0, "mirror_failed": 0})
            sender.sendto(b"x", (IPV4[1], 9))
        assert count().own["mirrored"] == 1
        datapath.apply(tap(", snap = 99", match="dport = 9"))
        assert count().own["mirrored"] == 1
        datapath.down()


def features() -> list[bool]:
    return [offloads.get(MIRROR, feature) for feature in OFF]  # type: ignore[arg-type]


@pytest.mark.parametrize("tc", ["tcx", "clsact"])
def test_two_interfaces_one_ids(
    hosts: Pair, ids: Namespace, bpffs: Path, tmp_path: Path, tc: str
) -> None:
    ip(hosts.near, "link", "add", "wp5", "type", "veth", "peer", "name", "wp6")
    for name in ("wp5", "wp6"):
        ip(hosts.near, "link", "set", name, "up")
    assert features() == [True] * 3
    for name in ("wp5", IFNAME):
        with Datapath.up(name, tap(", snap = 60"), tc=tc):  # type: ignore[arg-type]
            assert features() == [False] * 3
    with Datapath.open("wp5") as other:
        other.down()
    assert features() == [False] * 3
    with capturing(ids, SEEN_AT, tmp_path / "ids", "icmp"):
        run(hosts.near, "ping", "-q", "-c", "2", "-i", "0.01", "-s", "300", IPV4[1])
    assert {len(frame) for frame in frames(tmp_path / "ids")} == {60}
    down()
    assert features() == [True] * 3
    assert left(bpffs) == []


def test_refused(hosts: Pair, ids: Namespace, bpffs: Path) -> None:
    """A mirror that cannot be set up changes nothing."""
    both = Policy.parse(
        '[[rule]]\nname = "a"\nhook = "egress"\nmirror = { to = "mirror0" }\n'
        '[[rule]]\nname = "b"\nhook = "egress"\nmirror = { to = "erspan:192.0.2.9:5" }\n'
    )
    before = socket.if_nameindex()
    for policy, error, message in (
        (tap(to="mirror9"), RequestError, r"^rule.web-tap: mirror9: no such interface \("),
        (tap(to=IFNAME), RequestError, r"^rule.web-tap: mirrors wp0 to itself \("),
    ):
        with pytest.raises(error, match=message):
            Datapath.up(IFNAME, policy)
    try:
        with Datapath.up(IFNAME, both) as datapath:
            datapath.down()
    except NotSupported as failure:
        assert "CONFIG_NET_IPGRE" in str(failure)  # noqa: PT017 - only some kernels refuse
    assert features() == [True] * 3
    assert socket.if_nameindex() == before
    assert left(bpffs) == []
    with Datapath.up(IFNAME, tap()) as datapath:
        with pytest.raises((RequestError, KernelError)):
            datapath.apply(tap(to="mirror9"))
        assert features() == [False] * 3
        run(hosts.near, "ping", "-q", "-c", "2", "-i", "0.01", IPV4[1])
        assert count().own["mirrored"] == 4
        datapath.down()
    assert features() == [True] * 3
