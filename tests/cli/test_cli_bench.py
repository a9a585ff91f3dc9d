"""``wirepath bench`` on the command line; tests/netns has tests of the measurement itself."""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness import shape
from harness.processes import Host, Wirepath, command
from wirepath.bench import contest
from wirepath.bench.contenders import CONTENDERS
from wirepath.cli import main
from wirepath.cli.bench_screen import HEIGHT, WIDTH

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
DOCUMENT = re.compile(r"^### bench$.*?^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST = tuple(each for each in CONTENDERS if each.name != "wp rules")  # it takes many commands
TINY = replace(contest.QUICK, seconds=0.005, rounds=1, limit_s=0, sizes=(1, 40), contenders=MOST)


def test_arguments(wirepath_: Wirepath, tmp_path: Path) -> None:
    told = wirepath_("bench", "--help").out
    assert set(re.findall(r"--[a-z]+", told)) == {"--help", "--quick", "--json", "--svg", "--iface"}
    assert "unrecognized arguments: --fast" in wirepath_("bench", "--fast").refused(2)
    assert "no-such0" in wirepath_("bench", "--quick", "--iface", "no-such0").refused(2)
    missing = tmp_path / "missing" / "file.svg"
    assert "No such file" in wirepath_("bench", "--quick", "--svg", missing).refused(2)
    assert "directory" in wirepath_("bench", "--quick", "--svg", tmp_path).refused(2)
    assert not list(tmp_path.iterdir())


@pytest.mark.kernel
def test_screen_and_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(c for c in CONTENDERS if c.name in {"xdp native", "nft raw", "wirepath"})
    monkeypatch.setattr(contest, "QUICK", replace(TINY, contenders=few))
    file = tmp_path / "bench.svg"
    assert main(["bench", "--quick", "--iface", "lo", "--svg", str(file)]) in {0, 1}
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= HEIGHT
    assert max(map(len, shown)) <= WIDTH
    assert any(line.startswith("wirepath ") for line in shown)
    assert any(line.startswith("lo (no driver): ") for line in shown)
    assert any(line.startswith(("checked: ", "NOT TO BE TRUSTED: ")) for line in shown)
    titles = [each.text or "" for each in ET.fromstring(file.read_text()).iter()]  # noqa: S314 - our own
    assert any(re.fullmatch(r"wirepath, 1: [\d.,]+ ns", title) for title in titles)


@pytest.mark.kernel
def test_missing_tools_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "QUICK", TINY)
    monkeypatch.setenv("PATH", str(tmp_path))
    code = main(["bench", "--quick", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == (0 if document["trusted"] else 1)
    assert [(left["contender"], left["entries"], left["why"]) for left in document["left_out"]] == [
        ("tc flower", None, "tc: not installed"),
        ("nft netdev", None, "nft: not installed"),
        ("nft raw", None, "nft: not installed"),
        ("nft rules", None, "nft: not installed"),
        ("iptables", None, "iptables-restore: not installed"),
        ("ipset", None, "ipset: not installed"),
    ]
    measured = [*dict.fromkeys(entry["contender"] for entry in document["entries"])]
    assert measured == ["xdp native", "xdp generic", "tc", "wirepath"]
    wanted = re.search(
        r"^### bench$.*?^```json\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert wanted
    assert shape.keys(json.loads(wanted[1]), document) == []


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, 10])
def test_interrupted(number: signal.Signals, after: int, host: Host) -> None:
    """A signal ends it while it attaches, and leaves nothing."""
    argv = command("bench", "--quick")
    with subprocess.Popen(
        argv, env=host.environment, stdout=-1, stderr=-1, text=True, start_new_session=True
    ) as bench:
        names, deadline = f"wp-bench-{bench.pid:x}-*", time.monotonic() + 60
        while len(list(Path("/run/netns").glob(names))) < after:
            assert bench.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(bench.pid, number)
        out, err = bench.communicate(timeout=60)
    assert (bench.returncode, out, err) == (128 + number, "", "")
    assert not list(Path("/run/netns").glob(names))
    assert not list(Path(host.bpffs).glob("wirepath*/*"))
