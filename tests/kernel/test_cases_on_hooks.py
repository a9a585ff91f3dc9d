"""The case table, decided by the compiled programs: that of XDP, and those of TC."""

from collections.abc import Iterator
from typing import Any

import pytest

from cases import CASES, Case
from harness.xdp import Expected, Sent, Xdp, disagreements
from wirepath.model import Model
from wirepath.net import HOOKS, Hook, Verdict
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

# By the first case that has it; all frames of the table go through each.
_POLICIES = {case.policy: case.id for case in reversed(CASES)}


class Loaded:
    """Loads a policy, and keeps it for as long as it is the one asked for."""

    def __init__(self) -> None:
        self._asked: tuple[Hook, str] | None = None
        self._program: Xdp | None = None

    def __call__(self, hook: Hook, text: str) -> Xdp:
        if self._program is None or self._asked != (hook, text):
            self.close()
            self._program = Xdp(Policy.parse(text), hook=hook)
            self._asked = hook, text
        return self._program

    def close(self) -> None:
        if self._program:
            self._program.close()


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    programs = Loaded()
    yield programs
    programs.close()


def at_each_hook(text: str, value: object, name: str) -> Iterator[Any]:
    """Have *value* at each hook; all that needs the policy *text* there is one group."""
    for hook in HOOKS:
        group = pytest.mark.xdist_group(f"{_POLICIES[text]}-{hook}")
        yield pytest.param(hook, value, id=f"{hook}-{name}", marks=group)


def is_special(program: Xdp) -> bool:
    """Tell whether the table does not hold there; tests/unit/test_model.py says what does.

    At egress never_block protects destinations too, and where no rule stands nothing holds.
    """
    policy = program.policy
    if program.hook == "egress" and policy.datapath.never_block:
        return True
    return program.hook != "ingress" and not policy.rules


@pytest.mark.parametrize(
    ("hook", "case"),
    [each for case in CASES for each in at_each_hook(case.policy, case, case.id)],
)
def test_verdict(hook: Hook, case: Case, loaded: Loaded) -> None:
    program = loaded(hook, case.policy)
    program.ban(case.bans)
    sent = Sent(case.frame, case.wire_bytes, case.now_ns)
    verdict = Verdict(case.verdict, case.reason, case.rule, case.fault)
    if is_special(program):
        expected = Expected(Model(program.policy, bans=case.bans, hook=program.hook))
        [verdict] = expected.judge([sent])
    assert program.judge([sent]) == [verdict]


@pytest.mark.parametrize(
    ("hook", "text"),
    [each for text, name in _POLICIES.items() for each in at_each_hook(text, text, name)],
)
def test_counts(hook: Hook, text: str, loaded: Loaded) -> None:
    """Every rule that matches counts, not only the one that decides."""
    program = loaded(hook, text)
    program.ban([])
    program.forget()
    model = Model(program.policy, hook=hook)
    frames = [Sent(case.frame, case.wire_bytes, case.now_ns) for case in CASES]
    assert disagreements(program, Expected(model), frames) == []
