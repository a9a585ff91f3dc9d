"""The case table, decided by the compiled programs: that of XDP, and those of TC."""

from collections.abc import Iterator

import pytest

from cases import CASES, Case
from harness.xdp import Expected, Sent, Xdp, disagreements, moved
from wirepath.model import Model
from wirepath.net import HOOKS, Hook, Verdict
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

# By the first case that has it; all frames of the table go through each.
_POLICIES = {case.policy: case.id for case in reversed(CASES)}


class Loaded:
    """Each policy once; only the last few stay, since each takes some megabytes."""

    KEPT = 8

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self._programs: dict[str, Xdp] = {}

    def __call__(self, text: str) -> Xdp:
        program = self._programs.pop(text, None) or Xdp(Policy.parse(text), hook=self.hook)
        self._programs[text] = program
        if len(self._programs) > self.KEPT:
            self._programs.pop(next(iter(self._programs))).close()
        return program

    def close(self) -> None:
        for program in self._programs.values():
            program.close()


@pytest.fixture(scope="module", params=HOOKS)
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    programs = Loaded(request.param)
    yield programs
    programs.close()


def is_special(program: Xdp) -> bool:
    """Tell whether the table does not hold there; tests/unit/test_model.py says what does.

    At egress never_block protects destinations too, and where no rule stands nothing holds.
    """
    policy = program.policy
    if program.hook == "egress" and policy.datapath.never_block:
        return True
    return program.hook != "ingress" and not policy.rules


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case: Case, loaded: Loaded) -> None:
    program = loaded(case.policy)
    program.ban(case.bans)
    sent = Sent(case.frame, case.wire_bytes, case.now_ns)
    verdict = Verdict(case.verdict, case.reason, case.rule, case.fault)
    if is_special(program):
        expected = Expected(Model(program.policy, bans=case.bans, hook=program.hook))
        [verdict] = expected.judge([sent])
    assert program.judge([sent]) == [verdict]


@pytest.mark.parametrize("text", _POLICIES, ids=_POLICIES.get)
@pytest.mark.parametrize("hook", HOOKS)
def test_counts(text: str, hook: Hook) -> None:
    """Every rule that matches counts, not only the one that decides."""
    policy = Policy.parse(text)
    model = Model(moved(policy, hook), hook=hook)
    frames = [Sent(case.frame, case.wire_bytes, case.now_ns) for case in CASES]
    with Xdp(policy, hook=hook) as program:
        assert disagreements(program, Expected(model), frames) == []
