"""Packets in time under one policy, judged by the model and by the program."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.frames import Frame, Layer
from harness.xdp import SECRET, Expected, Sent, Xdp
from wirepath.model import Model
from wirepath.net import Verdict
from wirepath.policy import Policy

Moment = tuple[int, Frame | Layer | bytes, str]
"""The clock, a frame, and what becomes of it: ``pass``, or ``REASON`` or ``REASON RULE``."""


@dataclass(frozen=True)
class Sequence:
    """What becomes of packets, one after the other.

    Attributes:
        id: what the test is called.
        policy: TOML.
        moments: in order.
    """

    id: str
    policy: str
    moments: tuple[Moment, ...]

    def sent(self) -> list[Sent]:
        return [Sent(bytes(frame), now_ns=now) for now, frame, _ in self.moments]

    def outcomes(self) -> list[str]:
        return [outcome for _, _, outcome in self.moments]


def outcome(verdict: Verdict) -> str:
    """What a moment calls *verdict*; a pass by default is just that."""
    if verdict == Verdict("pass", "default"):
        return "pass"
    return " ".join(filter(None, (verdict.reason, verdict.rule)))


class Executors:
    """A policy by both executors."""

    def __init__(self, policy: Policy, xdp: Xdp) -> None:
        self.model = Expected(Model(policy, secret=SECRET[:2]))
        self.xdp = xdp

    def judge(self, sent: Iterable[Sent]) -> list[Verdict]:
        """Judge by the program; what the model says must be the same."""
        frames = list(sent)
        said, did = self.model.judge(frames), self.xdp.judge(frames)
        assert did == said
        assert self.xdp.counted() == self.model.counted()
        return did


@contextmanager
def executors(text: str) -> Iterator[Executors]:
    """Load the policy *text*."""
    policy = Policy.parse(text)
    with Xdp(policy) as xdp:
        yield Executors(policy, xdp)
