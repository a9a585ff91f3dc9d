"""A veth between two namespaces: a sender's end and a receiver's, for one measurement."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from wirepath.lab.netns import Namespace, tune_veth
from wirepath.lab.signals import ends_on_signals

IFNAME: Final = "wp0"
ADDRESS: Final = "192.0.2.1"
MAC: Final = "02:00:00:00:00:01"


@dataclass(frozen=True)
class Wire:
    """Both ends are called ``wp0``; the receiver has an address and hears every source.

    Attributes:
        sender: what is redirected into its end arrives at the other.
        receiver: where a subject is attached.
    """

    sender: Namespace
    receiver: Namespace

    def received(self) -> int:
        """Count the packets that the receiver's end has taken."""
        return self._statistic("rx_packets")

    def overflowed(self) -> int:
        """Count the packets that found its ring full."""
        return self._statistic("rx_dropped")

    def _statistic(self, name: str) -> int:
        with self.receiver.netlink() as netlink:
            link = netlink.get_links(ifname=IFNAME)[0]
        return int(link.get_attr("IFLA_STATS64")[name])


@contextmanager
def wire(name: str) -> Iterator[Wire]:
    """Make a wire for the time of the context; *name* tells several of one process apart."""
    ends = [Namespace(f"wp-bench-{os.getpid():x}-{name}{end}") for end in "sr"]
    with ends_on_signals():
        try:
            for namespace in ends:
                namespace.create()
            made = Wire(*ends)
            _connect(made)
            yield made
        finally:
            for namespace in ends:
                namespace.remove()


def _connect(made: Wire) -> None:
    peer = {"ifname": IFNAME, "address": MAC, "net_ns_fd": made.receiver.name}
    with made.sender.netlink() as near, made.receiver.netlink() as far:
        near.link("add", ifname=IFNAME, kind="veth", peer=peer)
        near.link("set", ifname=IFNAME, state="up")
        far.link("set", ifname=IFNAME, state="up")
        index = far.link_lookup(ifname=IFNAME)[0]
        far.addr("add", index=index, address=ADDRESS, prefixlen=24)
        far.route("add", dst="0.0.0.0/0", oif=index)
    tune_veth(made.receiver, IFNAME)
