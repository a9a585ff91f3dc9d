"""How to make each device: at a near host, with a far host that it reaches.

A maker gives both hosts their addresses and each other's link-layer addresses, so that nothing but
the packets of a test needs to pass.
"""

import fcntl
import json
import os
import select
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from wirepath.lab.netns import Namespace

V4 = ("198.51.100.1", "198.51.100.2")
V6 = ("2001:db8:a::1", "2001:db8:a::2")
UNDER = ("192.0.2.1", "192.0.2.2")  # of what tunnels run over
UNDER_IF = "wpu"
_SET_IFF, _TUN, _TAP, _NO_PI = 0x400454CA, 0x0001, 0x0002, 0x1000  # linux/if_tun.h
_UNKNOWN = ("Unknown device type", "Operation not supported")  # as `ip` and the kernel say it
CARD_MAC = "02:00:00:00:00:{:02x}"
FAR_CARD_MAC = CARD_MAC.format(0xFF)


class Hosts(NamedTuple):
    near: Namespace
    far: Namespace


@dataclass(frozen=True)
class Made:
    """A device, ready for traffic.

    Attributes:
        name: the device at the near host.
        armed: the far host's device that takes answers in native mode only with a program on it.
        versions: the versions of IP that it carries.
        vlan: the outermost tag of the packets there; 0 if they have none.
        through: the host that packets reach through the near one; None: the near host is their end.
    """

    name: str
    armed: str = ""
    versions: tuple[int, ...] = (4, 6)
    vlan: int = 0
    through: Namespace | None = None


Maker = Callable[[Hosts], AbstractContextManager[Made]]


class UnknownDeviceError(Exception):
    """This kernel has no such device."""


def sh(host: Namespace, command: str) -> str:
    done = host.run(command.split(), capture_output=True, text=True, timeout=120)
    if any(words in done.stderr for words in _UNKNOWN):
        raise UnknownDeviceError(command)
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return str(done.stdout)


def cable(hosts: Hosts, name: str) -> None:
    """Connect the hosts by a pair of veths, both of that name."""
    sh(hosts.near, f"ip link add {name} type veth peer name {name} netns {hosts.far.name}")


def connect(hosts: Hosts, near: str, far: str, *, over: tuple[str, ...] = ()) -> None:
    """Bring two devices up, with the addresses of their hosts; those *over* which they run, too."""
    for number, (host, name) in enumerate(zip(hosts, (near, far), strict=True)):
        for each in (*over, name):
            sh(host, f"ip link set {each} up")
        sh(host, f"ip addr add {V4[number]}/24 dev {name}")
        sh(host, f"ip addr add {V6[number]}/64 dev {name} nodad")
    macs = [_mac(host, name) for host, name in zip(hosts, (near, far), strict=True)]
    for number, (host, name) in enumerate(zip(hosts, (near, far), strict=True)):
        for address in (V4[1 - number], V6[1 - number]):
            if macs[1 - number]:
                sh(host, f"ip neigh replace {address} lladdr {macs[1 - number]} dev {name}")


def _mac(host: Namespace, name: str) -> str:
    [link] = json.loads(sh(host, f"ip -j link show {name}"))
    return str(link["address"]) if link["link_type"] == "ether" else ""


def underlay(hosts: Hosts) -> None:
    cable(hosts, UNDER_IF)
    for host, address in zip(hosts, UNDER, strict=True):
        sh(host, f"ip link set {UNDER_IF} mtu 1600 up")
        sh(host, f"ip addr add {address}/24 dev {UNDER_IF}")


@contextmanager
def veth(hosts: Hosts) -> Iterator[Made]:
    cable(hosts, "wp0")
    connect(hosts, "wp0", "wp0")
    yield Made("wp0", armed="wp0")


@contextmanager
def lo(hosts: Hosts) -> Iterator[Made]:
    """A host that talks with itself: both are the same."""
    for address in (*V4, *V6):
        sh(hosts.near, f"ip addr add {address} dev lo{' nodad' if ':' in address else ''}")
    yield Made("lo")


@contextmanager
def bridge(hosts: Hosts) -> Iterator[Made]:
    _bridged(hosts)
    yield Made("wpbr")


@contextmanager
def bridge_port(hosts: Hosts) -> Iterator[Made]:
    _bridged(hosts)
    yield Made("wp0", armed="wp0")


@contextmanager
def tagged_bridge(hosts: Hosts) -> Iterator[Made]:
    """Make a VLAN on top of a bridge."""
    cable(hosts, "wp0")
    sh(hosts.near, "ip link add wpbr type bridge mcast_snooping 0")
    sh(hosts.near, "ip link set wp0 master wpbr up")
    sh(hosts.near, "ip link set wpbr up")
    sh(hosts.far, "ip link set wp0 up")
    sh(hosts.near, "ip link add link wpbr name wpx type vlan id 5")
    sh(hosts.far, "ip link add link wp0 name wpx type vlan id 5")
    connect(hosts, "wpx", "wpx")
    yield Made("wpbr", vlan=5)


def _bridged(hosts: Hosts) -> None:
    cable(hosts, "wp0")
    sh(hosts.near, "ip link add wpbr type bridge mcast_snooping 0")
    sh(hosts.near, "ip link set wp0 master wpbr up")
    connect(hosts, "wpbr", "wp0")


def over_a_cable(
    near: str, far: str = "", *, name: str = "wpx", on_parent: bool = False, vlan: int = 0
) -> Maker:
    """Make a device over a veth at each host, by what follows ``ip link add link wp0 name NAME``.

    Args:
        near: what follows, at the near host.
        far: the same for the far host; empty: the veth itself is at the other end.
        name: of the device.
        on_parent: whether the veth below is the device under test.
        vlan: the tag of the packets there.
    """

    @contextmanager
    def make(hosts: Hosts) -> Iterator[Made]:
        cable(hosts, "wp0")
        sh(hosts.near, f"ip link add link wp0 name {name} {near}")
        if far:
            sh(hosts.far, f"ip link add link wp0 name {name} {far}")
        sh(hosts.near, "ip link set wp0 up")
        sh(hosts.far, "ip link set wp0 up")
        connect(hosts, name, name if far else "wp0")
        yield Made("wp0", armed="wp0", vlan=vlan) if on_parent else Made(name)

    return make


@contextmanager
def qinq(hosts: Hosts) -> Iterator[Made]:
    """A customer VLAN in a service VLAN."""
    cable(hosts, "wp0")
    for host in hosts:
        sh(host, "ip link add link wp0 name wps type vlan proto 802.1ad id 100")
        sh(host, "ip link add link wps name wpx type vlan id 5")
    connect(hosts, "wpx", "wpx", over=("wp0", "wps"))
    yield Made("wpx")


@contextmanager
def qinq_parent(hosts: Hosts) -> Iterator[Made]:
    with qinq(hosts):
        yield Made("wp0", armed="wp0", vlan=100)


def tunnel(kind: str, *, versions: tuple[int, ...] = (4, 6)) -> Maker:
    """Make a tunnel; *kind* is what follows ``ip link add NAME``, with ends to be filled in."""

    @contextmanager
    def make(hosts: Hosts) -> Iterator[Made]:
        underlay(hosts)
        for host, own, other in zip(hosts, UNDER, UNDER[::-1], strict=True):
            sh(host, f"ip addr add fd00::{own[-1]}/64 dev {UNDER_IF} nodad")
            sh(host, "ip link add wpx " + kind.format(
                own=own, other=other, own6=f"fd00::{own[-1]}", other6=f"fd00::{other[-1]}"
            ))  # fmt: skip
            sh(host, "ip link set wpx mtu 1400")
        connect(hosts, "wpx", "wpx")
        yield Made("wpx", versions=versions)

    return make


@contextmanager
def wireguard(hosts: Hosts) -> Iterator[Made]:
    underlay(hosts)
    keys = [sh(host, "wg genkey").strip() for host in hosts]
    public = [
        host.run(["wg", "pubkey"], input=key, capture_output=True, text=True).stdout.strip()
        for host, key in zip(hosts, keys, strict=True)
    ]
    for number, host in enumerate(hosts):
        sh(host, "ip link add wpx type wireguard")
        script = (
            f"[Interface]\nPrivateKey = {keys[number]}\nListenPort = 51820\n"
            f"[Peer]\nPublicKey = {public[1 - number]}\nAllowedIPs = 0.0.0.0/0, ::/0\n"
            f"Endpoint = {UNDER[1 - number]}:51820\n"
        )
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(script)
            file.flush()
            sh(host, f"wg setconf wpx {file.name}")
    connect(hosts, "wpx", "wpx")
    yield Made("wpx")


@contextmanager
def netkit(hosts: Hosts) -> Iterator[Made]:
    _add_netkit(hosts.near, "wpx", "wpy")
    sh(hosts.near, f"ip link set wpy netns {hosts.far.name} name wpx")
    connect(hosts, "wpx", "wpx")
    yield Made("wpx")


# `ip` of Debian 12 does not know it. Source: linux/if_link.h, IFLA_NETKIT_*; the mode is L2.
def _add_netkit(host: Namespace, name: str, peer: str) -> None:
    def attribute(kind: int, data: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

    link = bytes(16)  # struct ifinfomsg
    ends = {each: attribute(3, each.encode() + b"\0") for each in (name, peer)}
    data = attribute(1, link + ends[peer]) + attribute(5, struct.pack("=I", 0))
    info = attribute(18, attribute(1, b"netkit") + attribute(2, data))
    body = link + ends[name] + info
    head = struct.pack("=IHHII", 16 + len(body), 16, 0x605, 1, 0)  # RTM_NEWLINK: create, new
    with host.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
        route.send(head + body)
        [error] = struct.unpack_from("=i", route.recv(4096), 16)
    assert error == 0, os.strerror(-error)


@contextmanager
def vrf(hosts: Hosts) -> Iterator[Made]:
    cable(hosts, "wp0")
    sh(hosts.near, "ip link add wpx type vrf table 10")
    sh(hosts.near, "ip link set wpx up")
    sh(hosts.near, "ip link set wp0 master wpx")
    yield Made("wpx")


@contextmanager
def ifb(hosts: Hosts) -> Iterator[Made]:
    sh(hosts.near, "ip link add wpx type ifb")
    sh(hosts.near, "ip link set wpx up")
    yield Made("wpx")


@contextmanager
def macsec(hosts: Hosts) -> Iterator[Made]:
    cable(hosts, "wp0")
    macs = []
    for host in hosts:
        sh(host, "ip link set wp0 up")
        sh(host, "ip link add link wp0 wpx type macsec encrypt on")
        macs.append(_mac(host, "wpx"))
    for number, host in enumerate(hosts):
        keys = ["0" * 31 + str(each) for each in (1, 2)]
        peer = f"port 1 address {macs[1 - number]}"
        sh(host, f"ip macsec add wpx tx sa 0 pn 1 on key 0{number} {keys[number]}")
        sh(host, f"ip macsec add wpx rx {peer}")
        sh(host, f"ip macsec add wpx rx {peer} sa 0 pn 1 on key 0{1 - number} {keys[1 - number]}")
    connect(hosts, "wpx", "wpx")
    yield Made("wpx")


@contextmanager
def tun(hosts: Hosts) -> Iterator[Made]:
    with _pumped(hosts, _TUN):
        yield Made("wpx")


@contextmanager
def tap(hosts: Hosts) -> Iterator[Made]:
    with _pumped(hosts, _TAP):
        yield Made("wpx")


@contextmanager
def _pumped(hosts: Hosts, kind: int) -> Iterator[None]:
    ends = [_opened(host, kind) for host in hosts]
    stop, stopped = os.pipe()
    pump = threading.Thread(target=_pump, args=(ends, stop))
    pump.start()
    try:
        connect(hosts, "wpx", "wpx")
        yield
    finally:
        os.close(stopped)
        pump.join()
        for fd in (*ends, stop):
            os.close(fd)


def _opened(host: Namespace, kind: int) -> int:
    with host.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, _SET_IFF, struct.pack("16sH22x", b"wpx", kind | _NO_PI))
    return fd


# Carries packets from each end to the other, until *stop* is closed at its other end.
def _pump(ends: list[int], stop: int) -> None:
    while True:
        ready, _, _ = select.select([*ends, stop], [], [])
        if stop in ready:
            return
        for fd in ready:
            other = ends[1 - ends.index(fd)]
            try:
                os.write(other, os.read(fd, 1 << 16))
            except OSError:
                continue  # the other end is down, or its queue is full


def card(number: int, *, vlan: int = 0) -> Maker:
    """Take the card with that number from the guest's machine; the last one is the far host's.

    With a *vlan*, all packets are of a VLAN on top of the card.
    """

    @contextmanager
    def make(hosts: Hosts) -> Iterator[Made]:
        links = json.loads(sh(hosts.near, "ip -j link"))
        [name] = [link["ifname"] for link in links if link["address"] == CARD_MAC.format(number)]
        there = json.loads(sh(hosts.far, "ip -j link"))
        [far] = [link["ifname"] for link in there if link["address"] == FAR_CARD_MAC]
        if vlan:
            for host, each in zip(hosts, (name, far), strict=True):
                sh(host, f"ip link set {each} up")
                sh(host, f"ip link add link {each} name wpx type vlan id {vlan}")
        connect(hosts, "wpx" if vlan else name, "wpx" if vlan else far)
        try:
            yield Made(name, vlan=vlan)
        finally:
            for host, each in zip(hosts, (name, far), strict=True):
                if vlan:
                    sh(host, "ip link del wpx")
                sh(host, f"ip addr flush dev {each}")
                sh(host, f"ip link set {each} down")

    return make
