"""The case table, judged by the compiled programs: that of XDP, and those of TC."""

import pytest

from cases import CASES, Case
from harness.xdp import Expected, Sent, Xdp, disagreements
from wirepath.model import Model
from wirepath.net import HOOKS, Hook, Verdict
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

_CASES: dict[str, list[Case]] = {}
for _case in CASES:
    _CASES.setdefault(_case.policy, []).append(_case)


def is_special(program: Xdp) -> bool:
    """Return whether a case does not apply at a hook; tests/unit/test_model.py has its verdict.

    At egress never_block protects destinations too, and at a hook without rules no settings apply.
    """
    policy = program.policy
    if program.hook == "egress" and policy.datapath.never_block:
        return True
    return program.hook != "ingress" and not policy.rules


def expected(program: Xdp, case: Case) -> Verdict:
    if is_special(program):
        model = Model(program.policy, bans=case.bans, hook=program.hook)
        return model.decide(case.frame, case.now_ns, case.wire_bytes).verdict
    return Verdict(case.verdict, case.reason, case.rule, case.fault)


# One test for each policy and hook: loading a program takes longer than judging all frames.
@pytest.mark.parametrize("cases", _CASES.values(), ids=lambda cases: cases[0].id)
@pytest.mark.parametrize("hook", HOOKS)
def test_verdicts_and_counts(cases: list[Case], hook: Hook) -> None:
    """Judge every case of a policy; then check rule counters on the frames of all cases."""
    sent = {case.id: Sent(case.frame, case.wire_bytes, case.now_ns) for case in CASES}
    judged = {}
    with Xdp(Policy.parse(cases[0].policy), hook=hook) as program:
        for case in cases:
            program.ban(case.bans)
            [judged[case.id]] = program.judge([sent[case.id]])
        assert judged == {case.id: expected(program, case) for case in cases}
        program.ban([])
        program.forget()
        model = Model(program.policy, hook=hook)
        assert disagreements(program, Expected(model), list(sent.values())) == []
