"""``wirepath top`` with real packets: ``--once``, as JSON, and on a terminal of 80 by 24."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Udp
from harness.processes import Host, command

pytestmark = pytest.mark.kernel

_POLICY = """
[[rule]]
name = "dns"
match = { proto = "udp", dport = 53 }
limit = { rate = "10/h", per = "src/24+dport", exact = true }
[[rule]]
name = "knock"
match = { proto = "udp", dport = 54 }
limit = { rate = "1/h", per = "src", ban = "1h" }
"""
_ALL = Eth(dst=b"\xff" * 6)  # not for another host
_DNS = _ALL / IPv4(src="198.51.100.77") / Udp(dport=53)
_KNOCK = _ALL / IPv4(src="198.51.100.78") / Udp(dport=54)
_ALT_SCREEN, _NORMAL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


@pytest.fixture
def up(host: Host, tmp_path: Path) -> Host:
    file = tmp_path / "policy.toml"
    file.write_text(_POLICY)
    assert host("up", "wp0", file).code == 0
    with host.namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("wp1", 0))
        for frame in [_DNS] * 4 + [_KNOCK] * 5:
            wire.send(bytes(frame))
    return host


def test_json(up: Host) -> None:
    found = up("top", "--json", "--interval", "0.2").json()
    assert (found["iface"], found["mode"], found["generation"]) == ("wp0", "native", 1)
    assert 0.2 <= found["seconds"] < 5
    rules = {rule["name"]: (rule["packets"], rule["dropped"]) for rule in found["rules"]}
    assert rules == {"dns": (4, 0), "knock": (2, 1)}
    assert found["banned"] == 1
    [ban] = found["bans"]
    assert (ban["prefix"], ban["rule"], ban["packets"]) == ("198.51.100.78", "knock", 3)
    [talker] = found["talkers"]
    assert 0.3 < talker.pop("used") <= 0.4
    assert talker == {
        "rule": "dns", "src": "198.51.100.0/24", "dst": None, "sport": None, "dport": 53,
    }  # fmt: skip


def test_once(up: Host) -> None:
    said = up("top", "--once", "--interval", "0.1", env=up.environment | {"COLUMNS": "80"})
    assert said.code == 0
    lines = said.out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in said.out
    assert lines[0].startswith("wp0: native mode, serving for ")
    banned = next(line.split() for line in lines if line.startswith("198.51.100.78"))
    assert (banned[1], banned[-2:]) == ("knock", ["0", "3"])
    assert any(line.startswith("198.51.100.0/24 port 53  ") for line in lines)


def test_where_there_is_no_terminal(up: Host, host: Host) -> None:
    assert "--once" in up("top").refused(2)
    assert "not an interval" in up("top", "--once", "--interval", "0").refused(2)
    assert up("down").code == 0
    assert "wirepath is not up" in host("top", "--once").refused(2)


class Terminal:
    """A terminal of 80 by 24 that runs ``wirepath top``."""

    def __init__(self, host: Host) -> None:
        self.keyboard, self._inside = pty.openpty()
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.settings = termios.tcgetattr(self._inside)
        self.process = host.namespace.spawn(
            command("top", "--interval", "0.2"),
            env=host.environment | {"TERM": "xterm"},
            stdin=self._inside,
            stdout=self._inside,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.seen = b""

    def await_text(self, text: bytes) -> None:
        """Read until *text* is shown, ignoring earlier output."""
        start, deadline = len(self.seen), time.monotonic() + 20
        while text not in self.seen[start:]:
            assert time.monotonic() < deadline, self.seen[start:]
            self._read(0.1)

    def end(self) -> int:
        """Wait until the command ends; return the exit code."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        self._read(0)
        return self.process.wait(0)

    def _read(self, seconds: float) -> None:
        while select.select([self.keyboard], [], [], seconds)[0]:
            self.seen += os.read(self.keyboard, 65536)
            seconds = 0

    def restored(self) -> bool:
        return (
            self.seen.rstrip().rfind(_NORMAL_SCREEN) > self.seen.rfind(_ALT_SCREEN)
            and termios.tcgetattr(self._inside) == self.settings
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)
        os.close(self._inside)


@contextmanager
def terminal(host: Host) -> Iterator[Terminal]:
    opened = Terminal(host)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("end", "code"), [("q", 0), (signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_live(up: Host, end: str | signal.Signals, code: int) -> None:
    with terminal(up) as shown:
        shown.await_text(b"198.51.100.78")
        if isinstance(end, str):
            os.write(shown.keyboard, end.encode())
        else:
            shown.process.send_signal(end)
        assert shown.end() == code, shown.seen
        assert shown.restored()
        assert b"Traceback" not in shown.seen


def test_live_through_swaps_and_down_and_up(up: Host, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    with terminal(up) as shown:
        shown.await_text(b"generation 1 ")
        assert up("apply", "wp0", file).code == 0
        shown.await_text(b"generation 2 ")
        assert up("down", "wp0").code == 0
        shown.await_text(b"waiting for it")
        assert up("up", "wp0", file).code == 0
        shown.await_text(b"generation 1 ")
        os.write(shown.keyboard, b"q")
        assert shown.end() == 0
        assert shown.restored()
