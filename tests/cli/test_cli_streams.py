"""Streams that are full or closed, and interrupts at every step of a change.

One line on stderr, the documented exit code, no traceback.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.processes import ENVIRONMENT, Ended, Host, command, ended


@pytest.fixture
def full() -> Iterator[int]:
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


def streamed(*arguments: object, **streams: object) -> Ended:
    options = {"env": ENVIRONMENT, "text": True, "stderr": subprocess.PIPE} | streams
    done = subprocess.run(command(*arguments), check=False, **options)  # type: ignore[call-overload]
    return Ended(done.returncode, done.stdout or "", done.stderr or "")


@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_stdout_full(policy: Path, full: int, json_: list[str]) -> None:
    assert streamed("check", policy, *json_, stdout=full).refused(1) == (
        "write to standard output: No space left on device [ENOSPC]"
        " (redirect it to a file with room, or to /dev/null)"
    )


def closed(fd: int, *arguments: object) -> Ended:
    argv = ["sh", "-c", f'exec "$@" {fd}>&-', "sh", *command(*arguments)]
    return ended(subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, check=False))


def test_closed_streams(policy: Path, tmp_path: Path) -> None:
    assert closed(1, "check", policy).refused(1) == (
        "write to standard output: it is closed (redirect it to a file with room, or to /dev/null)"
    )
    assert closed(0, "check", policy).code == 0
    assert closed(2, "check", policy).code == 0
    said = closed(2, "check", tmp_path / "nowhere")
    assert (said.code, said.out, said.err) == (2, "", "")


def test_stderr_full(policy: Path, tmp_path: Path, full: int) -> None:
    assert streamed("check", tmp_path / "nowhere", stderr=full).code == 2
    assert streamed("check", policy, stderr=full, stdout=subprocess.DEVNULL).code == 0


def test_an_interrupt_while_it_starts_is_quiet(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'wirepath.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
    )
    paths = f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"
    done = streamed("check", policy, env={**ENVIRONMENT, "PYTHONPATH": paths})
    assert (done.code, done.err) == (130, "")


_INTERRUPTED = """
import sys
from wirepath.cli import main
from wirepath.datapath import change, steps

def once(of, name, before):
    real = getattr(of, name)
    def interrupted(*arguments):
        setattr(of, name, real)
        if not before:
            real(*arguments)
        raise KeyboardInterrupt
    setattr(of, name, interrupted)

place, before = sys.argv.pop(1), sys.argv.pop(1) == "before"
{
    "load": lambda: once(steps.Load, "do", before),
    "xdp": lambda: once(steps.Xdp, "do", before),
    "publish": lambda: once(steps.Publish, "do", before),
    "note": lambda: once(steps.Note, "finish", before),
    "finish": lambda: once(change, "finish", before),
    "end": lambda: once(change, "carry_out", before),
}[place]()
sys.exit(main())
"""


def interrupted(host: Host, place: str, when: str, *arguments: object) -> Ended:
    argv = [sys.executable, "-c", _INTERRUPTED, place, when, *map(str, arguments)]
    options = {"env": host.environment, "capture_output": True, "text": True}
    return ended(host.namespace.run(argv, **options))


SERVES = "wirepath: wp0: interrupted, but generation {} of {} serves (`wirepath status` shows it)\n"
COMMITTED = [
    ("xdp", "after"),
    ("publish", "before"),
    ("publish", "after"),
    ("note", "before"),
    ("note", "after"),
    ("finish", "before"),
    ("finish", "after"),
    ("end", "after"),
]


@pytest.mark.kernel
@pytest.mark.parametrize(("place", "when"), COMMITTED)
def test_an_interrupt_after_the_commit_says_what_serves(
    host: Host, policy: Path, place: str, when: str
) -> None:
    said = interrupted(host, place, when, "up", "wp0", policy)
    assert (said.code, said.out, said.err) == (
        130,
        "",
        SERVES.format(1, policy),
    )
    said = interrupted(host, place, when, "apply", policy)
    assert (said.code, said.out, said.err) == (
        130,
        "",
        SERVES.format(2, policy),
    )
    assert host("status", "--check").out == ""
    said = interrupted(host, place, when, "down")
    assert (said.code, said.out) == (130, "")
    assert said.err == "wirepath: wp0: interrupted, but it is down (nothing is left to do)\n"
    assert host.state() == (0, [])


@pytest.mark.kernel
@pytest.mark.parametrize("place", ["load", "xdp"])
def test_an_interrupt_before_the_commit_changes_nothing(
    host: Host, policy: Path, place: str
) -> None:
    said = interrupted(host, place, "before", "up", "wp0", policy)
    assert (said.code, said.out, said.err) == (130, "", "")
    assert host.state() == (0, [])
    assert host("up", "wp0", policy).code == 0
    before = host.state()
    for arguments in (("apply", policy), ("down",)):
        said = interrupted(host, place, "before", *arguments)
        assert (said.code, said.out, said.err) == (130, "", "")
    assert host.state() == before


@pytest.mark.kernel
def test_pins_that_cannot_be_removed(host: Host, policy: Path) -> None:
    """EIO of an unlink is one line, like any error of the system."""
    assert host("up", "wp0", policy).code == 0
    script = (
        "import os, sys, wirepath.cli\n"
        "def unlink(*_, **__): raise OSError(5, 'Input/output error', '/sys/fs/bpf/x')\n"
        "os.unlink = unlink\n"
        "sys.exit(wirepath.cli.main(sys.argv[1:]))\n"
    )
    argv = [sys.executable, "-c", script, "apply", str(policy)]
    options = {"env": host.environment, "capture_output": True, "text": True}
    said = ended(host.namespace.run(argv, **options))
    assert said.code == 1
    assert "[EIO]" in said.err
    assert "Traceback" not in said.err
