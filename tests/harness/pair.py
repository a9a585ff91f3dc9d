"""Two hosts on one cable: plain veths with every offload on, as Linux makes them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from wirepath.lab.netns import Namespace

IFNAME = "wp0"
IPV4 = ("198.51.100.1", "198.51.100.2")
IPV6 = ("2001:db8:a::1", "2001:db8:a::2")
_PATIENCE_S = 30.0
_QUIET_S = 0.1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two connected hosts.

    Attributes:
        near: the protected host, which also captures.
        far: the other host.
    """

    near: Namespace
    far: Namespace


@contextmanager
def pair(mtu: int = 1500) -> Iterator[Pair]:
    """Make two hosts; nothing of them is left afterwards."""
    hosts = Pair(*(Namespace(f"wp{os.getpid():x}-{role}") for role in ("near", "far")))
    with ExitStack() as stack:
        for host in (hosts.near, hosts.far):
            stack.callback(host.remove)
            host.create()
        ip(hosts.near, "link", "add", IFNAME, "type", "veth", "peer", "name", IFNAME,
           "netns", hosts.far.name)  # fmt: skip
        for number, host in enumerate((hosts.near, hosts.far)):
            _configure(host, number, mtu)
        yield hosts


def _configure(host: Namespace, number: int, mtu: int) -> None:
    ip(host, "link", "set", IFNAME, "mtu", str(mtu), "up")
    ip(host, "addr", "add", f"{IPV4[number]}/24", "dev", IFNAME)
    ip(host, "addr", "add", f"{IPV6[number]}/64", "dev", IFNAME, "nodad")


def ip(host: Namespace, *words: str) -> None:
    run(host, "ip", *words)


def run(host: Namespace, *argv: str, **options: Any) -> str:
    """Run a command on *host* that must succeed; return its output."""
    done = host.run(argv, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}{done.stdout}"
    return str(done.stdout)


@contextmanager
def running(host: Namespace, *argv: str, ready: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Run a command on *host*; the context begins when it prints *ready*, and ends the command."""
    process = host.spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if ready:
            await_line(process.stdout, ready)
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        process.kill()
        process.communicate()


def await_line(stream: IO[str] | None, word: str) -> None:
    """Read lines up to one that contains *word*."""
    assert stream
    lines = []
    for line in stream:
        lines.append(line)
        if word in line:
            return
    raise AssertionError(f"{word!r} never came: {lines}")


def await_written(tcpdump: "subprocess.Popen[str]") -> None:
    """Wait until *tcpdump*, in immediate mode, has written all packets, and no more arrive.

    SIGUSR1 makes it print how many it has; between two such lines it looks for more packets.
    """
    assert tcpdump.stdout
    before, said = "", "nothing"
    while said != before:
        time.sleep(_QUIET_S)
        tcpdump.send_signal(signal.SIGUSR1)
        before, said = said, tcpdump.stdout.readline()
    assert " 0 packets dropped by kernel" in said, "the capture is not whole"


def await_port(host: Namespace, port: int, address: str = IPV4[0]) -> None:
    """Wait until a TCP server on *host* listens."""
    deadline = time.monotonic() + _PATIENCE_S
    while f":{port} " not in run(host, "ss", "-Hltn"):
        assert time.monotonic() < deadline, f"no server listens on {address} port {port}"
        time.sleep(0.05)


def python(*argv: str) -> Sequence[str]:
    return (sys.executable, *argv)
