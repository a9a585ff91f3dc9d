"""The output in the tutorials is that of wirepath now: its words and columns, not its numbers.

Output of iperf3 and tcpdump is theirs, and is not compared.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import shape
from harness.pair import await_port, ip
from wirepath.cli import main
from wirepath.lab.network import Lab

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
Said = Callable[..., str]


def outputs(name: str) -> list[str]:
    """List the blocks of output on a page."""
    blocks = re.findall(
        r"^```(\w*)\n(.*?)^```$", (TUTORIALS / name).read_text(), re.MULTILINE | re.DOTALL
    )
    return [block for language, block in blocks if language in ("", "text")]


@pytest.fixture
def said(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bpffs: Path
) -> Iterator[Said]:
    """Run ``wirepath ARGUMENTS`` on the server of a lab, from the project's directory."""
    monkeypatch.chdir(ROOT)

    def run(words: str) -> str:
        main(words.replace("wp0", lab.server.interface).split())
        told = capsys.readouterr()
        return (told.out + told.err).replace(lab.server.interface, "wp0")

    with lab.server.namespace.entered():
        yield run
        run("down wp0")


@pytest.mark.parametrize("page", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_check(
    page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of it, where the page shows what `check` says."""
    monkeypatch.chdir(ROOT)
    assert main(["check", f"examples/{page.removesuffix('.md')}.toml"]) == 0
    real = capsys.readouterr().out.splitlines()
    shown = [text for text in outputs(page) if "#  rule" in text]
    assert shown or page == "web-tap.md"
    assert [line for text in shown for line in text.splitlines() if line not in real] == []


def test_egress_cap(said: Said, tmp_path: Path) -> None:
    _, measured, refused = outputs("egress-cap.md")
    said("up wp0 examples/egress-cap.toml")
    assert shape.missing(measured[measured.index("name ") :], said("rules")) == []
    shaping = tmp_path / "shaping.toml"
    limit = 'limit = { rate = "100mbit", per = "dst", shape = true }'
    shaping.write_text(f'[[rule]]\nname = "cap"\nhook = "egress"\n{limit}\n')
    assert shape.missing(refused, said(f"apply {shaping}")) == []


def test_tenant_caps(said: Said) -> None:
    *_, after = outputs("tenant-caps.md")
    said("up wp0 examples/tenant-caps.toml")
    added, _, table = after.split("\n\n")
    assert shape.missing(added, said("set add gold 198.51.100.77")) == []
    assert shape.missing(table, said("rules")) == []


def test_new_connections(said: Said, lab: Lab) -> None:
    _, up, stats = outputs("new-connections.md")
    assert shape.missing(up, said("up wp0 examples/new-connections.toml")) == []
    with lab.server.namespace.spawn(
        ["python3", "-m", "http.server", "8080"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        await_port(lab.server.namespace, 8080)
        for url in ("-s", "-Zs"):
            lab.attacker.namespace.run(
                ["curl", url, "-m", "2", "-o", "/dev/null", "http://192.0.2.1:8080/?[1-100]"],
                capture_output=True,
                check=False,
            )
        server.terminate()
    assert shape.missing(stats, said("stats")) == []


def test_web_tap(said: Said, lab: Lab) -> None:
    [warning] = outputs("web-tap.md")
    server = lab.server.namespace
    ip(server, "link", "add", "mirror0", "type", "veth", "peer", "name", "ids0")
    said("up wp0 examples/web-tap.toml")
    ip(server, "link", "del", "mirror0")
    assert shape.missing(warning, said("status")) == []
