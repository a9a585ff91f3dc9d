"""The case table, judged by the model."""

from collections import Counter
from functools import cache
from typing import get_args

import pytest

from cases import CASES, Case
from wirepath.model import Model
from wirepath.net import Fault, Reason, Verdict
from wirepath.policy import Policy
from wirepath.policy.match import Match

# tests/actions has cases of these
_OF_ACTIONS = {"limit_exceeded", "wireguard", "reject", "challenge"}


@cache
def policy(text: str) -> Policy:
    return Policy.parse(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_verdict(case: Case) -> None:
    model = Model(policy(case.policy), bans=case.bans)
    decision = model.decide(case.frame, case.now_ns, case.wire_bytes)
    assert decision.verdict == Verdict(case.verdict, case.reason, case.rule, case.fault)


def test_ids_are_unique() -> None:
    assert [name for name, times in Counter(case.id for case in CASES).items() if times > 1] == []


def test_every_key_and_fault_is_there() -> None:
    """Every key and fault has a case: one that is added later needs cases too."""
    keys = {
        p.key for case in CASES for r in policy(case.policy).rules for p in r.match.predicates()
    }
    assert keys == set(Match.__dataclass_fields__)
    assert {case.fault for case in CASES if case.fault} == set(get_args(Fault))
    assert {case.reason for case in CASES} == set(get_args(Reason)) - _OF_ACTIONS


def test_matched_rules_in_order() -> None:
    case = next(case for case in CASES if case.id == "walk-second-match")
    decision = Model(policy(case.policy)).decide(case.frame)
    assert decision.matched == ("count-all", "count-rest", "net")
