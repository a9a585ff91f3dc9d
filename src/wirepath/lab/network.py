"""The lab's network: a protected server, a client and an attacker on one wire.

::

    NAME-client    NAME-attacker    NAME-server
      NAME0            NAME0           NAME0      <- the protected interface
        |                |               |
        +--- wp-client --+- wp-attacker -+--- wp-server
                    NAME-net: bridge wp-bridge

Every line is a veth pair, whose port at the bridge has an XDP program, so that answers of XDP
arrive (`wirepath.lab.port`).  All hosts are in 192.0.2.0/24 (RFC 5737) and 2001:db8::/64
(RFC 3849); packets to other networks go to the bridge, .254, which drops them.
"""

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from wirepath.errors import RequestError
from wirepath.lab import port
from wirepath.lab.netns import Namespace, tune_veth
from wirepath.lab.signals import ends_on_signals

if TYPE_CHECKING:
    from pyroute2 import IPRoute

BRIDGE: Final = "wp-bridge"
_NAME: Final = re.compile(r"wp[a-z0-9-]{0,9}")
_ROUTER: Final = ("192.0.2.254", "2001:db8::fe")
_PLACES: Final = {"server": 1, "client": 10, "attacker": 66}
_IFA_F_NODAD: Final = 0x02  # usable at once, without duplicate detection


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the lab.

    Attributes:
        role: ``server``, ``client`` or ``attacker``.
        namespace: its network namespace.
        interface: its only interface.
        mac: address of that interface.
        ipv4, ipv6: its addresses, without length.
        port: the other end of that interface, in :attr:`Lab.net`.
    """

    role: str
    namespace: Namespace
    interface: str
    mac: str
    ipv4: str
    ipv6: str
    port: str

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        names = ("interface", "mac", "ipv4", "ipv6")
        return {"namespace": self.namespace.name} | {name: getattr(self, name) for name in names}


class Lab:
    """The network, known by its name; as a context manager, it exists while the body runs.

    The object holds no state, so other processes can use the same lab by name.  As a context
    manager it first removes what a killed run of the same name has left, and removes everything at
    the end, also after an exception, SIGINT, SIGTERM or SIGHUP.

    Args:
        name: ``wp`` and up to nine of ``a-z 0-9 -``; labs with different names are separate.

    Attributes:
        name: as given.
        server, client, attacker: the hosts.
        hosts: all of them by role.
        net: the namespace with the bridge that connects them.

    Raises:
        RequestError: *name* is not valid.
    """

    def __init__(self, name: str = "wp") -> None:
        if not _NAME.fullmatch(name):
            raise RequestError(f"lab {name}: no name for a lab (write wp and up to 9 of a-z 0-9 -)")
        self.name = name
        self.net = Namespace(f"{name}-net")
        self.hosts = {role: _host(name, role, place) for role, place in _PLACES.items()}
        self.server = self.hosts["server"]
        self.client = self.hosts["client"]
        self.attacker = self.hosts["attacker"]
        self._exit = ExitStack()

    @property
    def _namespaces(self) -> list[Namespace]:
        return [self.net, *(host.namespace for host in self.hosts.values())]

    @property
    def exists(self) -> bool:
        """Whether all namespaces of the lab exist."""
        return all(namespace.exists for namespace in self._namespaces)

    def build(self) -> None:
        """Build the lab, after removing any older one; it stays until :meth:`remove`.

        Raises:
            KernelError: this process is not root, or the kernel lacks veth or bridges.
        """
        self.remove()
        with ExitStack() as undo:
            undo.callback(self.remove)
            for namespace in self._namespaces:
                namespace.create()
            with self.net.netlink() as wire:
                wire.link("add", ifname=BRIDGE, kind="bridge")
                _address(wire, BRIDGE, *_ROUTER)
                for host in self.hosts.values():
                    _connect(wire, self.net, host)
            undo.pop_all()

    def remove(self) -> None:
        """Remove the lab and end every process inside; does nothing if it is gone."""
        for namespace in self._namespaces:
            namespace.remove()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(ends_on_signals())
            stack.callback(self.remove)
            self.build()
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.__exit__(kind, error, trace)


def _host(lab: str, role: str, place: int) -> Host:
    return Host(
        role=role,
        namespace=Namespace(f"{lab}-{role}"),
        interface=f"{lab}0",
        mac=f"02:00:00:00:00:{place:02x}",
        ipv4=f"192.0.2.{place}",
        ipv6=f"2001:db8::{place:x}",
        port=f"wp-{role}",
    )


def _connect(wire: "IPRoute", net: Namespace, host: Host) -> None:
    queues = os.cpu_count() or 1  # per CPU, so that a flood in one queue leaves room in others
    sizes = {"num_tx_queues": queues, "num_rx_queues": queues}
    peer: dict[str, Any] = {
        "ifname": host.interface,
        "address": host.mac,
        "net_ns_fd": host.namespace.name,
        **sizes,
    }
    wire.link("add", ifname=host.port, kind="veth", peer=peer, **sizes)
    tune_veth(net, host.port)
    tune_veth(host.namespace, host.interface)
    port.attach(net, host.port)
    bridge = wire.link_lookup(ifname=BRIDGE)[0]
    wire.link("set", ifname=host.port, master=bridge, state="up")
    with host.namespace.netlink() as inside:
        _address(inside, host.interface, host.ipv4, host.ipv6)
        for gateway, everywhere in zip(_ROUTER, ("0.0.0.0/0", "::/0"), strict=True):
            inside.route("add", dst=everywhere, gateway=gateway)


def _address(netlink: "IPRoute", ifname: str, ipv4: str, ipv6: str) -> None:
    index = netlink.link_lookup(ifname=ifname)[0]
    netlink.link("set", index=index, state="up")
    netlink.addr("add", index=index, address=ipv4, prefixlen=24)
    netlink.addr("add", index=index, address=ipv6, prefixlen=64, flags=_IFA_F_NODAD)
