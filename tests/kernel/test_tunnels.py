"""Tunnel devices: a packet sent into one appears on the wire, encapsulated as in its RFC."""

import socket
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from harness.frames import Eth, IPv4, Udp
from wirepath.errors import KernelError, NotSupported
from wirepath.kernel import offloads, tunnels
from wirepath.kernel.interface import Interface

pytestmark = pytest.mark.kernel
INNER = bytes(Eth(dst=b"\x02\0\0\0\0\x09") / IPv4(src="198.51.100.1") / Udp() / bytes(80))
VNI = 0x123456
MAC = "02:00:00:00:00:02"
FOUR, SIX = IPv4Address("192.0.2.2"), IPv6Address("2001:db8::2")
WAIT_S = 2.0


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def wire(veth: Interface) -> Iterator[socket.socket]:
    """Open a socket for all frames that arrive at wp1, where no other program answers."""
    for address, other in (("192.0.2.1/24", FOUR), ("2001:db8::1/64", SIX)):
        ip("address", "add", address, "dev", "wp0", *(["nodad"] if ":" in address else []))
        ip("neighbour", "add", str(other), "lladdr", MAC, "dev", "wp0", "nud", "permanent")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as raw:
        raw.bind(("wp1", 0x0003))
        yield raw


# The outer IP packets to *remote*, of all that arrive.
def arriving(wire: socket.socket, remote: IPv4Address | IPv6Address) -> Iterator[bytes]:
    there = slice(16, 20) if remote.version == 4 else slice(24, 40)
    until = time.monotonic() + WAIT_S
    while (left := until - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            packet = wire.recv(1 << 16)[14:]
        except TimeoutError:
            return
        if packet[there] == remote.packed:
            yield packet


def send(frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("wpt", 0))
        raw.send(frame)


@pytest.mark.parametrize("remote", [FOUR, SIX])
def test_vxlan(wire: socket.socket, remote: IPv4Address | IPv6Address) -> None:
    tunnels.create("wpt", "vxlan", remote, VNI)
    send(INNER)
    packet = next(arriving(wire, remote))
    udp = packet[20:] if remote.version == 4 else packet[40:]
    assert int.from_bytes(udp[2:4], "big") == tunnels.VXLAN_PORT
    assert udp[8:16] == b"\x08\0\0\0" + VNI.to_bytes(3, "big") + b"\0"
    assert udp[16:] == INNER
    tunnels.remove("wpt")
    tunnels.remove("wpt")


FULL = bytes(Eth() / IPv4() / Udp() / bytes(1472))


def test_a_full_frame_over_ipv4_is_fragmented(wire: socket.socket) -> None:
    tunnels.create("wpt", "vxlan", FOUR, VNI)
    send(FULL)
    came = arriving(wire, FOUR)
    packets = [next(came), next(came)]
    assert sum(len(packet) - 20 for packet in packets) == 8 + 8 + len(FULL)


def test_a_full_frame_over_ipv6_needs_a_larger_mtu(wire: socket.socket) -> None:
    tunnels.create("wpt", "vxlan", SIX, VNI)
    send(FULL)
    send(INNER)
    assert next(arriving(wire, SIX))[56:] == INNER
    for each in ("wp0", "wp1"):
        ip("link", "set", each, "mtu", "1570")
    send(FULL)
    assert next(arriving(wire, SIX))[56:] == FULL


def test_is_quiet_and_has_no_offloads(wire: socket.socket) -> None:
    tunnels.create("wpt", "vxlan", FOUR, VNI)
    shown = ip("-d", "link", "show", "wpt")
    assert "NOARP" in shown
    assert ",UP" in shown
    assert "nolearning" in shown
    assert "inet6" not in ip("address", "show", "wpt")
    for feature in ("tso", "gso", "tx"):
        assert not offloads.get("wpt", feature)
    assert list(arriving(wire, FOUR)) == []


def test_several(netns: str) -> None:
    tunnels.create("wpt", "vxlan", FOUR, 1)
    tunnels.create("wpt2", "vxlan", SIX, 2)
    taken = r"^create wpt: an interface of that name .* \[EEXIST\] \(`ip link del wpt`\)$"
    with pytest.raises(KernelError, match=taken):
        tunnels.create("wpt", "vxlan", FOUR, 3)
    with pytest.raises(KernelError, match=r"^create wpt3: there is a vxlan with that number"):
        tunnels.create("wpt3", "vxlan", FOUR, 1)


def test_number_out_of_range(netns: str) -> None:
    with pytest.raises(KernelError, match=r"^create wpt: no such number"):
        tunnels.create("wpt", "vxlan", FOUR, 1 << 24)


def test_port_taken(netns: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", tunnels.VXLAN_PORT))
        with pytest.raises(KernelError, match=r"^create wpt: .*\[EADDRINUSE\]"):
            tunnels.create("wpt", "vxlan", FOUR, 1)
    assert "wpt" not in ip("link")


@pytest.mark.parametrize("remote", ["192.0.2.2", "2001:db8::2"])
def test_erspan(wire: socket.socket, remote: str) -> None:
    there = ip_address(remote)
    try:
        tunnels.create("wpt", "erspan", there, 5)
    except NotSupported as error:
        pytest.skip(str(error))
    send(INNER)
    packet = next(arriving(wire, there))
    gre = packet[20:] if there.version == 4 else packet[40:]
    assert gre[:4] == b"\x10\0\x88\xbe"  # with a sequence number, ERSPAN type II
    assert int.from_bytes(gre[8:12], "big") >> 28 == 1
    assert int.from_bytes(gre[8:12], "big") & 0x3FF == 5
    assert gre[16:] == INNER


@pytest.mark.parametrize(
    ("remote", "needs"), [(FOUR, "CONFIG_NET_IPGRE"), (SIX, "CONFIG_IPV6_GRE")]
)
def test_kernel_without_it(
    wire: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    remote: IPv4Address | IPv6Address,
    needs: str,
) -> None:
    way, data = tunnels._erspan(remote, 5)
    monkeypatch.setattr(tunnels, "_erspan", lambda *_: (f"{way}-no", data))
    monkeypatch.setitem(tunnels._NEEDS, f"{way}-no", tunnels._NEEDS[way])
    with pytest.raises(NotSupported, match=rf"^create wpt: .* \(needs {needs}\)$"):
        tunnels.create("wpt", "erspan", remote, 5)


def test_no_way_to_the_collector(netns: str) -> None:
    with pytest.raises(KernelError, match=rf"^find the way to {SIX}: .*\[ENETUNREACH\] \(`ip -6"):
        tunnels.create("wpt", "erspan", SIX, 5)
