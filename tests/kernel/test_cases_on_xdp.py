"""The case table, decided by the compiled program."""

from collections.abc import Iterator

import pytest

from cases import CASES, Case
from wirepath.model import Model
from wirepath.net import Verdict
from wirepath.policy import Policy
from xdp import Expected, Sent, Xdp, disagreements

pytestmark = pytest.mark.kernel

# By the first case that has it; all frames of the table go through each.
_POLICIES = {case.policy: case.id for case in reversed(CASES)}


class Loaded:
    """Each policy once; only the last few stay, since each takes some megabytes."""

    KEPT = 8

    def __init__(self) -> None:
        self._programs: dict[str, Xdp] = {}

    def __call__(self, text: str) -> Xdp:
        program = self._programs.pop(text, None) or Xdp(Policy.parse(text))
        self._programs[text] = program
        if len(self._programs) > self.KEPT:
            self._programs.pop(next(iter(self._programs))).close()
        return program

    def close(self) -> None:
        for program in self._programs.values():
            program.close()


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    programs = Loaded()
    yield programs
    programs.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case: Case, loaded: Loaded) -> None:
    program = loaded(case.policy)
    program.ban(case.bans)
    verdicts = program.judge([Sent(case.frame, case.wire_bytes, case.now_ns)])
    assert verdicts == [Verdict(case.verdict, case.reason, case.rule, case.fault)]


@pytest.mark.parametrize("text", _POLICIES, ids=_POLICIES.get)
def test_counts(text: str) -> None:
    """Every rule that matches counts, not only the one that decides."""
    model = Model(Policy.parse(text))
    frames = [Sent(case.frame, case.wire_bytes, case.now_ns) for case in CASES]
    with Xdp(model.policy) as program:
        assert disagreements(program, Expected(model), frames) == []
