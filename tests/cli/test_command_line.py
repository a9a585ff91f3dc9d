"""Behaviour that all commands share: help, options, signals, pipes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes import ENVIRONMENT, Wirepath, command
from wirepath.cli import COMMANDS, main, show
from wirepath.errors import RequestError
from wirepath.quantities import duration

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_documentation(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: wirepath {name}" in capsys.readouterr().out
    assert f"`wirepath {name}" in DOCS.read_text()


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name}  " in listed.replace(name.ljust(6), name) for name in COMMANDS)
    assert max(map(len, listed.splitlines())) <= 80


def test_unknown_words_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "stauts") == "wirepath: stauts: no such command (did you mean stats?)\n"
    assert "`wirepath --help` lists them" in refused(capsys, "xyzzy")
    assert "see `wirepath check --help`" in refused(capsys, "check")
    assert "--frobnicate" in refused(capsys, "bans", "--frobnicate")
    # Abbreviations would restrict the names of later options.
    assert "--ifa" in refused(capsys, "bans", "--ifa", "eth0")


def test_values_are_read_before_anything_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert "write 192.0.2.0/24" in refused(capsys, "ban", "192.0.2.1/24")
    assert "not an address" in refused(capsys, "set", "add", "bad", "example.org")
    assert "30s, 5min, 1h, 2d" in refused(capsys, "ban", "192.0.2.1", "--for", "5m")
    assert "choose from" in refused(capsys, "replay", "p", "c", "--hook", "output")
    assert "choose from" in refused(capsys, "up", "eth0", "p", "--mode", "magic")
    assert "an interval" in refused(capsys, "stats", "--watch", "0")
    assert "only tcp and udp" in refused(
        capsys, "test", "192.0.2.1", "--proto", "gre", "--dport", "1"
    )
    assert "a range" in refused(capsys, "test", "192.0.2.1", "--dport", "1-2")
    assert "more than one" in refused(capsys, "apply", "eth0", "p", "--iface", "eth1")


def test_durations() -> None:
    read = [duration(text) for text in ("30s", "5min", "1h", "2d", "90", "5 min")]
    assert read == [30, 300, 3600, 172800, 90, 300]
    for text in ("", "0", "0s", "-1", "1w", "1.5h", "h", "٣s", "1hs"):
        with pytest.raises(RequestError):
            duration(text)


def test_durations_are_shown_in_two_units() -> None:
    seconds = (0, 0.4, 59, 60, 3600, 3660, 86400, 90000, 90059, 172799)
    assert [show.duration(s) for s in seconds] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "1 h 1 min",
        "1 d",
        "1 d 1 h",
        "1 d 1 h",
        "1 d 23 h",
    ]


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(("name", "packets", "why"), [("a", 1234567, "x"), ("longer", None, "yy")])
    assert capsys.readouterr().out == (
        "name      packets  why\na       1,234,567  x\nlonger          -  yy\n"
    )


def test_version(wirepath_: Wirepath) -> None:
    said = wirepath_("--version")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("wirepath ")


def test_an_interrupt_ends_it_quietly(policy: Path, tmp_path: Path) -> None:
    # A capture from a pipe that stays empty: reading waits until the signal.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        command("replay", policy, pipe, "--model"), env=ENVIRONMENT, stderr=subprocess.PIPE
    ) as process:
        with pipe.open("wb"):  # returns once the other end is open
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    rules = "".join(f'[[rule]]\nname = "rule-{n}"\n' for n in range(5000))
    (tmp_path / "many.toml").write_text(rules)
    with subprocess.Popen(
        command("check", tmp_path / "many.toml"),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr.read() == b""


def test_the_command_line_alone_imports_nothing_heavy() -> None:
    heavy = {
        "numpy",
        "pyroute2",
        "rich",
        "tomllib",
        "tomli",
        "cffi",
        "wirepath.policy",
        "wirepath.datapath",
    }
    script = "import sys, wirepath.cli; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    assert not heavy & set(done.stdout.split())
