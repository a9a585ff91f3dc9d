"""Devices of a host that forwards: a bridge, with a third host at its other port."""

from collections.abc import Iterator
from contextlib import contextmanager

from devices.making import Hosts, Made, Maker, cable, connect, sh
from wirepath.lab.netns import Namespace


def across_a_bridge(name: str, *, vlan: int = 0) -> Maker:
    """Make a bridge at the near host, between the far host and a third one.

    Args:
        name: the device under test: the bridge ``wpbr``, or ``wp0``, to which the far host sends.
        vlan: of the far host; its port is then a VLAN on top of ``wp0``. 0: ``wp0`` is the port.
    """

    @contextmanager
    def make(hosts: Hosts) -> Iterator[Made]:
        third = Namespace(f"{hosts.near.name}-3")
        third.create()
        try:
            cable(hosts, "wp0")
            cable(Hosts(hosts.near, third), "wp1")
            sh(hosts.near, "ip link add wpbr type bridge mcast_snooping 0")
            port = "wpx" if vlan else "wp0"
            for host in hosts:
                sh(host, "ip link set wp0 up")
                if vlan:
                    sh(host, f"ip link add link wp0 name wpx type vlan id {vlan}")
            for each in (port, "wp1"):
                sh(hosts.near, f"ip link set {each} master wpbr up")
            sh(hosts.near, "ip link set wpbr up")
            connect(Hosts(third, hosts.far), "wp1", port)
            yield Made(name, armed="wp0", vlan=vlan, through=third)
        finally:
            third.remove()

    return make
