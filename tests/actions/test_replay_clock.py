"""Captures whose clock does not run evenly: program and model judge them alike, and sensibly."""

# ruff: noqa: S311 - a seed, so that it fails again
from array import array
from collections.abc import Sequence
from random import Random

import pytest

from harness.frames import Eth, IPv4, Udp
from wirepath.judge import replay
from wirepath.pcap import Capture, Frame
from wirepath.pcap.steady import steady
from wirepath.policy import Policy

S = 1_000_000_000
_2026 = 1_795_000_000 * S
_FAR = (1 << 64) - 1
_LEAP = 1 << 58
_HOUR = 3600 * S
_FRAMES = [bytes(Eth() / IPv4(src=f"198.51.100.{host}") / Udp(dport=80)) for host in range(4)]

STEADY: dict[str, tuple[Sequence[int], Sequence[int]]] = {
    "none": ((), ()),
    "even": ((_2026, _2026, _2026 + 5), (_2026, _2026, _2026 + 5)),
    "no-times": ((0, 0, 0), (0, 0, 0)),
    "from-zero": ((0, 5, _2026), (0, 5, _2026)),
    "out-of-order": ((10 * S, 9 * S, 11 * S), (10 * S, 10 * S, 11 * S)),
    "set-back": (
        (10 * S, 9 * S - 1, 9 * S, 4 * S, 5 * S),
        (10 * S, 10 * S, 10 * S + 1, 10 * S + 1, 11 * S + 1),
    ),
    "a-frame-without-time": ((_2026, 0, _2026 + 7), (_2026, _2026, _2026 + 7)),
    "one-from-the-future": (
        (_2026, _FAR, _2026, _2026 + 9),
        (_2026, _2026 + _LEAP, _2026 + _LEAP, _2026 + _LEAP + 9),
    ),
    "from-the-future": ((_FAR - 3, _FAR, S, 2 * S), (0, 3, 3, S + 3)),
    "a-leap-of-a-year": ((0, _HOUR * 8760, 1), (0, _HOUR * 8760, _HOUR * 8760)),
}  # fmt: skip


@pytest.mark.parametrize("name", STEADY)
def test_steady(name: str) -> None:
    times, clock = STEADY[name]
    assert list(steady(array("Q", times))) == list(clock)


def test_the_clock_never_overflows() -> None:
    clock = steady(array("Q", [0, _FAR, *[1, _FAR] * 50]))
    assert list(clock) == sorted(clock)
    assert clock[-1] == (1 << 63) - 1


def _reasons(policy: str, frames: Sequence[tuple[int, int]]) -> list[str]:
    captured = [Frame(at, len(_FRAMES[host]), _FRAMES[host]) for at, host in frames]
    parsed = Policy.parse(policy)
    by_model, by_program = (
        replay(parsed, Capture.of(captured), model=model) for model in (True, False)
    )
    assert by_program.judged == by_model.judged
    assert by_program.rules == by_model.rules
    return [judged.reason for judged in by_program.judged]


def _limited(limit: str) -> str:
    return f'[[rule]]\nname = "slow"\nlimit = {{ {limit}, per = "src" }}\n'


_OVER = "limit_exceeded"


@pytest.mark.kernel
@pytest.mark.parametrize("more", ["", ", exact = true"])
def test_a_clock_that_was_set(more: str) -> None:
    """A limit goes on where it was after a step back, and time that was leapt over has passed."""
    policy = _limited('rate = "1/h", burst = 2' + more)
    past, later = _2026 - 50 * 365 * 24 * _HOUR, _2026 + 80 * _HOUR
    said = _reasons(policy, [(at, 0) for at in (
        _2026, _2026, _2026,        # a burst of two
        past, past + _HOUR,         # set back: nothing came back, and after an hour one
        0, later, later, later,     # without time, and 80 hours later than its own clock
        _FAR, _FAR, _FAR,
    )])  # fmt: skip
    assert said == ["default", "default", _OVER, _OVER, "default", _OVER] + [
        "default", "default", _OVER
    ] * 2  # fmt: skip


@pytest.mark.kernel
def test_a_ban_in_a_capture_whose_clock_was_set() -> None:
    policy = _limited('rate = "1/h", burst = 1, ban = "1h"')
    said = _reasons(policy, [(at, 0) for at in (
        _2026, _2026, _2026, S, S + _HOUR - 1, S + _HOUR, _FAR, _FAR, 5, 5 + _HOUR,
    )])  # fmt: skip
    assert said == [
        "default", _OVER, "banned", "banned", "banned", "default",
        "default", _OVER, "banned", "default",
    ]  # fmt: skip


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(6))
def test_clocks_by_chance(seed: int) -> None:
    random = Random(seed)
    at, frames = random.choice((0, 1, _2026, _FAR - 5 * S)), []
    for _ in range(1500):
        step = random.choice((0, 0, 1, S // 7, S, 59 * S, _HOUR, 30 * _HOUR, 80 * _HOUR))
        at = (at + random.choice((1, 1, 1, -1)) * step) % (1 << 64)
        at = random.choice((at,) * 30 + (0, _2026, _FAR, 1 << 62, 1 << 63))
        frames.append((at, random.randrange(len(_FRAMES))))
    _reasons(
        _limited('rate = "1/h", burst = 3')
        + _limited('rate = "1/s", burst = 2, exact = true').replace("slow", "exact")
        + _limited('rate = "1/min", burst = 2, ban = "3h"').replace("slow", "bans")
        + _limited('rate = "5/s", ban = "1min", ban_scope = "rule"').replace("slow", "scoped"),
        frames,
    )
