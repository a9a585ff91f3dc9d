"""A veth between two namespaces, for one measurement: to a receiver, past it, or through it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wirepath.lab.netns import Namespace, tune_veth
from wirepath.lab.signals import ends_on_signals

IFNAME: Final = "wp0"
ADDRESS: Final = "192.0.2.1"
MAC: Final = "02:00:00:00:00:01"
_NOT_MAC: Final = "02:00:00:00:00:02"
_ONWARD: Final = "wp1"
_BRIDGE: Final = "wpbr0"
_BRIDGE_FILTERS: Final = Path("/proc/sys/net/bridge")


@dataclass(frozen=True)
class Wire:
    """Both ends are called ``wp0``; the receiver has an address and hears every source.

    Attributes:
        sender: what is redirected into its end arrives at the other.
        receiver: where a subject is attached.
        ifname: the receiver's interface that the subject is attached to.
    """

    sender: Namespace
    receiver: Namespace
    ifname: str = IFNAME

    def received(self) -> int:
        """Count the packets that came by: taken by the receiver's end, or sent on by it."""
        return self._statistic("rx_packets" if self.ifname == IFNAME else "tx_packets")

    def overflowed(self) -> int:
        """Count the packets that found its ring full."""
        return self._statistic("rx_dropped")

    def _statistic(self, name: str) -> int:
        with self.receiver.netlink() as netlink:
            link = netlink.get_links(ifname=self.ifname)[0]
        return int(link.get_attr("IFLA_STATS64")[name])


@contextmanager
def wire(name: str) -> Iterator[Wire]:
    """Make a wire for the time of the context; *name* tells several of one process apart."""
    with _made(name, IFNAME) as made:
        _connect(made, MAC)
        yield made


@contextmanager
def past(name: str) -> Iterator[Wire]:
    """Make a wire whose receiver is not the one that frames to ``MAC`` are for.

    The stack throws them away as soon as the hooks of TC have let them pass, which is the shortest
    way that there is behind these.
    """
    with _made(name, IFNAME) as made:
        _connect(made, _NOT_MAC)
        yield made


@contextmanager
def home(name: str, network: str) -> Iterator[Wire]:
    """Make a wire whose receiver has all addresses of *network*, and no ports open."""
    with wire(name) as made:
        made.receiver.run(["ip", "route", "add", "local", network, "dev", "lo"], check=True)
        yield made


@contextmanager
def through(name: str) -> Iterator[Wire]:
    """Make a wire whose receiver sends frames to ``MAC`` on, over another veth.

    A bridge is the cheapest forwarding that the kernel has: what a program of TC redirects does not
    meet netfilter's egress hook.  At the far end nobody wants them.
    """
    with _made(name, _ONWARD) as made:
        _connect(made, _NOT_MAC)
        _send_on(made)
        yield made


@contextmanager
def _made(name: str, ifname: str) -> Iterator[Wire]:
    ends = [Namespace(f"wp-bench-{os.getpid():x}-{name}{end}") for end in "sr"]
    with ends_on_signals():
        try:
            for namespace in ends:
                namespace.create()
            yield Wire(*ends, ifname)
        finally:
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
    made.receiver.run(learnt, check=True)
    with made.receiver.entered():
        for filters in _BRIDGE_FILTERS.glob("bridge-nf-call-*"):
            filters.write_text("0")  # or bridged packets pass the IP stack's filters too
