"""Links without Ethernet headers: the case table with frames that begin with IP."""

from dataclasses import replace

import pytest

from cases import CASES, Case
from harness.frames import Eth, IPv4, IPv6, Tcp, Udp
from harness.xdp import Expected, Sent, Xdp, disagreements
from wirepath.model import Model
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

_ETHERNET = 14
_SHORTEST = 14  # that a test run takes
_IP = (b"\x08\x00", b"\x86\xdd")


def bare(case: Case) -> Case | None:
    """Take the Ethernet header off; None where there is more than that, or less than IP."""
    if case.frame[12:14] not in _IP or len(case.frame) < _ETHERNET + _SHORTEST:
        return None
    if case.frame[_ETHERNET] >> 4 not in (4, 6) or "length" in case.policy:
        return None
    wire = None if case.wire_bytes is None else case.wire_bytes - _ETHERNET
    return replace(case, frame=case.frame[_ETHERNET:], wire_bytes=wire)


BARE = [found for case in CASES if (found := bare(case))]
POLICIES = sorted({case.policy for case in BARE})[::4]


def test_the_model_says_of_a_bare_packet_what_it_says_of_its_frame() -> None:
    said = 0
    for case in BARE:
        model = Model(Policy.parse(case.policy), bans=case.bans, link="ip")
        decision = model.decide(case.frame, case.now_ns, case.wire_bytes)
        if case.fault not in ("ethernet", "vlan_depth", "ipv4_header", "ipv6_header"):
            assert (decision.verdict.verdict, decision.verdict.reason) == (
                case.verdict,
                case.reason,
            ), case.id
            said += 1
    assert said > 200


@pytest.mark.parametrize("hook", HOOKS)
def test_programs_agree_with_the_model(hook: Hook) -> None:
    frames = [Sent(case.frame, case.wire_bytes, case.now_ns) for case in BARE]
    for text in POLICIES:
        with Xdp(Policy.parse(text), hook=hook, link="ip") as program:
            model = Model(program.policy, hook=hook, link="ip")
            assert disagreements(program, Expected(model), frames) == [], text


@pytest.mark.parametrize("hook", HOOKS)
def test_addresses_that_look_like_ethertypes(hook: Hook) -> None:
    """Read as Ethernet, sources such as these would be VLAN tags and IP inside of IP."""
    text = (
        '[[rule]]\nname = "bad"\naction = "drop"\n'
        'match = { src = ["8.0.0.0/16", "134.221.0.0/16", "129.0.0.0/16", "2001:db8:800::/48"] }\n'
    )
    packets = [
        IPv4(src="8.0.69.0") / Udp(dport=53),
        IPv4(src="134.221.0.2") / Tcp(dport=443),
        IPv4(src="129.0.8.0") / Udp(dport=53),
        IPv6(src="2001:db8:800::1") / Udp(dport=53),
        IPv4(src="192.0.2.1") / Udp(dport=53),
    ]
    sent = [Sent(bytes(Eth() / packet)[_ETHERNET:]) for packet in packets]
    with Xdp(Policy.parse(text), hook=hook, link="ip") as program:
        verdicts = [verdict.verdict for verdict in program.judge(sent)]
    assert verdicts == ["drop"] * 4 + ["pass"]


@pytest.mark.parametrize("hook", HOOKS)
def test_ip_with_an_ethernet_header(hook: Hook) -> None:
    """It is told apart from what is not IP."""
    frames = [
        Sent(bytes(Eth() / IPv4() / Udp() / bytes(20))),
        Sent(bytes(Eth() / IPv6() / Tcp())),
        Sent(bytes(Eth(0x88B5) / bytes(46))),
    ]
    with Xdp(Policy.parse('[[rule]]\nname = "all"\n'), hook=hook, link="ip") as program:
        model = Model(program.policy, hook=hook, link="ip")
        assert disagreements(program, Expected(model), frames) == []
        assert [each.reason for each in program.judge(frames)] == ["misread", "misread", "not_ip"]
