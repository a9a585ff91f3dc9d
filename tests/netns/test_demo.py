"""The demo as ``make demo`` runs it: what it shows, and that nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wirepath.lab.demo import main
from wirepath.lab.network import Lab

NAME = "wp-demo"  # the lab of the demo: only one can run at a time


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the demo a directory for temporary files that no other demo uses."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def left() -> list[Path]:
    pins = [path for path in Path("/sys/fs/bpf").glob("wirepath:*/*") if NAME in path.name]
    temporary = Path(tempfile.gettempdir()).glob("wirepath-demo-*")
    return [*Path("/run/netns").glob(f"{NAME}*"), *pins, *temporary]


def demo(seconds: float) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "wirepath.lab.demo", "--seconds", str(seconds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_flood(process: "subprocess.Popen[str]") -> None:
    assert process.stdout
    for line in process.stdout:
        if line.startswith("flood"):
            return
    pytest.fail(f"no flood: {process.communicate()}")


def test_every_request_is_answered_and_every_packet_dropped() -> None:
    with demo(1.5) as process:
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert re.search(r"^flood +[\d,]+ packets in .* s: [\d.]+ Mpps$", out, re.MULTILINE)
    assert re.search(r"^dropped +[\d,]+ by rule blocked, 0 let through", out, re.MULTILINE)
    asked, answered = re.search(r"^web +(\d+)/(\d+) requests", out, re.MULTILINE).groups()  # type: ignore[union-attr]
    assert int(asked) == int(answered) > 10
    assert not left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals) -> None:
    with demo(30) as process:
        wait_for_flood(process)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not left()


def test_killed_then_run_again() -> None:
    with demo(30) as process:
        wait_for_flood(process)
        process.kill()
        process.communicate(timeout=30)
    try:
        assert left()
        with demo(1) as again:
            out, _ = again.communicate(timeout=60)
        assert again.returncode == 0, out
        assert not [path for path in left() if "netns" in str(path) or "bpf" in str(path)]
    finally:
        Lab(NAME).remove()


def test_not_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert main() == 1
    assert capsys.readouterr().err == "demo: create namespace wp-demo-net: not root (run as root)\n"
