"""The type of a case, and shorthands for writing many of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.frames import Frame, Layer
from wirepath.net import Ban, Fault, Reason, VerdictName


@dataclass(frozen=True)
class Case:
    """A frame under a policy, and the expected verdict.

    Attributes:
        id: the ID of the test; unique.
        policy: TOML, with sets that have no files.
        frame: the bytes, as captured.
        verdict, reason, rule, fault: the expected ones, as in `wirepath.net.Verdict`.
        wire_bytes: the length on the wire if a snap length cut the frame; None otherwise.
        bans: the bans in the table; expiry is on the clock of *now_ns*.
        now_ns: the time.
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
    """Write one ``[[rule]]``; *match* is the text inside the braces."""
    lines = ["[[rule]]", f'name = "{name}"', f"match = {{ {match} }}"]
    return "\n".join([*lines, f'action = "{action}"\n' if action else ""])


def policy(*parts: str) -> str:
    """Join *parts* to a policy."""
    return "\n".join(parts)


Row = tuple[str, Frame | Layer | bytes, str | None]


def decided(group: str, text: str, rows: Iterable[Row]) -> list[Case]:
    """Make cases of rows whose third column is the dropping rule, or None for pass by default."""
    return [
        Case(f"{group}-{name}", text, bytes(frame), "drop", "rule", dropped)
        if dropped
        else Case(f"{group}-{name}", text, bytes(frame), "pass", "default")
        for name, frame, dropped in rows
    ]


ANY = policy(rule("any"))
"""Drops whatever is IP, so that a drop by ``any`` means: it parsed."""
