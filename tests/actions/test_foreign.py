"""Frames for other hosts' MACs: rules see them, and nothing is answered, limited or banned."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.frames import Eth, Frame, IPv4, IPv6, Tcp, Udp
from harness.sequence import executors, outcome
from harness.wireguard import INITIATION, message
from harness.xdp import SECRET, Expected, Sent, Xdp
from wirepath.model import Model
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

BANNING = """
[[rule]]
name = "few"
match = { proto = "udp" }
limit = { rate = "1/h", burst = 2, per = "src", ban = "1h" }
"""
_UDP = Eth() / IPv4(src="198.51.100.7") / Udp(dport=53)
_UDP6 = Eth() / IPv6(src="2001:db8::7") / Udp(dport=53)
_SYN = Eth() / IPv4(src="198.51.100.7") / Tcp(flags="S", dport=80)


def foreign(frame: Frame, count: int = 1) -> list[Sent]:
    return [Sent(bytes(frame), foreign=True)] * count


def ours(frame: Frame, count: int = 1) -> list[Sent]:
    return [replace(each, foreign=False) for each in foreign(frame, count)]


def outcomes(text: str, frames: list[Sent]) -> Iterator[str]:
    with executors(text) as both:
        yield from map(outcome, both.judge(frames))


@pytest.mark.parametrize("frame", [_UDP, _UDP6], ids=["ipv4", "ipv6"])
def test_they_use_up_no_limit_and_ban_no_sender(frame: Frame) -> None:
    sent = [*foreign(frame, 9), *ours(frame, 2), *foreign(frame, 2), *ours(frame, 2)]
    assert list(outcomes(BANNING, sent)) == [
        *["pass"] * 13, "limit_exceeded few", "banned few",
    ]  # fmt: skip


def test_bans_in_force_hold_for_them() -> None:
    sent = [*ours(_UDP, 3), *foreign(_UDP)]
    assert list(outcomes(BANNING, sent))[2:] == ["limit_exceeded few", "banned few"]


def test_judge_treats_them_as_ours() -> None:
    text = '[datapath]\nforeign_frames = "judge"\n' + BANNING
    sent = [*foreign(_UDP, 2), *ours(_UDP)]
    assert list(outcomes(text, sent)) == ["pass", "pass", "limit_exceeded few"]


def test_nothing_answers_them() -> None:
    """A rejected frame is dropped in silence, without use of the limit of answers."""
    text = '[[rule]]\nname = "no"\nmatch = {{ dport = 80 }}\nreject = {{ rate = "1/h" }}\n{}'
    with executors(text.format("")) as both:
        judged = both.judge([*foreign(_SYN, 3), *ours(_SYN)])
    assert [(v.verdict, v.reason) for v in judged] == [*[("drop", "reject")] * 3, ("tx", "reject")]


def test_they_are_not_challenged() -> None:
    """Nor do they count towards the rate above which SYNs are challenged."""
    text = """
    [[rule]]
    name = "prove"
    match = { proto = "tcp", dport = 80 }
    challenge = { mode = "reset", above = "2/h" }
    """
    sent = [*foreign(_SYN, 5), *ours(_SYN, 3), *foreign(_SYN)]
    assert list(outcomes(text, sent)) == [*["pass"] * 7, "challenge prove", "pass"]


def test_their_handshakes_are_not_remembered() -> None:
    text = """
    [[rule]]
    name = "wg"
    match = { proto = "udp", dport = 51820 }
    wireguard = { handshakes = "1/s" }
    """
    head = Eth() / IPv4(src="198.51.100.7") / Udp(dport=51820)
    hello, junk = head / message(INITIATION), head / bytes(9)
    sent = [*foreign(hello, 3), *foreign(junk), *ours(hello, 2), *ours(junk)]
    assert list(outcomes(text, sent)) == [*["pass"] * 5, "wireguard wg", "wireguard wg"]


def test_plain_rules_see_them() -> None:
    text = BANNING + '[[rule]]\nname = "no"\nmatch = { proto = "udp" }\naction = "drop"\n'
    assert list(outcomes(text, foreign(_UDP, 4))) == ["rule no"] * 4


@pytest.mark.parametrize("hook", HOOKS)
def test_at_every_hook(hook: Hook) -> None:
    """What leaves is ours, whatever the other host's MAC: at egress they are limited."""
    policy = Policy.parse(BANNING)
    with Xdp(policy, hook=hook) as program:
        model = Expected(Model(program.policy, secret=SECRET[:2], hook=hook))
        sent = [*foreign(_UDP, 4), *ours(_UDP, 2)]
        judged = program.judge(sent)
        assert judged == model.judge(sent)
        assert program.counted() == model.counted()
    left_out = [*["pass"] * 6]
    limited = ["pass", "pass", "limit_exceeded few", *["banned few"] * 3]
    assert [outcome(each) for each in judged] == (limited if hook == "egress" else left_out)
