"""What ``wirepath lab`` does: a lab that stays until it is taken down."""

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
    """One host as it is now.

    Attributes:
        host: what it was made as.
        xdp: id of the XDP program on its interface; 0 if there is none.
        processes: that live in its namespace.
    """

    host: Host
    xdp: int
    processes: list[int]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        now = {"xdp_program": self.xdp or None, "processes": self.processes}
        return self.host.document() | now


def up(name: str = "wp") -> Lab:
    """Make the lab *name* anew; it stays.

    Raises:
        KernelError: not root, or the kernel lacks something.
        RequestError: no lab can have this name.
    """
    lab = Lab(name)
    lab.build()
    return lab


def down(name: str = "wp") -> None:
    """Take the lab *name* down and end what runs in it; does nothing if there is none."""
    Lab(name).remove()


def status(name: str = "wp") -> list[HostStatus]:
    """Tell what the hosts of the lab *name* are doing; empty if it is not up."""
    lab = Lab(name)
    if not lab.exists:
        return []
    return [
        HostStatus(host, _interface(host).xdp_id, sorted(host.namespace.processes()))
        for host in lab.hosts.values()
    ]


def execute(role: str, argv: Sequence[str], name: str = "wp") -> NoReturn:
    """Become *argv* on the host *role* of the lab *name*; this process ends.

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
