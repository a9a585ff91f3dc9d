"""Frames that the kernel changes before the hooks of TC: tags removed, packets merged, pages.

Rules match and count them as they are on the wire. The tests compare with the counters of the
interface, which counts frames as they leave and arrive.
"""

import json
import mmap
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.frames import Eth, Frame, IPv4, IPv6, Tcp, Udp, Vlan
from harness.pair import IFNAME, IPV4, IPV6, Pair, ip, run
from wirepath.datapath import Datapath
from wirepath.datapath.live.counters import Outcomes
from wirepath.kernel.links import Mode
from wirepath.lab.netns import Namespace
from wirepath.net import Hook
from wirepath.policy import Policy

_SENT_BYTES = 4_000_000
_PACKET = 263  # SOL_PACKET of linux/socket.h


def rules(hooks: tuple[Hook, ...], **matches: str) -> Policy:
    """Make a counting rule for each match."""
    return Policy.parse(
        "".join(
            f'[[rule]]\nname = "{name}"\nhook = {list(hooks)}\nmatch = {{ {match} }}\n'
            for name, match in matches.items()
        )
    )


def put(host: Namespace, *frames: bytes, ifname: str = IFNAME) -> None:
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((ifname, 0))
        for frame in frames:
            wire.send(frame)


TO_ALL = b"\xff" * 6
PLAIN = IPv4(src="192.0.2.1", dst="192.0.2.2") / Udp(dport=9) / bytes(100)
ONE_TAG = bytes(Eth(dst=TO_ALL) / Vlan(5) / PLAIN)
TWO_TAGS = bytes(Eth(dst=TO_ALL, type=0x88A8) / Vlan(100) / Vlan(5) / PLAIN)
TAGS = {"five": "vlan = 5, dport = 9", "hundred": "vlan = 100, dport = 9", "any": "dport = 9"}


def counted(datapath: Datapath, name: str) -> tuple[int, int]:
    count = datapath.counters().rules[name]
    return count.packets, count.bytes


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_tags_that_come(hosts: Pair, bpffs: Path, mode: Mode) -> None:
    """At tc_ingress the outermost tag is not in the bytes; at XDP it is."""
    for hook in ("ingress", "tc_ingress"):
        with Datapath.up(IFNAME, rules((hook,), **TAGS), mode=mode) as datapath:
            put(hosts.far, ONE_TAG, TWO_TAGS)
            assert counted(datapath, "five") == (1, len(ONE_TAG))
            assert counted(datapath, "hundred") == (1, len(TWO_TAGS))
            assert counted(datapath, "any") == (2, len(ONE_TAG) + len(TWO_TAGS))
            datapath.down()


def test_tags_that_go(hosts: Pair, bpffs: Path) -> None:
    """Tags in the bytes, as programs send them; and in the skb, as a bridge adds them."""
    with Datapath.up(IFNAME, rules(("egress",), **TAGS)) as datapath:
        put(hosts.near, ONE_TAG, TWO_TAGS)
        assert counted(datapath, "five") == (1, len(ONE_TAG))
        assert counted(datapath, "hundred") == (1, len(TWO_TAGS))
        datapath.down()


def bridged(near: Namespace) -> None:
    """Put the interface into a bridge, with `wpo` as its other port."""
    ip(near, "link", "add", "wpbr", "type", "bridge")
    ip(near, "link", "add", "wpi", "type", "veth", "peer", "name", "wpo")
    for port in ("wpi", IFNAME):
        ip(near, "link", "set", port, "master", "wpbr", "up")
    for port in ("wpo", "wpbr"):
        ip(near, "link", "set", port, "up")


def test_tags_that_a_bridge_hands_on(hosts: Pair, bpffs: Path) -> None:
    """A bridge keeps tags in the skb, not in the bytes."""
    near = hosts.near
    bridged(near)
    with Datapath.up(IFNAME, rules(("egress",), **TAGS)) as datapath:
        for _ in range(50):  # until the port forwards
            put(near, ONE_TAG, ifname="wpo")
            packets, size = counted(datapath, "five")
            if packets:
                break
            threading.Event().wait(0.1)
        assert (packets, size) == (packets, packets * len(ONE_TAG))
        assert packets
        datapath.down()


@contextmanager
def stream(source: Namespace, sink: Namespace, address: str) -> Iterator[None]:
    """Transfer some megabytes over TCP before the context begins."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with sink.entered():
        listener = socket.create_server((address, 5001), family=family)
    came = []

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 20):
                came.append(len(data))

    taker = threading.Thread(target=take)
    taker.start()
    with source.entered(), socket.socket(family, socket.SOCK_STREAM) as sender:
        sender.settimeout(20)
        sender.connect((address, 5001))
        for _ in range(_SENT_BYTES // 1_000_000):
            sender.sendall(bytes(1_000_000))
    taker.join(20)
    listener.close()
    assert sum(came) == _SENT_BYTES
    yield


def wire_bytes(host: Namespace, direction: str) -> int:
    [shown] = json.loads(run(host, "ip", "-j", "-s", "link", "show", "dev", IFNAME))
    return int(shown["stats64"][direction]["bytes"])


def sent(datapath: Datapath, near: Namespace) -> tuple[Outcomes, int]:
    """Return the counts of egress and of the interface for the same packets, without others."""
    while True:
        went = wire_bytes(near, "tx")
        outcomes = datapath.counters().hooks["egress"]
        if wire_bytes(near, "tx") == went:
            return outcomes, went


def offloads(host: Namespace, *words: str) -> None:
    run(host, "ethtool", "-K", IFNAME, *words)


@pytest.mark.parametrize("version", [4, 6])
def test_bytes_of_what_will_be_cut_into_segments(hosts: Pair, bpffs: Path, version: int) -> None:
    """The interface segments the packets, and counts each segment."""
    offloads(hosts.near, "tso", "off", "gso", "on")
    addresses = IPV4 if version == 4 else IPV6
    with Datapath.up(IFNAME, rules(("egress",), all="")) as datapath:
        before, had = sent(datapath, hosts.near)
        with stream(hosts.near, hosts.far, addresses[1]):
            now, went = sent(datapath, hosts.near)
        assert now.bytes - before.bytes == went - had
        assert now.packets - before.packets < _SENT_BYTES / 1448 / 2  # they were merged
        datapath.down()


@pytest.mark.parametrize("version", [4, 6])
def test_bytes_of_what_was_merged(hosts: Pair, bpffs: Path, version: int) -> None:
    """Frames arrive one by one, and are merged before tc_ingress."""
    offloads(hosts.far, "tso", "off", "gso", "off")
    offloads(hosts.near, "gro", "on")
    addresses = IPV4 if version == 4 else IPV6
    with Datapath.up(IFNAME, rules(("tc_ingress",), all="")) as datapath:
        before = datapath.counters().hooks
        with stream(hosts.far, hosts.near, addresses[0]):
            now = datapath.counters().hooks
        grown = {hook: now[hook].bytes - before[hook].bytes for hook in now}
        packets = {hook: now[hook].packets - before[hook].packets for hook in now}
        assert grown["ingress"] == grown["tc_ingress"]  # XDP sees them one by one
        assert packets["tc_ingress"] < packets["ingress"] / 2
        datapath.down()


# PACKET_VNET_HDR, and struct virtio_net_hdr: linux/if_packet.h, linux/virtio_net.h.
_VNET = 15
_MERGED = 4000
_SEGMENT = 1000


def put_merged(host: Namespace, headers: bytes, ifname: str = IFNAME) -> None:
    """Send *headers* and data as one packet to be segmented, as the driver of a guest does."""
    known = struct.pack("=BBHHHH", 1, 1, len(headers), _SEGMENT, len(headers) - 20, 16)
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.setsockopt(_PACKET, _VNET, 1)
        wire.bind((ifname, 0))
        wire.send(known + headers + bytes(_MERGED))


def headers(*tags: Vlan) -> bytes:
    frame = Eth(dst=TO_ALL) / IPv4(src="192.0.2.1", dst="192.0.2.2") / Tcp(dport=9)
    for tag in tags:
        frame = Frame((frame.layers[0], tag, *frame.layers[1:]))
    return bytes(frame / bytes(_MERGED))[:-_MERGED]


def test_what_nobody_has_counted_the_segments_of(hosts: Pair, bpffs: Path) -> None:
    offloads(hosts.near, "tso", "off")
    with Datapath.up(IFNAME, rules(("egress",), nine="dport = 9")) as datapath:
        before, had = sent(datapath, hosts.near)
        put_merged(hosts.near, headers())
        assert counted(datapath, "nine") == (1, _MERGED + 4 * len(headers()))
        now, went = sent(datapath, hosts.near)
        assert now.bytes - before.bytes == went - had
        datapath.down()


def test_each_segment_has_the_tag(hosts: Pair, bpffs: Path) -> None:
    """The tag is in the skb once, and counts for every segment."""
    bridged(hosts.near)
    tagged = headers(Vlan(5))
    with Datapath.up(IFNAME, rules(("egress",), five="vlan = 5, dport = 9")) as datapath:
        put_merged(hosts.near, tagged, "wpo")
        assert counted(datapath, "five") == (1, _MERGED + 4 * len(tagged))
        datapath.down()


# Attributes of a link that `ip` of Debian 12 does not know: linux/if_link.h.
_GSO_MAX, _GSO_IPV4_MAX = 41, 63
_RTM_NEWLINK = 16


def let_be_big(host: Namespace, size: int = 131_072) -> None:
    """Let TCP make packets that are too long for the length field of IP (BIG TCP)."""
    with host.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
        body = struct.pack("=BxHiII", 0, 0, socket.if_nametoindex(IFNAME), 0, 0)
        for kind in (_GSO_MAX, _GSO_IPV4_MAX):
            body += struct.pack("=HHI", 8, kind, size)
        route.send(struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, 5, 1, 0) + body)
        [error] = struct.unpack_from("=i", route.recv(4096), 16)
        assert error == 0


@pytest.mark.parametrize("version", [4, 6])
def test_packets_too_large_for_their_length_field(hosts: Pair, bpffs: Path, version: int) -> None:
    """They are judged like others: rules see their ports, and they are not malformed."""
    let_be_big(hosts.near)
    addresses = IPV4 if version == 4 else IPV6
    policy = rules(("egress",), long="length = 65535", web='proto = "tcp", dport = 5001')
    with Datapath.up(IFNAME, policy) as datapath:
        with stream(hosts.near, hosts.far, addresses[1]):
            outcomes = datapath.counters().hooks["egress"]
        assert not any(count.packets for count in outcomes.faults.values())
        assert counted(datapath, "long")[0] > 0
        assert counted(datapath, "web")[1] > _SENT_BYTES
        datapath.down()


# PACKET_VERSION with TPACKET_V2, PACKET_TX_RING: linux/if_packet.h.
_VERSION, _TWO, _RING = 10, 1, 13
_DATA_AT = 32
_SEND = 1


def put_in_pages(host: Namespace, frame: bytes) -> None:
    """Send *frame* by a ring: only its Ethernet header is in linear memory, the rest in pages."""
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.setsockopt(_PACKET, _VERSION, _TWO)
        wire.setsockopt(_PACKET, _RING, struct.pack("=4I", 4096, 1, 2048, 2))
        wire.bind((IFNAME, 0))
        with mmap.mmap(wire.fileno(), 4096) as ring:
            ring[_DATA_AT : _DATA_AT + len(frame)] = frame
            struct.pack_into("=II", ring, 0, _SEND, len(frame))
            wire.send(b"")


@pytest.mark.parametrize(
    "frame",
    [
        Eth(dst=TO_ALL) / PLAIN,
        Eth(dst=TO_ALL) / Vlan(5) / PLAIN,
        Eth(dst=TO_ALL) / IPv6() / Udp(dport=9) / bytes(900),
    ],
    ids=["ipv4", "vlan", "ipv6"],
)
def test_headers_in_pages(hosts: Pair, bpffs: Path, frame: object) -> None:
    data = bytes(frame)  # type: ignore[call-overload]
    with Datapath.up(IFNAME, rules(("egress",), nine="dport = 9")) as datapath:
        put_in_pages(hosts.near, data)
        assert counted(datapath, "nine") == (1, len(data))
        outcomes = datapath.counters().hooks["egress"]
        assert outcomes.reasons["malformed"].packets == 0
        datapath.down()
