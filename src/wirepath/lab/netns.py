"""Named network namespaces: made, entered, run in, removed.

A namespace belongs to a thread, not to a process: whoever enters one leaves the others alone, and
a socket stays for ever in the namespace that its maker was in.  Names lie where ``ip netns`` puts
them, so that ``ip netns exec NAME ...`` works beside us.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirepath.errors import KernelError
from wirepath.kernel import offloads
from wirepath.kernel.bpffs import Pins
from wirepath.native import lib

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_NAMES = Path("/run/netns")
_PROC = Path("/proc")
_PATIENCE_S = 2.0  # for a process to end when asked to


class Namespace:
    """A network namespace by its name; the object itself holds nothing.

    Attributes:
        name: as ``ip netns`` shows it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Namespace({self.name!r})"

    @property
    def exists(self) -> bool:
        """Whether the kernel has it."""
        return (_NAMES / self.name).exists()

    def create(self) -> None:
        """Make it, with its loopback up.

        Raises:
            KernelError: it exists, or this process may not.
        """
        if os.geteuid() != 0:
            raise KernelError(f"create namespace {self.name}", what="not root", cure="run as root")
        if self.exists:
            raise KernelError(f"create namespace {self.name}", what="it exists already")
        from pyroute2 import netns

        netns.create(self.name)
        with self.netlink() as netlink:
            netlink.link("set", ifname="lo", state="up")

    def remove(self) -> None:
        """End what runs inside and remove it with its interfaces; does nothing if it is gone.

        What wirepath has pinned for it would outlive it, and goes first.
        """
        if not self.exists:
            return
        self.end_processes()
        with self.entered():
            _unpin()
        from pyroute2 import netns

        netns.remove(self.name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put this thread inside for the time of the context.

        Raises:
            KernelError: it does not exist, or this process may not.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self._enter()
            try:
                yield
            finally:
                _set(home, "return to the first namespace")
        finally:
            os.close(home)

    def _enter(self) -> None:
        doing = f"enter namespace {self.name}"
        try:
            there = os.open(_NAMES / self.name, os.O_RDONLY)
        except FileNotFoundError:
            raise KernelError(
                doing, what="it does not exist", cure="see `wirepath lab status`"
            ) from None
        try:
            _set(there, doing)
        finally:
            os.close(there)

    @contextmanager
    def netlink(self) -> Iterator["IPRoute"]:
        """Give a route netlink socket that talks to this namespace.

        Raises:
            KernelError: the kernel refused something in the context.
        """
        from pyroute2 import IPRoute, NetlinkError

        with self.entered():
            netlink = IPRoute()
        try:
            yield netlink
        except NetlinkError as error:
            raise KernelError(f"configure namespace {self.name}", error.code) from error
        finally:
            netlink.close()

    def spawn(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Start *argv* inside; *options* are those of ``subprocess.Popen``."""
        with self.entered():
            return subprocess.Popen(argv, **options)

    def run(self, argv: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Run *argv* inside to its end; *options* are those of ``subprocess.run``."""
        with self.entered():
            return subprocess.run(argv, check=options.pop("check", False), **options)

    def processes(self) -> list[int]:
        """List the processes whose main thread lives inside."""
        mine = _identity(_NAMES / self.name)
        return [
            int(entry.name)
            for entry in _PROC.iterdir()
            if entry.name.isdigit() and _identity(entry / "ns/net") == mine
        ]

    def end_processes(self) -> None:
        """End every process inside: asked first, and killed if that takes over 2 s."""
        deadline = time.monotonic() + _PATIENCE_S
        number = signal.SIGTERM
        while (inside := self.processes()) and inside != [os.getpid()]:
            for pid in inside:
                if pid != os.getpid():
                    _send(pid, number)
            time.sleep(0.02)
            if time.monotonic() > deadline:
                number = signal.SIGKILL


def _unpin() -> None:
    pins = Pins.find()
    ours = pins.directory("lo").parent
    if not ours.exists():
        return
    with pins.locked():
        pins.remove_all()


def _set(fd: int, doing: str) -> None:
    error = lib.wp_enter(fd)
    if error:
        raise KernelError(doing, -error, cure="run as root")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return None  # ended meanwhile, or not ours to see
    return found.st_dev, found.st_ino


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself


def tune_veth(namespace: Namespace, ifname: str) -> None:
    """Make a veth fit for XDP at its peer and for redirected frames at itself.

    Transmit checksums are computed, since the peer's XDP program would see partial ones; and GRO
    is on, without which a veth takes no redirected frames unless it has a program.

    Source: drivers/net/veth.c, ``veth_xdp_xmit``.
    """
    with namespace.entered():
        offloads.put(ifname, "tx", on=False)
        offloads.put(ifname, "gro", on=True)
