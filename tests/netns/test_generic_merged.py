"""In generic mode packets come merged; limits and bytes are those of the wire all the same.

The far host leaves segmentation to its veth (TSO), which leaves it to the next device: so packets
come as they do from a bridge or a bond whose ports merge them.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Tcp, Vlan
from harness.living import end
from harness.pair import IFNAME, IPV4, IPV6, Pair
from wirepath.datapath import Datapath
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

COUNT = '[[rule]]\nname = "all"\nmatch = { proto = "tcp" }\n'
PORT = 5001
_PACKET, _VNET = 263, 15  # SOL_PACKET, PACKET_VNET_HDR of linux/if_packet.h
_MERGED, _SEGMENT = 4000, 1000
_SENT = 4_000_000


def receive(host: Namespace, address: str, came: list[int]) -> threading.Thread:
    """Take one connection, and note how much came by it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered():
        listener = socket.create_server((address, PORT), family=family)

    def take() -> None:
        connection, _ = listener.accept()
        with connection, listener, suppress(ConnectionResetError):
            while data := connection.recv(1 << 20):
                came.append(len(data))

    taker = threading.Thread(target=take)
    taker.start()
    return taker


def connect(host: Namespace, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.entered():
        sender = socket.create_connection((address, PORT), timeout=20)
    assert sender.family == family
    return sender


def sent_by(sender: socket.socket) -> tuple[int, int]:
    """Return how many segments and bytes a socket has sent, retransmitted ones included."""
    info = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("=I", info, 136)[0], struct.unpack_from("=Q", info, 200)[0]


@pytest.mark.parametrize("address", [IPV4[0], IPV6[0]], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("told", [True, False])
def test_bytes_are_those_on_the_wire(
    hosts: Pair, bpffs: Path, address: str, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """Linux 6.1 does not tell of the segments: there they are taken to be of full length."""
    loading = "wirepath.datapath.generation.loading.has_function"
    monkeypatch.setattr(loading, lambda _: told)
    came: list[int] = []
    headers = 14 + (40 if ":" in address else 20) + 32  # with the option for time stamps
    with Datapath.up(IFNAME, Policy.parse(COUNT), mode="generic") as datapath:
        taker = receive(hosts.near, address, came)
        with connect(hosts.far, address) as sender:
            sender.sendall(bytes(_SENT))
            sender.shutdown(socket.SHUT_WR)
            taker.join(20)
            sent, octets = sent_by(sender)
        assert sum(came) == _SENT
        counted = datapath.counters().rules["all"]
        assert counted.packets < sent / 2  # they were merged
        assert counted.bytes == pytest.approx(octets + sent * headers, abs=2 * headers)
    end(bpffs)


def put(host: Namespace, *tags: Vlan, merged: bool) -> None:
    """Send four segments, in one packet or alone: as the driver of a guest does."""
    frame = Eth(dst=b"\xff" * 6)
    for tag in tags:
        frame = frame / tag
    size = _MERGED if merged else _SEGMENT
    data = bytes(frame / IPv4(src=IPV4[1], dst=IPV4[0]) / Tcp(dport=9) / bytes(size))
    headers = len(data) - size
    known = struct.pack("=BBHHHH", 1, merged, headers, _SEGMENT * merged, headers - 20, 16)
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.setsockopt(_PACKET, _VNET, 1)
        wire.bind((IFNAME, 0))
        wire.send(known + data)


LIMIT = """
[[rule]]
name = "few"
hook = "{hook}"
match = {{ proto = "tcp", dport = 9 }}
limit = {{ rate = "1/h", burst = 10, per = "{per}", exact = {exact} }}
"""


@pytest.mark.parametrize("exact", ["true", "false"])
@pytest.mark.parametrize("hook", ["ingress", "tc_ingress"])
def test_a_limit_counts_every_segment(hosts: Pair, bpffs: Path, hook: str, exact: str) -> None:
    policy = Policy.parse(LIMIT.format(hook=hook, per="src", exact=exact))
    with Datapath.up(IFNAME, policy, mode="generic") as datapath:
        for _ in range(4):  # 4 and 8 of 10 packets; two more exceed as a whole
            put(hosts.far, merged=True)
        counted = datapath.counters().rules["few"]
        assert (counted.packets, counted.dropped) == (4, 2)
        assert counted.bytes == 4 * (_MERGED + 4 * (14 + 20 + 20))
        for _ in range(4):  # 9 and 10
            put(hosts.far, merged=False)
        counted = datapath.counters().rules["few"]
        assert (counted.packets, counted.dropped) == (8, 4)
    end(bpffs)


@pytest.mark.parametrize("hook", ["ingress", "tc_ingress"])
def test_a_limit_lets_its_rate_through(hosts: Pair, bpffs: Path, hook: str) -> None:
    rate, seconds = 500, 2
    limit = f'limit = {{ rate = "{rate}/s", per = "src" }}'
    policy = Policy.parse(COUNT.replace('"all"\n', f'"all"\nhook = "{hook}"\n') + limit + "\n")
    came: list[int] = []
    with Datapath.up(IFNAME, policy, mode="generic") as datapath:
        taker = receive(hosts.near, IPV4[0], came)
        with connect(hosts.far, IPV4[0]) as sender:
            sender.settimeout(0.2)
            began = time.monotonic()
            while time.monotonic() < began + seconds:
                try:
                    sender.send(bytes(100_000))
                except TimeoutError:
                    continue
            took = time.monotonic() - began
            passed = sum(came) / 1448
            # As sockets close at once, what they still hold is not sent.
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert datapath.counters().rules["all"].dropped
    end(bpffs)
    taker.join(20)
    assert rate / 4 < passed <= rate + rate * took + 50
