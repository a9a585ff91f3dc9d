"""docs/python.md is true: its blocks run in order, in a namespace, and print what the page says."""

import io
from contextlib import redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from harness import page
from harness.frames import Eth, IPv4, Tcp
from harness.living import left
from harness.numbered import send, settle
from harness.pair import IFNAME, Pair
from wirepath.pcap import CaptureWriter

LIST = Path(__file__).parents[2] / "examples" / "block-list.txt"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working directory of the page, with the files that it names."""
    monkeypatch.chdir(tmp_path)
    copy(LIST, tmp_path)
    (tmp_path / "policy.toml").write_text(page.policy())
    with CaptureWriter(tmp_path / "web.pcap") as writer:
        for number, source in enumerate(("203.0.113.5", "203.0.113.66", "192.0.2.9", "10.0.0.1")):
            frame = bytes(Eth() / IPv4(src=source) / Tcp(dport=80))
            writer.write(number * 1_000_000, frame, len(frame))
    return tmp_path


def test_every_block(hosts: Pair, bpffs: Path, directory: Path) -> None:
    known: dict[str, Any] = {"__name__": "python_page"}
    others = []
    for block in page.blocks():
        # The page names eth0, which the machine may have too.
        code, prints = (text.replace("eth0", IFNAME) for text in (block.code, block.prints))
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + code, page.PAGE, "exec"), known)  # noqa: S102
        if not OutputChecker().check_output(prints, printed.getvalue(), ELLIPSIS):
            others.append(f"line {block.line} prints\n{printed.getvalue()}")
        if "datapath = Datapath.up(" in code:
            send(hosts.far, [6001])  # three packets from a host that is on the list
            settle(hosts.near)
    assert not others, "\n".join(others)
    assert not left(bpffs)
