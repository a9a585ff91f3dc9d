"""What a case is, and the short hand for writing many of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.frames import Frame, Layer
from wirepath.net import Ban, Fault, Reason, VerdictName


@dataclass(frozen=True)
class Case:
    """A frame under a policy.

    Attributes:
        id: unique; what the test is called.
        policy: TOML, with sets that need no files.
        frame: as captured.
        verdict, reason, rule, fault: what must come out; as in wirepath.net.Verdict.
        wire_bytes: if a snap length cut the frame; None otherwise.
        bans: in the ban table; expiry is on the clock of now_ns.
        now_ns: the clock.
    """

    id: str
    policy: str
    frame: bytes
    verdict: VerdictName
    reason: Reason
    rule: str | None = None
    fault: Fault | None = None
    wire_bytes: int | None = None
    bans: tuple[Ban, ...] = ()
    now_ns: int = 0


def rule(name: str, match: str = "", action: str | None = "drop") -> str:
    """One ``[[rule]]``; *match* is the inside of the braces."""
    lines = ["[[rule]]", f'name = "{name}"', f"match = {{ {match} }}"]
    return "\n".join([*lines, f'action = "{action}"\n' if action else ""])


def policy(*parts: str) -> str:
    """A policy of *parts*."""
    return "\n".join(parts)


Row = tuple[str, Frame | Layer | bytes, str | None]


def decided(group: str, text: str, rows: Iterable[Row]) -> list[Case]:
    """Cases whose third column is the dropping rule, or None for pass by default."""
    return [
        Case(f"{group}-{name}", text, bytes(frame), "drop", "rule", dropped)
        if dropped
        else Case(f"{group}-{name}", text, bytes(frame), "pass", "default")
        for name, frame, dropped in rows
    ]


ANY = policy(rule("any"))
"""Drops whatever is IP, so that a drop by ``any`` means: it parsed."""
