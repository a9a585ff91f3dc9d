"""The functions of ``wirepath lab``: a lab that stays until it is taken down."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from wirepath.errors import RequestError
from wirepath.kernel.interface import Interface
from wirepath.lab.network import Host, Lab


@dataclass(frozen=True, slots=True)
class HostStatus:
    """The current state of one host.

    Attributes:
        host: its role, addresses and interface.
        xdp: ID of the XDP program on its interface; 0 if there is none.
        processes: pids of the processes in its namespace, ascending.
    """

    host: Host
    xdp: int
    processes: list[int]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        now = {"xdp_program": self.xdp or None, "processes": self.processes}
        return self.host.document() | now


def up(name: str = "wp") -> Lab:
    """Build the lab *name*, in place of any older one; it stays after this process ends.

    Raises:
        KernelError: this process is not root, or the kernel lacks a feature.
        RequestError: *name* is not valid for a lab.
    """
    lab = Lab(name)
    lab.build()
    return lab


def down(name: str = "wp") -> None:
    """Remove the lab *name* and end the processes in it; does nothing if there is none."""
    Lab(name).remove()


def status(name: str = "wp") -> list[HostStatus]:
    """Return the state of each host of the lab *name*; empty if it is not up."""
    lab = Lab(name)
    if not lab.exists:
        return []
    return [
        HostStatus(host, _interface(host).xdp_id, sorted(host.namespace.processes()))
        for host in lab.hosts.values()
    ]


def execute(role: str, argv: Sequence[str], name: str = "wp") -> NoReturn:
    """Replace this process by *argv*, on the host *role* of the lab *name*.

    Raises:
        KernelError: the lab is not up, or this process may not enter it.
        RequestError: there is no such host, or no such program.
    """
    lab = Lab(name)
    if role not in lab.hosts:
        raise RequestError(f"lab {name}: no host {role} (there are {', '.join(lab.hosts)})")
    with lab.hosts[role].namespace.entered():
        try:
            os.execvp(argv[0], list(argv))  # noqa: S606 - no shell is wanted
        except OSError as error:
            raise RequestError(f"run {shlex.join(argv)}: {error.strerror}") from error


def _interface(host: Host) -> Interface:
    with host.namespace.entered():
        return Interface.of(host.interface)
