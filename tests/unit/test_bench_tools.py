"""What a machine lacks is named in one line."""

from pathlib import Path

import pytest

from wirepath.bench import tools
from wirepath.bench.tools import Lacking


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Lacking, match=r"^nft: not installed$"):
        tools.run(["nft", "list", "ruleset"])


def test_refused() -> None:
    with pytest.raises(Lacking, match=r"^sh: no such module$"):
        tools.run(["sh", "-c", "echo no such module >&2; echo more >&2; exit 2"])
    with pytest.raises(Lacking, match=r"^false: exit code 1$"):
        tools.run(["false"])


def test_input_and_output() -> None:
    assert tools.run(["cat"], "some\ntext\n") == "some\ntext\n"
