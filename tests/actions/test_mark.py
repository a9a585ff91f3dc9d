"""Marks and priorities of packets that leave, by the model and the program."""

# ruff: noqa: S311 - a seed, so that it fails again
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Self

import pytest

from harness.chance import Aim, Maker, Shooter
from harness.frames import Arp, Eth, Fragment, Frame, Icmp, IPv4, IPv6, ServiceVlan, Tcp, Udp, Vlan
from harness.xdp import Xdp
from wirepath.actions import Action
from wirepath.actions.count import Count
from wirepath.actions.mark import Mark, Priority
from wirepath.actions.placed import Placed
from wirepath.errors import PolicyError
from wirepath.model import Model
from wirepath.net import Hook
from wirepath.policy import Policy

HOOKS: tuple[Hook, ...] = ("tc_ingress", "egress")
_MOST = (1 << 32) - 1
_SHOT = 2  # TC_ACT_SHOT


def rule(keys: str, match: str = "", name: str = "a", hook: str = '"egress"') -> str:
    matching = f"match = {{ {match} }}\n" if match else ""
    return f'[[rule]]\nname = "{name}"\nhook = {hook}\n{matching}{keys}\n'


def rules(*parts: tuple[str, str]) -> str:
    return "".join(rule(keys, match, name=f"r{n}") for n, (keys, match) in enumerate(parts))


@pytest.mark.parametrize(
    ("keys", "action", "words", "written"),
    [
        ("mark = 0", Mark(0), "mark 0x0", {"mark": 0}),
        ("mark = 7", Mark(7), "mark 0x7", {"mark": 7}),
        ('mark = "0x7"', Mark(7), "mark 0x7", {"mark": 7}),
        ('mark = "0XffFF"', Mark(0xFFFF), "mark 0xffff", {"mark": 65535}),
        ("mark = 0x10", Mark(16), "mark 0x10", {"mark": 16}),
        (f"mark = {_MOST}", Mark(_MOST), "mark 0xffffffff", {"mark": _MOST}),
        ('mark = "0x776a0000"', Mark(0x776A0000), "mark 0x776a0000", {"mark": 0x776A0000}),
        ("priority = 0", Priority(0), "priority 0", {"priority": 0}),
        ("priority = 6", Priority(6), "priority 6", {"priority": 6}),
        ('priority = "1:10"', Priority(0x10010), "priority 1:10", {"priority": "1:10"}),
        ('priority = "8001:0"', Priority(0x80010000), "priority 8001:0", {"priority": "8001:0"}),
        ('priority = "0:6"', Priority(6), "priority 6", {"priority": 6}),
        ('priority = "fF:A"', Priority(0xFF000A), "priority ff:a", {"priority": "ff:a"}),
        ("priority = 65552", Priority(0x10010), "priority 1:10", {"priority": "1:10"}),
    ],
)  # fmt: skip
def test_read_and_told(keys: str, action: Mark, words: str, written: dict[str, object]) -> None:
    policy = Policy.parse(rule(keys))
    assert policy.rules[0].action == action
    assert type(policy.rules[0].action) is type(action)
    assert (action.describe(), action.document()) == (words, written)
    assert action.lower(Placed()) == {"value": action.value}
    assert Policy.from_document(policy.document()) == policy


_NO_MARK = 'not a mark (write a number from 0 to 4294967295, or "0x7")'
_NO_PRIORITY = (
    'not a priority (write a number from 0 to 4294967295, or a class of tc such as "1:10")'
)
_OURS = "wirepath marks copies so (write another than 0x77690000 to 0x7769ffff)"
_XDP = 'does not work there: XDP has no skb (write hook = ["tc_ingress", "egress"])'


@pytest.mark.parametrize(
    ("keys", "hook", "message"),
    [
        ("mark = -1", '"egress"', f"mark: -1: {_NO_MARK}"),
        (f"mark = {_MOST + 1}", '"egress"', f"mark: {_MOST + 1}: {_NO_MARK}"),
        ("mark = true", '"egress"', f"mark: true: {_NO_MARK}"),
        ('mark = "7"', '"egress"', f'mark: "7": {_NO_MARK}'),
        ('mark = "0x123456789"', '"egress"', f'mark: "0x123456789": {_NO_MARK}'),
        ('mark = "0x77690040"', '"egress"', f"mark: 2003370048: {_OURS}"),
        ('priority = "1:"', '"egress"', f'priority: "1:": {_NO_PRIORITY}'),
        ('priority = ":10"', '"egress"', f'priority: ":10": {_NO_PRIORITY}'),
        ('priority = "1:10000"', '"egress"', f'priority: "1:10000": {_NO_PRIORITY}'),
        ('priority = "high"', '"egress"', f'priority: "high": {_NO_PRIORITY}'),
        ("priority = 1.5", '"egress"', f"priority: 1.5: {_NO_PRIORITY}"),
        ("mark = 7", '"ingress"', f'hook: "ingress": `mark` {_XDP}'),
        ('priority = "1:10"', '["ingress", "egress"]', f'hook: "ingress": `priority` {_XDP}'),
        (
            "mark = 7\npriority = 1",
            '"egress"',
            "priority: a second action (one a rule: `mark` is there; write two rules)",
        ),
    ],
)
def test_refused(keys: str, hook: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(rule(keys, hook=hook))
    [problem] = caught.value.problems
    assert f"{problem.key}: {problem.message}" == f"rule.a.{message}"


class Marker:
    """A policy at one hook; model and program must agree on a frame's mark and priority."""

    def __init__(self, policy: Policy, hook: Hook) -> None:
        self.xdp = Xdp(policy, hook=hook)
        self.model = Model(self.xdp.policy, hook=hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.xdp.close()

    def __call__(self, frame: bytes, **known: int) -> dict[str, int]:
        # In a test run the mark of the skb gives the length of the frame.
        before = {"mark": len(frame), "priority": 3}
        ran = self.xdp.generation.program.skb_run(frame, **before, **known)
        decision = self.model.decide(frame)
        assert (ran.retval == _SHOT) == (decision.verdict.verdict == "drop")
        assert ran.frame == frame
        said = {name: decision.leaves_with[name] for name in before if name in decision.leaves_with}
        assert {"mark": ran.mark, "priority": ran.priority} == before | said
        return said


_KINDS: list[Frame] = [
    IPv4() / Tcp(),
    IPv4(options=bytes(8)) / Udp(),
    IPv4(more=True) / Udp() / bytes(64),
    IPv4(proto=17, offset=1480) / bytes(64),
    IPv4() / Icmp(),
    IPv6() / Tcp(),
    IPv6() / Fragment(offset=1448, next=17) / bytes(64),
]


@pytest.mark.kernel
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("value", [0, 1, 7, 0x80000000, _MOST])
def test_every_kind_of_packet(hook: Hook, value: int) -> None:
    both = rules((f"mark = {value}", ""), (f"priority = {value}", ""))
    with Marker(Policy.parse(both), hook) as marker:
        for kind in _KINDS:
            for under in (Eth(), Eth() / Vlan(5, pcp=3), Eth() / ServiceVlan(7) / Vlan(9)):
                assert marker(bytes(under / kind)) == {"mark": value, "priority": value}
        large = bytes(Eth() / IPv4() / Tcp(flags="A") / bytes(2800))
        assert marker(large, gso_segs=2) == {"mark": value, "priority": value}


SSH, WEB, DNS = IPv4() / Tcp(dport=22), IPv6() / Tcp(dport=443), IPv4() / Udp(dport=53)


@pytest.mark.kernel
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("text", "packet", "leaves_with"),
    [
        (rules(("mark = 7", "dport = 22")), SSH, {"mark": 7}),
        (rules(("mark = 7", "dport = 22")), WEB, {}),
        (rules(('priority = "1:10"', "dport = 22")), SSH, {"priority": 0x10010}),
        # A later rule overrides an earlier one; the other of the two stays.
        (rules(("mark = 7", ""), ("mark = 8", "dport = 22")), SSH, {"mark": 8}),
        (rules(("mark = 7", ""), ("mark = 8", "dport = 22")), WEB, {"mark": 7}),
        (
            rules(("mark = 7", ""), ('priority = "2:1"', ""), ("mark = 9", "")),
            DNS,
            {"mark": 9, "priority": 0x20001},
        ),
        # Rules after a verdict have no effect.
        (rules(("mark = 7", ""), ('action = "pass"', ""), ("mark = 8", "")), SSH, {"mark": 7}),
        (rules(("mark = 7", ""), ('action = "drop"', "")), WEB, {}),
        # Frames that are not IP, and management, pass before any rule.
        (rules(("mark = 7", "")), Arp(), {}),
        ('[datapath]\nnever_block = ["192.0.2.7"]\n' + rules(("mark = 7", "")),
         IPv4(src="192.0.2.7") / Tcp(), {}),
        # With actions of other kinds, whose structs are in maps of their own.
        (
            rules(("mark = 1", "dport = 1"), ('dscp = "CS0"', ""), ("priority = 5", ""),
                  ('limit = { rate = "9/s", per = "src" }', ""), ("mark = 6", "")),
            IPv4() / Udp(dport=53),
            {"mark": 6, "priority": 5},
        ),
    ],
)  # fmt: skip
def test_walks(hook: Hook, text: str, packet: Frame, leaves_with: dict[str, int]) -> None:
    frame = bytes(Eth() / packet)
    with Marker(Policy.parse(text), hook) as marker:
        assert marker(frame) == leaves_with


@pytest.mark.kernel
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("seed", range(4))
def test_by_chance(seed: int, hook: Hook) -> None:
    """Random policies of many rules, in which rules without a verdict set marks and priorities."""
    random = Random(seed)
    policy = Maker(random, deciding=0.3).policy(rules=60)

    def saying(action: Action) -> Action:
        kind = random.choice((Mark, Priority))
        return kind(random.getrandbits(30)) if isinstance(action, Count) else action

    said = tuple(replace(each, action=saying(each.action)) for each in policy.rules)
    shooter = Shooter(random, Aim.at(policy))
    with Marker(replace(policy, rules=said), hook) as marker:
        assert sum(bool(marker(frame)) for frame in passing(marker.model, shooter)) > 2


def passing(model: Model, shooter: Shooter) -> Iterable[bytes]:
    frames = (bytes(shooter.frame()) for _ in range(400))
    whole = (frame for frame in frames if 54 < len(frame) < 2000)
    return (frame for frame in whole if model.decide(frame).verdict.verdict == "pass")
