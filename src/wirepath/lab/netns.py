"""Named network namespaces: creating, entering, running commands, removing.

Each thread has its own current namespace: entering one does not affect other threads.  A socket
stays in the namespace where it was created.  Names are stored where ``ip netns`` stores them, so
that ``ip netns exec NAME ...`` works too.
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
from wirepath.lab.signals import undisturbed
from wirepath.native import lib

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_NAMES = Path("/run/netns")
_PROC = Path("/proc")
_PATIENCE_S = 2.0  # for a process to end when asked to


class Namespace:
    """A network namespace, known by its name; the object holds no descriptor.

    Attributes:
        name: as ``ip netns`` shows it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Namespace({self.name!r})"

    @property
    def exists(self) -> bool:
        """Whether a namespace of this name exists."""
        return (_NAMES / self.name).exists()

    def create(self) -> None:
        """Create the namespace and bring its loopback up.

        Raises:
            KernelError: it exists already, or this process is not root.
        """
        if os.geteuid() != 0:
            raise KernelError(f"create namespace {self.name}", what="not root", cure="run as root")
        if self.exists:
            raise KernelError(f"create namespace {self.name}", what="it exists already")
        from pyroute2 import netns

        with undisturbed():
            netns.create(self.name)
        with self.netlink() as netlink:
            netlink.link("set", ifname="lo", state="up")

    def remove(self) -> None:
        """End the processes inside and remove the namespace; does nothing if it is gone.

        Its interfaces go with it. Pins of wirepath would outlive it, so they are removed first.
        """
        from pyroute2 import netns

        with undisturbed():
            if not self.exists:
                return
            self.end_processes()
            with self.entered():
                _unpin()
            netns.remove(self.name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread into the namespace while the body runs.

        Raises:
            KernelError: it does not exist, or this process may not enter it.
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
        """Yield a route netlink socket of this namespace.

        Signals that end the process wait until the body is done: pyroute2 would complain on stderr
        about requests that were interrupted.

        Raises:
            KernelError: the kernel refused a request of the body.
        """
        from pyroute2 import IPRoute, NetlinkError

        with undisturbed():
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
        """List the pids of processes whose main thread is in this namespace."""
        mine = _identity(_NAMES / self.name)
        return [
            int(entry.name)
            for entry in _PROC.iterdir()
            if entry.name.isdigit() and _identity(entry / "ns/net") == mine
        ]

    def end_processes(self) -> None:
        """End every process inside: with SIGTERM, and after 2 s with SIGKILL."""
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
        return None  # ended meanwhile, or not readable by us
    return found.st_dev, found.st_ino


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself


def tune_veth(namespace: Namespace, ifname: str) -> None:
    """Set up a veth so that its peer can run XDP and it can receive redirected frames.

    Transmit checksum offload is turned off, since the peer's XDP program would see partial
    checksums. GRO is turned on, since a veth accepts redirected frames only with GRO or a program;
    for the answers of its peer's XDP program (XDP_TX) it needs a program: `wirepath.lab.port`.

    Source: drivers/net/veth.c, ``veth_xdp_xmit``.
    """
    with namespace.entered():
        offloads.put(ifname, "tx", on=False)
        offloads.put(ifname, "gro", on=True)
