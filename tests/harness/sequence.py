"""Sequences of packets in time, judged under one policy by the model and by the program."""

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
    """A sequence of packets and the expected outcome of each.

    Attributes:
        id: the ID of the test.
        policy: TOML.
        moments: the packets with their times and outcomes, in order.
    """

    id: str
    policy: str
    moments: tuple[Moment, ...]

    def sent(self) -> list[Sent]:
        return [Sent(bytes(frame), now_ns=now) for now, frame, _ in self.moments]

    def outcomes(self) -> list[str]:
        return [outcome for _, _, outcome in self.moments]


def outcome(verdict: Verdict) -> str:
    """Give *verdict* as moments write it; a pass by default is just ``pass``."""
    if verdict == Verdict("pass", "default"):
        return "pass"
    return " ".join(filter(None, (verdict.reason, verdict.rule)))


class Executors:
    """A policy on both executors: the model and the program."""

    def __init__(self, policy: Policy, xdp: Xdp) -> None:
        self.model = Expected(Model(policy, secret=SECRET[:2]))
        self.xdp = xdp

    def judge(self, sent: Iterable[Sent]) -> list[Verdict]:
        """Judge a frame by the program; the model must agree."""
        frames = list(sent)
        said, did = self.model.judge(frames), self.xdp.judge(frames)
        assert did == said
        assert self.xdp.counted() == self.model.counted()
        return did


@contextmanager
def executors(text: str) -> Iterator[Executors]:
    """Load the policy *text* into both executors."""
    policy = Policy.parse(text)
    with Xdp(policy) as xdp:
        yield Executors(policy, xdp)
