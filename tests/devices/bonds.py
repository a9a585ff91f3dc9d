"""Bonds of two cables, and their slaves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.making import CARD_MAC, Hosts, Made, Maker, cable, connect, sh
from wirepath.lab.netns import Namespace

_LACP_S = 120


def bond(mode: str, *, slave: bool = False, vlan: int = 0) -> Maker:
    """Make a bond of two cables at each host; with a *vlan*, all packets are of one on top of it.

    With balance-alb a bridge is at the other end, since each slave has a MAC of its own.
    """

    @contextmanager
    def make(hosts: Hosts) -> Iterator[Made]:
        rate = " lacp_rate fast" if mode == "802.3ad" else ""
        ours = f"type bond mode {mode} miimon 100{rate}"
        bridged = mode == "balance-alb"
        sh(hosts.near, f"ip link add wpx {ours}")
        sh(hosts.far, f"ip link add wpx {'type bridge mcast_snooping 0' if bridged else ours}")
        for name in ("wp0", "wp1"):
            cable(hosts, name)
            for host in hosts:
                sh(host, f"ip link set {name} master wpx")
                sh(host, f"ip link set {name} up")
        spread = slave and mode == "802.3ad"
        if spread:
            _spread(hosts)
        for host in hosts if vlan else ():
            sh(host, f"ip link add link wpx name wpv type vlan id {vlan}")
        top = "wpv" if vlan else "wpx"
        connect(hosts, top, top, over=("wpx",))
        # With these MACs, packets of IPv4 take the first slave, those of IPv6 the other.
        yield Made(
            "wp0" if slave else "wpx",
            armed="wpx",
            versions=(4,) if spread else (4, 6),
            vlan=vlan,
        )

    return make


# Gives the bonds MACs, and waits until both have both slaves in use.
def _spread(hosts: Hosts) -> None:
    for number, host in enumerate(hosts):
        sh(host, f"ip link set wpx address {CARD_MAC.format(0xA0 + 2 * number)} up")
    deadline = time.monotonic() + _LACP_S
    for host in hosts:
        while "Number of ports: 2" not in _bonding(host):
            assert time.monotonic() < deadline, _bonding(host)
            time.sleep(0.2)


def _bonding(host: Namespace) -> str:
    with host.entered():
        return Path("/proc/thread-self/net/bonding/wpx").read_text()
