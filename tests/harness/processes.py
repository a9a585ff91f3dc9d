"""The command line as an operator runs it: as a process, possibly in a namespace."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wirepath
from harness.frames import Eth, IPv4, Tcp, Udp
from wirepath.kernel.interface import Interface
from wirepath.lab.netns import Namespace

if TYPE_CHECKING:
    import subprocess

# So that processes find the package wherever it is.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(wirepath.__file__).parents[1])}


@dataclass
class Ended:
    """The outcome of a command: exit code and output."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def refused(self, code: int) -> str:
        """Check that the command printed one line of error and nothing else; return the line."""
        assert (self.code, self.out) == (code, ""), self
        assert self.err.startswith("wirepath: "), self.err
        assert self.err.endswith(")\n"), self.err  # the cure, in parentheses
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("wirepath: ").removesuffix("\n")


Wirepath = Callable[..., Ended]


def ended(done: "subprocess.CompletedProcess[str]") -> Ended:
    return Ended(done.returncode, done.stdout, done.stderr)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "wirepath", *map(str, arguments)]


@dataclass
class Host:
    """A namespace with the veth pair wp0 and wp1, both up, and its own bpffs."""

    namespace: Namespace
    bpffs: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "WIREPATH_BPFFS": str(self.bpffs)}

    def __call__(self, *arguments: object, **options: Any) -> Ended:
        """Run ``wirepath ARGUMENTS`` on this host."""
        options = {"env": self.environment, "capture_output": True, "text": True} | options
        return ended(self.namespace.run(command(*arguments), **options))

    def interface(self, name: str = "wp0") -> Interface:
        with self.namespace.entered():
            return Interface.of(name)

    def state(self) -> tuple[int, list[str]]:
        """Return everything that a command may change: the program on wp0, and every pin."""
        pins = (path for path in self.bpffs.rglob("*") if path.is_file())
        # The kernel's own two files in a bpffs.
        return self.interface().xdp_id, sorted(str(pin) for pin in pins if pin.suffix != ".debug")


# Frames that different rules of the policy of tests/cli match.
FROM_BAD = Eth() / IPv4(src="192.0.2.7") / Tcp(dport=80)
FROM_GOOD = Eth() / IPv4(src="198.51.100.1") / Tcp(dport=80)
FROM_OTHER = Eth() / IPv4(src="198.51.100.77") / Udp(dport=53)


def send(host: Host, *frames: object) -> None:
    """Send frames to wp0."""
    with host.namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("wp1", 0))
        for frame in frames:
            wire.send(bytes(frame))  # type: ignore[call-overload]


def rules(host: Host, least: int) -> dict[str, dict[str, int]]:
    """Wait until *least* packets have matched rules; return the counters of the rules."""
    for _ in range(100):
        found: dict[str, dict[str, int]] = host("stats", "--json").json()["rules"]
        if sum(rule["packets"] for rule in found.values()) >= least:
            return found
        time.sleep(0.02)
    pytest.fail(f"{found}: fewer than {least} packets arrived")
