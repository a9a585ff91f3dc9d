"""How fast a capture is judged by the real program."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import rulesets
from results import Row, Table, timed
from wirepath import judge
from wirepath.pcap import CaptureWriter, read_capture
from wirepath.policy import Policy

_FRAMES: Final = 300_000
_RULES: Final = 100
_GOAL: Final = 300_000  # frames/s


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure reading, judging and counting, without starting Python."""
    rules = rulesets.draw("realistic", _RULES)
    policy = directory / "replay.toml"
    policy.write_text(rulesets.wirepath_policy(rules))
    file = directory / "replay.pcap"
    _write(file, rulesets.packets(rules, _FRAMES))
    rates = [
        _FRAMES / timed(lambda: _replay(policy, file)) for _ in range(max(3, repetitions // 3))
    ]
    row = Row(
        "frames", median(rates), "frames/s", min(rates), max(rates), None, _GOAL, at_least=True
    )
    yield Table(f"replay of {_FRAMES:,} frames by {_RULES} rules", [row])


def _replay(policy: Path, file: Path) -> None:
    with read_capture(file) as capture:
        judge.replay(Policy.load(policy), capture)


def _write(file: Path, frames: list[bytes]) -> None:
    with CaptureWriter(file) as capture:
        for number, frame in enumerate(frames):
            capture.write(number * 1_000, frame)
