"""`make bench` goes on where a command of a case is missing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import results
import run
from results import Table
from wirepath.bench import tools


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[str]], None]:
    """Make a case whose second table needs a command; no command is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(action: Callable[[], object]) -> None:
        def measure(_directory: Path, _repetitions: int) -> Iterator[Table]:
            yield Table("first")
            action()
            yield Table("second")

        module = ModuleType("cases.fake")
        module.measure = measure  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cases.fake", module)

    return make


@pytest.mark.parametrize(
    "action",
    [lambda: tools.run(["iptables", "-L"]), lambda: subprocess.run(["iptables"], check=True)],
    ids=["by the package", "by the case"],
)
def test_the_rest_of_a_case_is_left_out(
    fake: Callable[..., None], action: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(action)
    assert [table.title for table in run._measure("fake", 1)] == ["first"]
    said = "\nfake: the rest is left out: iptables: not installed\n"
    assert capsys.readouterr().out == said


def test_a_missing_file_is_an_error(fake: Callable[..., None], tmp_path: Path) -> None:
    fake((tmp_path / "policy.toml").read_text)
    with pytest.raises(FileNotFoundError):
        list(run._measure("fake", 1))


def test_provenance_without_compiler(fake: Callable[..., None]) -> None:
    assert results.provenance()["clang"] == "not installed"
