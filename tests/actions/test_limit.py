"""Limits: rates, bursts, keys and bans, on a simulated clock."""

# ruff: noqa: S311 - a seed, so that it fails again
from dataclasses import replace as replace_
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.frames import Eth, Frame, IPv4, IPv6, Tcp, Udp, Vlan
from harness.sequence import Moment, Sequence, executors, outcome
from harness.xdp import Sent
from wirepath import judge
from wirepath.model import Model
from wirepath.pcap import CaptureWriter, read_capture
from wirepath.policy import Policy

S = 1_000_000_000
MIN = 60 * S


def limited(limit: str, match: str = "", *rest: str) -> str:
    return f'[[rule]]\nname = "slow"\nmatch = {{ {match} }}\nlimit = {{ {limit} }}\n' + "\n".join(
        rest
    )


def udp(src: str = "198.51.100.1", dport: int = 80, **more: Any) -> Frame:
    ip = IPv6(src=src, **more) if ":" in src else IPv4(src=src, **more)
    return Eth() / ip / Udp(dport=dport)


def times(frame: Frame, *moments: tuple[int, str]) -> tuple[Moment, ...]:
    return tuple((now, frame, said) for now, said in moments)


_OVER = "limit_exceeded slow"
_A, _B = udp(), udp("198.51.100.2")
_SYN = Eth() / IPv4(src="198.51.100.1") / Tcp(dport=22, flags="S")

SEQUENCES = [
    Sequence(
        "a-burst-at-once",
        limited('rate = "3/s", per = "src"'),
        (*times(_A, (5, "pass"), (5, "pass"), (5, "pass"), (5, _OVER)), (5, _B, "pass")),
    ),
    Sequence(
        "refill-to-the-nanosecond",
        limited('rate = "10/s", burst = 1, per = "src"'),
        times(
            _A, (0, "pass"), (S // 10 - 1, _OVER), (S // 10, "pass"), (S // 5 - 1, _OVER),
            (S // 5, "pass"), (10 * S, "pass"), (10 * S, _OVER),
        ),
    ),
    Sequence(
        "no-edge-of-a-window-passes-twice",
        limited('rate = "4/s", per = "src"'),
        times(
            _A, *[(S - 1, "pass")] * 4, (S - 1, _OVER), (S, _OVER), (S + 1, _OVER),
            (S + S // 4 - 1, "pass"), (S + S // 4, _OVER),
        ),
    ),
    Sequence(
        "minutes",
        limited('rate = "5/min", per = "src"'),
        times(_A, *[(0, "pass")] * 5, (0, _OVER), (12 * S - 1, _OVER), (12 * S, "pass")),
    ),
    Sequence(
        "hours",
        limited('rate = "2/h", per = "src"'),
        times(_A, *[(0, "pass")] * 2, (0, _OVER), (30 * MIN - 1, _OVER), (30 * MIN, "pass")),
    ),
    Sequence(
        "what-exceeds-takes-nothing-up",
        limited('rate = "1/s", per = "src"'),
        times(_A, (0, "pass"), *[(S // 2, _OVER)] * 9, (S, "pass")),
    ),
    Sequence(
        "what-conforms-goes-on",
        limited('rate = "1/s", per = "src"', "", '[[rule]]\nname = "end"\naction = "drop"'),
        times(_A, (0, "rule end"), (0, _OVER), (S, "rule end")),
    ),
    Sequence(
        "one-after-the-other",
        limited('rate = "2/s", per = "src"')
        + '[[rule]]\nname = "slower"\nlimit = { rate = "1/s", per = "src" }',
        times(_A, (0, "pass"), (0, "limit_exceeded slower"), (0, _OVER)),
    ),
    Sequence(
        "per-src-by-64-in-ipv6",
        limited('rate = "1/s", per = "src"'),
        (
            (0, udp("2001:db8::1"), "pass"), (0, udp("2001:db8::2"), _OVER),
            (0, udp("2001:db8::ffff:1"), _OVER), (0, udp("2001:db8:0:1::1"), "pass"),
        ),
    ),
    Sequence(
        "per-src-24",
        limited('rate = "1/s", per = "src/24"'),
        (
            (0, udp("198.51.100.1"), "pass"), (0, udp("198.51.100.255"), _OVER),
            (0, udp("198.51.101.1"), "pass"), (0, udp("2001:db8::1"), "pass"),
            (0, udp("2001:db8::2"), _OVER),
        ),
    ),
    Sequence(
        "per-src6-128",
        limited('rate = "1/s", per = "src6/128"'),
        (
            (0, udp("2001:db8::1"), "pass"), (0, udp("2001:db8::2"), "pass"),
            (0, udp("2001:db8::2"), _OVER), (0, _A, "pass"), (0, _B, "pass"),
        ),
    ),
    Sequence(
        "per-dst",
        limited('rate = "1/s", per = "dst"'),
        (
            (0, udp(dst="192.0.2.1"), "pass"), (0, udp("10.0.0.1", dst="192.0.2.1"), _OVER),
            (0, udp(dst="192.0.2.2"), "pass"), (0, udp("2001:db8::1", dst="2001:db8:1::1"), "pass"),
            (0, udp("2001:db8::1", dst="2001:db8:1::2"), "pass"),
            (0, udp("2001:db8::2", dst="2001:db8:1::2"), _OVER),
        ),
    ),
    Sequence(
        "per-src-and-dport",
        limited('rate = "1/s", per = "src+dport"'),
        (
            (0, udp(dport=53), "pass"), (0, udp(dport=54), "pass"), (0, udp(dport=53), _OVER),
            (0, udp("10.0.0.1", dport=53), "pass"),
            (0, Eth() / IPv4(src="198.51.100.1") / Tcp(dport=53), _OVER),
        ),
    ),
    Sequence(
        "per-dport",
        limited('rate = "1/s", per = "dport"'),
        ((0, udp(dport=53), "pass"), (0, udp("10.0.0.1", dport=53), _OVER), (0, _A, "pass")),
    ),
    Sequence(
        "per-rule",
        limited('rate = "2/s", per = "rule"'),
        ((0, _A, "pass"), (0, udp("2001:db8::1"), "pass"), (0, _B, _OVER), (S // 2, _B, "pass")),
    ),
    Sequence(
        "only-what-matches",
        limited('rate = "1/s", per = "src"', "dport = 53"),
        ((0, udp(dport=53), "pass"), (0, udp(dport=54), "pass"), (0, udp(dport=53), _OVER)),
    ),
    Sequence(
        "tags-and-fragments",
        limited('rate = "2/s", per = "src"'),
        (
            (0, Eth() / Vlan() / IPv4(src="10.0.0.1") / Udp(), "pass"),
            (0, Eth() / IPv4(src="10.0.0.1", offset=8) / bytes(8), "pass"),
            (0, Eth() / IPv4(src="10.0.0.1", options=bytes(4)) / Udp(), _OVER),
        ),
    ),
    Sequence(
        "bits",
        # 8,000 bits a second, and a burst of two frames of 1,514 bytes.
        limited('rate = "8kbit", burst = "3028byte", per = "src"'),
        times(
            Eth() / IPv4(src="10.0.0.1") / Udp() / bytes(1472),
            (0, "pass"), (0, "pass"), (0, _OVER), (1514 * S // 1000 - 1, _OVER),
            (1514 * S // 1000, "pass"),
        ),
    ),
    Sequence(
        "exact",
        limited('rate = "1/s", burst = 2, per = "src", exact = true'),
        (
            *times(_A, (0, "pass"), (0, "pass"), (0, _OVER), (S - 1, _OVER), (S, "pass")),
            (0, _B, "pass"),
        ),
    ),
    Sequence(
        "six-attempts-at-ssh",
        limited(
            'rate = "5/min", per = "src", ban = "5min"',
            'proto = "tcp", dport = 22, tcp_flags = "syn"',
        ),
        (
            *times(_SYN, *[(n * S, "pass") for n in range(5)], (5 * S, _OVER)),
            (5 * S, _SYN, "banned slow"), (5 * S, _A, "banned slow"), (5 * S, _B, "pass"),
            (305 * S - 1, _SYN, "banned slow"), (305 * S, _SYN, "pass"),
        ),
    ),
    Sequence(
        "a-ban-in-ipv6-is-for-the-64",
        limited('rate = "1/s", per = "src", ban = "1min"'),
        (
            (0, udp("2001:db8::1"), "pass"), (0, udp("2001:db8::2"), _OVER),
            (0, udp("2001:db8::3"), "banned slow"), (0, udp("2001:db8:0:1::1"), "pass"),
        ),
    ),
    Sequence(
        "a-ban-of-a-24",
        limited('rate = "1/s", per = "src/24", ban = "1min"'),
        (
            (0, udp("10.0.0.1"), "pass"), (0, udp("10.0.0.2"), _OVER),
            (0, udp("10.0.0.3"), "banned slow"), (0, udp("10.0.1.1"), "pass"),
        ),
    ),
    Sequence(
        "a-ban-for-one-rule",
        limited('rate = "1/s", per = "src", ban = "1min", ban_scope = "rule"', "dport = 53"),
        (
            (0, udp(dport=53), "pass"), (0, udp(dport=53), _OVER),
            (1, udp(dport=53), "banned slow"), (1, udp(dport=54), "pass"),
            (30 * S, udp(dport=53), "banned slow"), (60 * S, udp(dport=53), "pass"),
        ),
    ),
    Sequence(
        "management-is-never-banned",
        '[datapath]\nnever_block = ["10.0.0.1"]\n'
        + limited('rate = "1/s", per = "src", ban = "1min"'),
        times(udp("10.0.0.1"), *[(0, "never_block")] * 3),
    ),
]  # fmt: skip


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_model(sequence: Sequence) -> None:
    model = Model(Policy.parse(sequence.policy))
    judged = [model.decide(sent.data, sent.now_ns).verdict for sent in sequence.sent()]
    assert list(map(outcome, judged)) == sequence.outcomes()


# When the first packet comes. Times in cells wrap every 2^48 ns: just before that, at it, and
# at the time of day of a capture.
_BEGINS = (0, (1 << 48) - S // 4, (1 << 48) - 20 * 3600 * S, 1_795_000_000 * S)


@pytest.mark.kernel
@pytest.mark.parametrize("begin", _BEGINS, ids=["zero", "wrap", "before-wrap", "capture"])
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_program(sequence: Sequence, begin: int) -> None:
    with executors(sequence.policy) as both:
        sent = [replace_(each, now_ns=begin + each.now_ns) for each in sequence.sent()]
        assert list(map(outcome, both.judge(sent))) == sequence.outcomes()


_HOUR = 60 * MIN
_YEAR = 365 * 24 * _HOUR


@pytest.mark.kernel
@pytest.mark.parametrize("more", ["", ", exact = true"])
@pytest.mark.parametrize(
    "limit", ['rate = "3/s", per = "src"', 'rate = "1/h", burst = 24, per = "src", ban = "1s"']
)
def test_a_source_that_comes_back_after_days(limit: str, more: str) -> None:
    """At any age, a source has its full burst again once its time has passed."""
    policy = limited(limit + more)
    burst = Policy.parse(policy).rules[0].action.limits[""].burst
    hours = [*range(25, 480), 500, 24 * 365, 24 * 365 * 9]
    sequence = times(_A, *[(S, "pass")] * burst, (S, _OVER))
    with executors(policy) as both:
        now = 0
        for hour in hours:
            now += hour * _HOUR
            sent = [Sent(bytes(frame), now_ns=now + at) for at, frame, _ in sequence]
            assert list(map(outcome, both.judge(sent))) == [said for *_, said in sequence]


@pytest.mark.kernel
@pytest.mark.parametrize("idle", [0, 1, 17, 23, 40, 78, 80, 156, 24 * 365])
def test_what_others_left_in_a_bucket_is_forgotten_at_any_age(idle: int) -> None:
    """Time that crowds left in a bucket passes as well, whether their keys return or not."""
    policy = limited('rate = "1/h", burst = 24, per = "src", keys = 1')
    crowd = [udp(f"203.0.113.{host}") for host in range(32)]
    with executors(policy) as both:
        begin = _YEAR
        for _ in range(24):
            both.xdp.judge([Sent(bytes(frame), now_ns=begin) for frame in crowd])
        now = begin + (24 + idle) * _HOUR
        did = both.xdp.judge([Sent(bytes(_A), now_ns=now)] * 25)
        assert list(map(outcome, did)) == ["pass"] * 24 + [_OVER]


@pytest.mark.kernel
@pytest.mark.parametrize("more", ["", ", exact = true"])
@pytest.mark.parametrize("back", [1, S, MIN, _HOUR, 30 * _HOUR, 90 * _HOUR, _YEAR])
def test_a_clock_that_steps_back_leaves_no_more_than_a_burst_to_wait_for(
    back: int, more: str
) -> None:
    policy = limited('rate = "1/s", burst = 3, per = "src"' + more)
    now = 2 * _YEAR
    later = now - back
    moments = [*[now] * 4, *[later] * 2, later + S, later + S, later + 3 * S, later + 4 * S]
    with executors(policy) as both:
        did = both.judge([Sent(bytes(_A), now_ns=at) for at in moments])
    assert list(map(outcome, did)) == ["pass"] * 3 + [_OVER] * 3 + ["pass", _OVER, "pass", "pass"]


_PERS = ("src", "dst", "src/24", "src6/48", "src+dport", "src+dst", "dport", "rule", "sport")


def _policy(random: Random) -> str:
    rules = []
    for number in range(random.randint(1, 4)):
        per = random.choice(_PERS)
        options = [f'rate = "{random.choice((1, 3, 7))}/s"', f'per = "{per}"']
        if random.random() < 0.7:
            options.append(f"burst = {random.choice((1, 2, 5))}")
        if per.startswith("src") and random.random() < 0.4:
            scope = random.choice(("all", "rule"))
            options += [f'ban = "{random.choice((1, 3))}s"', f'ban_scope = "{scope}"']
        if random.random() < 0.3:
            options.append("exact = true")
        match = random.choice(("", 'proto = "udp"', "dport = 53", 'src = "10.0.0.0/8"'))
        rules.append(
            f'[[rule]]\nname = "r{number}"\nmatch = {{ {match} }}\n'
            f"limit = {{ {', '.join(options)} }}\n"
        )
    return "".join(rules)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(8))
def test_sequences_by_chance(seed: int) -> None:
    """Random sequences: few sources, so that they exceed, and time steps from zero to seconds."""
    random = Random(seed)
    hosts = [f"10.0.{n // 3}.{n}" for n in range(6)] + [f"2001:db8:{n // 2}::{n}" for n in range(5)]
    now, sent = random.choice(_BEGINS), []
    for _ in range(1500):
        now += random.choice((0, 0, 0, 1, S // 7, S // 3, S - 1, S))
        frame = udp(random.choice(hosts), random.choice((53, 54, 80)))
        sent.append(Sent(bytes(frame), now_ns=now))
    with executors(_policy(random)) as both:
        both.judge(sent)


@pytest.mark.kernel
def test_a_replay_bans_as_many_as_there_are(tmp_path: Path) -> None:
    policy = Policy.parse(limited('rate = "1/s", per = "src", ban = "1h"'))
    path = tmp_path / "many.pcap"
    with CaptureWriter(path) as writer:
        for nth in range(3):
            for host in range(200):
                writer.write(nth, bytes(udp(f"10.0.0.{host}")))
    with read_capture(path) as capture:
        by_program, by_model = (
            judge.replay(policy, capture, model=model) for model in (False, True)
        )
    assert by_program.judged == by_model.judged
    assert by_program.rules == by_model.rules
    assert dict(by_program.reasons) == {"default": 200, "limit_exceeded": 200, "banned": 200}
