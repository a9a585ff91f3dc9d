"""Veths between two namespaces for measurements, with different fates of passed packets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from wirepath.bench.tools import run
from wirepath.lab.netns import Namespace, tune_veth
from wirepath.lab.signals import ends_on_signals, undisturbed

IFNAME: Final = "wp0"
ADDRESS: Final = "192.0.2.1"
BEYOND: Final = "198.51.100.1"
"""An address that the receiver of a routed wire has a route to."""
MAC: Final = "02:00:00:00:00:01"
_NOT_MAC: Final = "02:00:00:00:00:02"
_ONWARD: Final = "wp1"
_BRIDGE: Final = "wpbr0"
_BRIDGE_FILTERS: Final = Path("/proc/sys/net/bridge")


class Counts(NamedTuple):
    """Packets of a routed wire: received, sent on, lost because the ring was full."""

    arrived: int
    forwarded: int
    overflowed: int


@dataclass(frozen=True)
class Wire:
    """A veth between two namespaces. Both ends are called ``wp0``.

    The receiver has an address and a route to every source.

    Attributes:
        sender: the namespace of the generator, which redirects frames into the veth.
        receiver: the namespace of the subject.
        ifname: the receiver's interface to which the subject is attached.
    """

    sender: Namespace
    receiver: Namespace
    ifname: str = IFNAME

    def received(self) -> int:
        """Return the number of packets that the interface has received, or sent on if it is wp1."""
        return self._statistic("rx_packets" if self.ifname == IFNAME else "tx_packets")

    def counts(self) -> Counts:
        """Count the packets of a routed wire."""
        with self.receiver.netlink() as netlink:
            here, onward = (
                netlink.get_links(ifname=ifname)[0].get_attr("IFLA_STATS64")
                for ifname in (IFNAME, _ONWARD)
            )
        return Counts(here["rx_packets"], onward["tx_packets"], here["rx_dropped"])

    def overflowed(self) -> int:
        """Return the number of packets lost because the ring was full."""
        return self._statistic("rx_dropped")

    def _statistic(self, name: str) -> int:
        with self.receiver.netlink() as netlink:
            link = netlink.get_links(ifname=self.ifname)[0]
        return int(link.get_attr("IFLA_STATS64")[name])


@contextmanager
def wire(name: str) -> Iterator[Wire]:
    """Make a wire while the body runs; *name* must be unique within the process."""
    with _made(name, IFNAME) as made:
        _connect(made, MAC)
        yield made


@contextmanager
def past(name: str) -> Iterator[Wire]:
    """Make a wire whose receiver has another address than ``MAC``.

    The stack drops frames to ``MAC`` right after the hook of TC, which is the shortest path for
    packets that pass it.
    """
    with _made(name, IFNAME) as made:
        _connect(made, _NOT_MAC)
        yield made


@contextmanager
def home(name: str, network: str) -> Iterator[Wire]:
    """Make a wire whose receiver has all addresses of *network* and no open ports."""
    with wire(name) as made:
        with made.receiver.entered():
            run(["ip", "route", "add", "local", network, "dev", "lo"])
        yield made


@contextmanager
def through(name: str) -> Iterator[Wire]:
    """Make a wire whose receiver forwards frames to ``MAC``, by a bridge and another veth.

    A bridge is the cheapest forwarding of the kernel that passes netfilter's egress hook; packets
    that a TC program redirects do not pass it.  The far end drops the frames.
    """
    with _made(name, _ONWARD) as made:
        _connect(made, _NOT_MAC)
        _send_on(made)
        yield made


@contextmanager
def routed(name: str) -> Iterator[Wire]:
    """Make a wire whose receiver routes packets for ``BEYOND`` on, by another veth.

    Routing changes frames, so whole frames must be sent (`wirepath.lab.traffic.written_out`). The
    far end drops them, since they are not for its MAC. Neither end has IPv6, so that every packet
    counted is one of the generator's.
    """
    with _made(name, IFNAME) as made:
        for namespace in (made.sender, made.receiver):
            with namespace.entered():
                for which in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
        _connect(made, MAC)
        _route_on(made)
        yield made


@contextmanager
def _made(name: str, ifname: str) -> Iterator[Wire]:
    sender, receiver = ends = [Namespace(f"wp-bench-{os.getpid():x}-{name}{end}") for end in "sr"]
    with ends_on_signals():
        try:
            for namespace in ends:
                namespace.create()
            yield Wire(sender, receiver, ifname)
        finally:
            with undisturbed():
                for namespace in ends:
                    namespace.remove()


def _connect(made: Wire, mac: str) -> None:
    peer = {"ifname": IFNAME, "address": mac, "net_ns_fd": made.receiver.name}
    with made.sender.netlink() as near, made.receiver.netlink() as far:
        near.link("add", ifname=IFNAME, kind="veth", peer=peer)
        near.link("set", ifname=IFNAME, state="up")
        far.link("set", ifname=IFNAME, state="up")
        index = far.link_lookup(ifname=IFNAME)[0]
        far.addr("add", index=index, address=ADDRESS, prefixlen=24)
        far.route("add", dst="0.0.0.0/0", oif=index)
    tune_veth(made.receiver, IFNAME)


def _send_on(made: Wire) -> None:
    with made.receiver.netlink() as near, made.sender.netlink() as far:
        near.link("add", ifname=_BRIDGE, kind="bridge")
        near.link(
            "add", ifname=_ONWARD, kind="veth",
            peer={"ifname": _ONWARD, "net_ns_fd": made.sender.name},
        )  # fmt: skip
        bridge = near.link_lookup(ifname=_BRIDGE)[0]
        for port in (IFNAME, _ONWARD):
            near.link("set", ifname=port, master=bridge, state="up")
        near.link("set", ifname=_BRIDGE, state="up")
        far.link("set", ifname=_ONWARD, state="up")
    learnt = ["bridge", "fdb", "add", MAC, "dev", _ONWARD, "master", "static"]
    with made.receiver.entered():
        run(learnt)
    with made.receiver.entered():
        for filters in _BRIDGE_FILTERS.glob("bridge-nf-call-*"):
            filters.write_text("0")  # otherwise bridged packets pass IP filters too


def _route_on(made: Wire) -> None:
    peer = {"ifname": _ONWARD, "net_ns_fd": made.sender.name}
    with made.receiver.netlink() as near, made.sender.netlink() as far:
        near.link("add", ifname=_ONWARD, kind="veth", peer=peer)
        for netlink in (near, far):
            netlink.link("set", ifname=_ONWARD, state="up")
        index = near.link_lookup(ifname=_ONWARD)[0]
        near.route("add", dst=f"{BEYOND}/32", oif=index)
        near.neigh("add", dst=BEYOND, lladdr=_NOT_MAC, ifindex=index, state="permanent")
    with made.receiver.entered():
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
