"""The messages of `make check` on a data plane that costs more than its budget."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import budget

HERE = {"kernel": "6.18", "machine": "x86_64", "clang": "14.0.6"}
STACK = {f"stack.{hook}": 320 for hook in ("ingress", "tc_ingress", "egress")}
COST = {"edge.ingress.instructions": 100_000, "edge.ingress.jited_bytes": 30_000}
TOML = """
[measured_on]
kernel = "6.18"
machine = "x86_64"
clang = "14.0.6"
[stack]
ingress = 320
tc_ingress = 320
egress = 320
[policy.edge]
ingress = { instructions = 100000, jited_bytes = 30000 }
"""

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Run the check on given figures; return the exit code and the output."""
    file = tmp_path / "budget.toml"
    file.write_text(TOML)
    monkeypatch.setattr(budget, "_FILE", file)
    monkeypatch.setattr(sys, "argv", ["budget.py"])
    monkeypatch.delenv("WIREPATH_REQUIRE", raising=False)

    def check(
        cost: dict[str, int] = COST,
        *,
        stack: dict[str, int] = STACK,
        here: dict[str, str] = HERE,
        missing: str = "",
    ) -> tuple[int, str]:
        monkeypatch.setattr(budget, "_stack", lambda: stack)
        monkeypatch.setattr(budget, "_of_kernel", lambda: cost)
        monkeypatch.setattr(budget, "_surroundings", lambda: here)
        monkeypatch.setattr(budget, "missing", lambda: missing)
        return budget.main(), capsys.readouterr().err

    return check


def test_what_is_within_a_tenth_passes(check: Check) -> None:
    assert check() == (0, "")
    assert check(COST | {"edge.ingress.instructions": 110_000}) == (0, "")
    assert check(COST | {"edge.ingress.instructions": 10}) == (0, "")


def test_what_has_grown_by_more_fails(check: Check) -> None:
    code, said = check(COST | {"edge.ingress.instructions": 110_001})
    assert code == 1
    assert said.startswith("budget: edge.ingress.instructions: 110,001, more than a tenth over")
    code, said = check(stack=STACK | {"stack.egress": 384})
    assert (code, said.startswith("budget: stack.egress: 384, more than")) == (1, True)


def test_what_is_on_one_side_alone_fails(check: Check) -> None:
    _, said = check(COST | {"new.egress.instructions": 1})
    expected = "new.egress.instructions: nothing in budget.toml, 1 measured (`make budget`)"
    assert said == f"budget: {expected}\n"
    assert check({})[0] == 1


def test_stack_has_to_be_left_wherever_it_is_checked(check: Check) -> None:
    code, said = check(stack=STACK | {"stack.ingress": 416}, here=HERE | {"clang": "19.1.7"})
    assert code == 1
    expected = "stack.ingress: 416 bytes, which leaves 96 of 128 that are to be spare"
    assert f"budget: {expected}\n" in said


@pytest.mark.parametrize("other", [{"kernel": "6.1"}, {"machine": "aarch64"}, {"clang": "19.1.7"}])
def test_figures_of_another_kernel_or_compiler_are_not_compared(
    check: Check, other: dict[str, str]
) -> None:
    code, said = check(COST | {"edge.ingress.instructions": 500_000}, here=HERE | other)
    assert code == 0
    assert "NOT COMPARED: measured on kernel 6.18, machine x86_64, clang 14.0.6, and" in said


def test_without_privilege_it_says_so(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = check(missing="bpf: Operation not permitted (run it as root)")
    assert code == 0
    assert said.endswith("NOT COMPARED: bpf: Operation not permitted (run it as root)\n")
    monkeypatch.setenv("WIREPATH_REQUIRE", "kernel")
    code, said = check(missing="bpf: Operation not permitted (run it as root)")
    assert code == 1
    assert said.startswith("budget: WIREPATH_REQUIRE=kernel, but bpf: Operation not permitted")


def test_what_is_written_is_read_back(check: Check) -> None:
    figures = {**STACK, **COST}
    assert budget._read(budget._text(HERE, figures)) == figures
