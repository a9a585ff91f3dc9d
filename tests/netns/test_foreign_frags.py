"""Another tool's generic program with frags, ahead of our hooks of TC, hides no packet from us.

Such a program makes the kernel hand packets on to TC without their Ethernet header.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.hooked import MODES, end, policy, served, serving
from harness.pair import IFNAME, IPV4, Pair, ip, run
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.kernel.functions import has_function
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

_BODY = bytes(1_000_000)
_COPIES = ("wpm0", "wpm1")
_ALL = 3  # ETH_P_ALL

pytestmark = pytest.mark.skipif(
    not has_function("bpf_cast_to_kern_ctx"), reason="Linux before 6.2, which hides no header"
)


@contextmanager
def foreign_frags(datapath: Datapath) -> Iterator[None]:
    """Put a program that passes everything in the place of ours at XDP, which another has taken."""
    with datapath.reading() as handles:
        handles.link.detach()
    bare = Object.load(object_file("bare"), programs=["bare_pass"], frags=True)
    with (
        bare,
        XdpLink.attach(bare.programs["bare_pass"], Interface.of(IFNAME).index, "generic"),
    ):
        yield


@pytest.mark.parametrize("tc", MODES)
def test_rules_at_the_hooks_of_tc_see_every_packet(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    datapath = Datapath.up(IFNAME, policy("odd", ["tc_ingress", "egress"]), mode="generic", tc=tc)
    with foreign_frags(datapath):
        assert serving(hosts) == served("odd", ["tc_ingress", "egress"])
        assert datapath.counters().rules["tc_ingress"].dropped == 6
        faults = datapath.counters().hooks["tc_ingress"].reasons
        assert not faults["malformed"].packets
    end(bpffs)


def _transfer(source: Namespace, sink: Namespace) -> None:
    with sink.entered():
        listener = socket.create_server((IPV4[0], 5001))
    came = bytearray()

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 20):
                came.extend(data)

    taker = threading.Thread(target=take)
    taker.start()
    with source.entered(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sender:
        sender.settimeout(20)
        sender.connect((IPV4[0], 5001))
        sender.sendall(_BODY)
    taker.join(20)
    listener.close()
    assert bytes(came) == _BODY


def _mac(host: Namespace) -> bytes:
    [link] = json.loads(run(host, "ip", "-json", "link", "show", IFNAME))
    return bytes.fromhex(link["address"].replace(":", ""))


def test_merged_packets_are_counted_and_copied_whole(hosts: Pair, bpffs: Path) -> None:
    """Copies are what a wire would carry, and so are the bytes that the rule counts."""
    near, far = hosts.near, hosts.far
    ip(near, "link", "add", _COPIES[0], "type", "veth", "peer", "name", _COPIES[1])
    for name in _COPIES:
        run(near, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        ip(near, "link", "set", name, "up")
    text = (
        '[[rule]]\nname = "tap"\nhook = "tc_ingress"\nmatch = { proto = "tcp", dport = 5001 }\n'
        f'mirror = {{ to = "{_COPIES[0]}" }}\n'
    )
    head = _mac(near) + _mac(far) + b"\x08\0"
    datapath = Datapath.up(IFNAME, Policy.parse(text), mode="generic")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as copies:
        copies.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        copies.bind((_COPIES[1], _ALL))
        copies.settimeout(1)
        with foreign_frags(datapath):
            _transfer(far, near)
        count = datapath.counters().rules["tap"]
        seen = list(_arrived(copies))
    assert all(frame.startswith(head) for frame in seen)
    assert all(int.from_bytes(frame[16:18], "big") == len(frame) - 14 for frame in seen)
    assert sum(map(len, seen)) == count.bytes > len(_BODY)
    assert count.packets == count.own["mirrored"] < len(seen)
    end(bpffs)


def _arrived(copies: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield copies.recv(1 << 16)
        except TimeoutError:
            return
