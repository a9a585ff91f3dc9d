"""Parts of the model beyond the case table: sets, bans and explanations as objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.frames import Eth, IPv4, IPv6, Proto, Tcp, Udp
from wirepath.explanation import explain, explain_by
from wirepath.frame import parse
from wirepath.model import Model, PrefixSet
from wirepath.net import HOOKS, Ban, Packet, Prefix, Verdict, parse_address
from wirepath.policy import Policy

POLICY = """
[datapath]
default = "drop"
never_block = ["192.0.2.0/28"]
[set.bad]
prefixes = ["198.51.100.0/24"]
[set.good]
prefixes = ["203.0.113.0/24", "2001:db8::/32"]
[[rule]]
name = "count"
[[rule]]
name = "bad"
match = { src = "@bad" }
action = "drop"
[[rule]]
name = "ssh"
match = { proto = "tcp", dport = 22, src = "@good" }
action = "pass"
[[rule]]
name = "ping"
match = { icmp_type = "echo-request" }
action = "pass"
[[rule]]
name = "to-v6"
match = { dst = "2001:db8:1::/48" }
action = "pass"
[[rule]]
name = "good"
match = { src = "@good", port = [80, 22] }
action = "pass"
"""

some_prefixes = st.builds(
    Prefix.around,
    st.integers(0, 255).map(lambda n: parse_address("10.0.0.0") + n),
    st.integers(110, 128),
)


@given(st.lists(some_prefixes, max_size=8), st.integers(0, 255))
def test_prefix_set_is_the_union_of_its_prefixes(found: list[Prefix], low: int) -> None:
    address = parse_address("10.0.0.0") + low
    assert (address in PrefixSet(found)) == any(address in prefix for prefix in found)


def test_prefix_set_changes() -> None:
    members = PrefixSet([Prefix.parse("10.0.0.0/8")])
    members.add(Prefix.parse("10.1.0.0/16"))
    assert len(members) == 2
    members.remove(Prefix.parse("10.0.0.0/8"))
    assert sorted(map(str, members)) == ["10.1.0.0/16"]
    assert parse_address("10.2.0.1") not in members
    with pytest.raises(KeyError):
        members.remove(Prefix.parse("10.0.0.0/8"))


def test_contents_of_files_come_from_outside(tmp_path: object) -> None:
    policy = Policy.from_document(
        {"set": {"x": {"files": ["/x"]}}, "rule": [{"name": "r", "match": {"src": "@x"}}]}
    )
    with pytest.raises(KeyError):
        Model(policy)
    model = Model(policy, {"x": PrefixSet([Prefix.parse("198.51.100.0/24")])})
    assert model.decide(bytes(Eth() / IPv4() / Udp())).matched == ("r",)


def test_packets_instead_of_frames() -> None:
    packet = parse(bytes(Eth() / IPv4(src="203.0.113.1") / Tcp(dport=22)))
    assert isinstance(packet, Packet)
    assert Model(Policy.parse(POLICY)).decide(packet).verdict.rule == "ssh"


def test_ban_that_says_who_banned() -> None:
    ban = Ban(Prefix.parse("198.51.100.0/24"), 10, rule="flood")
    model = Model(Policy.parse(POLICY), bans=[ban])
    decision = model.decide(bytes(Eth() / IPv4() / Udp()), 5)
    assert (decision.verdict.reason, decision.verdict.rule) == ("banned", "flood")
    assert model.ban(parse_address("198.51.100.9"), 9) == ban
    assert model.ban(parse_address("198.51.100.9"), 10) is None


def steps(address: str, **known: int) -> list[tuple[str, bool]]:
    found = explain_by(Model(Policy.parse(POLICY)), parse_address(address), **known)
    return [(step.rule.name, step.certain) for step in found.steps]


def test_explain_what_any_packet_may_meet() -> None:
    assert steps("198.51.100.1") == [("count", True), ("bad", True)]
    assert steps("203.0.113.1") == [
        ("count", True),
        ("ssh", False),
        ("ping", False),
        ("good", False),
    ]
    assert steps("2001:db8::1")[3] == ("to-v6", False)


def test_explain_what_a_packet_to_a_port_meets() -> None:
    assert steps("203.0.113.1", proto=6, dport=22) == [("count", True), ("ssh", True)]
    assert steps("203.0.113.1", proto=17, dport=22) == [("count", True), ("good", True)]
    assert steps("203.0.113.1", dport=22) == [("count", True), ("ssh", False), ("good", True)]
    assert steps("203.0.113.1", dport=23) == [("count", True), ("good", False)]
    assert steps("203.0.113.1", proto=47) == [("count", True)]
    assert steps("203.0.113.1", proto=1) == [("count", True), ("ping", False)]


def test_explain_verdict() -> None:
    model = Model(Policy.parse(POLICY))
    found = explain_by(model, parse_address("203.0.113.1"))
    assert found.sets == ("good",)
    assert (found.verdict.verdict, found.verdict.reason) == ("drop", "default")
    assert found.possible == {"pass", "drop"}
    assert found.steps[1].depends == ("proto tcp", "dport 22")
    bad = explain_by(model, parse_address("198.51.100.1"))
    assert (bad.verdict.verdict, bad.verdict.rule) == ("drop", "bad")
    assert bad.possible == {"drop", "pass"}  # its essentials pass
    assert explain_by(model, parse_address("198.51.100.1"), proto="tcp").possible == {"drop"}


def test_explain_later_fragments() -> None:
    text = '[datapath]\nfragments = "{}"\nnever_block = ["192.0.2.9"]\n'
    drops, passes = (Model(Policy.parse(text.format(each))) for each in ("drop", "pass"))
    address = parse_address("198.51.100.1")
    assert explain_by(passes, address).possible == {"pass"}
    assert explain_by(drops, address).possible == {"pass", "drop"}
    assert explain_by(drops, address, proto="tcp").possible == {"pass", "drop"}
    assert explain_by(drops, address, dport=22).possible == {"pass"}
    assert explain_by(drops, parse_address("192.0.2.9")).possible == {"pass"}


def test_explain_guard() -> None:
    ban = Ban(Prefix.parse("203.0.113.0/24"), 10)
    model = Model(Policy.parse(POLICY), bans=[ban])
    assert explain_by(model, parse_address("192.0.2.1")).verdict.reason == "never_block"
    banned = explain_by(model, parse_address("203.0.113.1"), now_ns=5)
    assert (banned.verdict.reason, banned.ban, banned.steps) == ("banned", ban, ())
    assert explain_by(model, parse_address("203.0.113.1"), now_ns=10).ban is None


def test_explain_document() -> None:
    document = explain_by(
        Model(Policy.parse(POLICY)), parse_address("203.0.113.1"), dport=22
    ).document()
    assert document == {
        "address": "203.0.113.1",
        "hook": "ingress",
        "sets": ["good"],
        "banned_by": None,
        "never_block": False,
        "rules": [
            {
                "name": "count",
                "match": "every ip packet",
                "action": "count",
                "certain": True,
                "depends": [],
            },
            {
                "name": "ssh",
                "match": "src @good, proto tcp, dport 22",
                "action": "pass",
                "certain": False,
                "depends": ["proto tcp"],
            },
            {
                "name": "good",
                "match": "src @good, port 80,22",
                "action": "pass",
                "certain": True,
                "depends": [],
            },
        ],
        "verdict": "pass",
        "reason": "rule",
        "rule": "good",
        "possible": ["pass"],
    }


@given(st.sampled_from([6, 17, 1, 47]), st.integers(0, 100), st.integers(0, 100))
def test_explain_agrees_with_decide(proto: int, sport: int, dport: int) -> None:
    """A certain step matches every such packet, and no packet matches a rule that is no step."""
    model = Model(Policy.parse(POLICY))
    source = parse_address("203.0.113.1")
    has_ports = proto in (6, 17)
    packet = Packet(
        frame_bytes=60,
        family=4,
        source=source,
        proto=proto,
        sport=sport if has_ports else None,
        dport=dport if has_ports else None,
        tcp_flags=2 if proto == 6 else None,
        icmp_type=8 if proto == 1 else None,
    )
    found = explain_by(model, source, proto=proto, dport=dport if has_ports else None)
    for rule in model.policy.rules:
        step = next((s for s in found.steps if s.rule is rule), None)
        if step and step.certain:
            assert rule.match.holds(packet, model.sets)
    decision = model.decide(packet)
    assert set(decision.matched) <= {step.rule.name for step in found.steps}
    assert decision.verdict.verdict in found.possible


def test_management_is_a_destination_only_at_egress() -> None:
    """Management is a destination at egress, so that it gets answers whatever the rules are."""
    policy = Policy.parse(
        '[datapath]\nnever_block = ["192.0.2.9"]\n[[rule]]\nname = "all"\naction = "drop"\n'
        'hook = ["ingress", "tc_ingress", "egress"]\n'
    )
    to, of = (bytes(Eth() / ip / Udp()) for ip in (IPv4(dst="192.0.2.9"), IPv4(src="192.0.2.9")))
    for hook in HOOKS:
        model = Model(policy, hook=hook)
        assert model.decide(of).verdict == Verdict("pass", "never_block")
        expected = Verdict("pass", "never_block") if hook == "egress" else None
        assert model.decide(to).verdict == (expected or Verdict("drop", "rule", rule="all"))


def test_nothing_holds_where_no_rule_stands() -> None:
    """Settings apply only at hooks with rules of the operator, and always at ingress."""
    strict = '[datapath]\ndefault = "drop"\nfragments = "drop"\n'
    match = 'name = "wg"\nmatch = { proto = "udp", dport = 51820 }'
    policy = Policy.parse(f"{strict}[[rule]]\n{match}\nwireguard = {{ indexes = true }}\n")
    assert policy.hooks == ("ingress", "egress")
    later = bytes(Eth() / IPv4(offset=1480, proto=17) / bytes(64))
    for frame in (bytes(Eth() / IPv4() / Tcp()), later, bytes(Eth() / IPv4(length=9000) / Udp())):
        assert Model(policy).decide(frame).verdict.verdict == "drop"
        for hook in HOOKS[1:]:
            assert Model(policy, hook=hook).decide(frame).verdict.verdict == "pass"


def _dhcp(family: int, sport: int, dport: int) -> bytes:
    ip = IPv4() if family == 4 else IPv6(src="fe80::1")
    return bytes(Eth() / ip / Udp(sport=sport, dport=dport) / bytes(40))


def test_at_egress_the_questions_of_dhcp_are_essential() -> None:
    text = """
    [datapath]
    default = "drop"
    [[rule]]
    name = "web"
    hook = "egress"
    match = { proto = "tcp", sport = 443 }
    action = "pass"
    """
    for family, client, server in ((4, 68, 67), (6, 546, 547)):
        question, answer = _dhcp(family, client, server), _dhcp(family, server, client)
        essential, default = Verdict("pass", "essential"), Verdict("drop", "default")
        at = {hook: Model(Policy.parse(text), hook=hook) for hook in ("ingress", "egress")}
        assert at["egress"].decide(question).verdict == essential
        assert at["egress"].decide(answer).verdict == default
        assert at["ingress"].decide(question).verdict == default
        assert at["ingress"].decide(answer).verdict == essential


def test_explanations_know_what_is_essential() -> None:
    policy = Policy.parse('[datapath]\ndefault = "drop"\n')
    model = Model(policy)

    def possible(address: str, proto: str | None = None, dport: int | None = None) -> list[str]:
        return sorted(explain_by(model, address, proto=proto, dport=dport).possible)

    assert possible("192.0.2.1") == ["drop", "pass"]
    assert possible("192.0.2.1", "tcp") == ["drop"]
    assert possible("192.0.2.1", "tcp", 68) == ["drop"]
    assert possible("192.0.2.1", "udp", 53) == ["drop"]
    assert possible("192.0.2.1", "udp", 68) == ["drop", "pass"]
    assert possible("192.0.2.1", "icmpv6") == ["drop"]
    assert possible("2001:db8::1", "icmpv6") == ["drop", "pass"]
    assert possible("2001:db8::1", "udp", 546) == ["drop", "pass"]
    assert possible("2001:db8::1", "udp", 68) == ["drop"]


STATES = """
[[rule]]
name = "known"
hook = ["ingress", "egress"]
match = { ct = ["established", "related"] }
action = "pass"

[[rule]]
name = "tenant"
match = { ct = "new", ct_zone = 7 }
action = "drop"

[[rule]]
name = "unseen"
hook = "egress"
match = { ct = "untracked" }
action = "drop"
"""


def test_explained_by_state() -> None:
    """A state makes rules on `ct` certain, but does not tell the zone."""
    policy = Policy.parse(STATES)

    def ends(**asked: Any) -> tuple[str, list[tuple[str, bool]]]:
        found = explain(policy, "192.0.2.1", **asked)
        return found.verdict.verdict, [(step.rule.name, step.certain) for step in found.steps]

    assert ends() == ("pass", [("known", False), ("tenant", False)])
    assert ends(state="established") == ("pass", [("known", True)])
    assert ends(state="new") == ("pass", [("tenant", False)])
    assert explain(policy, "192.0.2.1", state="new").steps[0].depends == ("ct_zone 7",)
    assert ends(state="invalid") == ("pass", [])
    assert ends(state="untracked", hook="egress") == ("drop", [("unseen", True)])
    assert ends(proto="gre") == ("pass", [])
    # On the way out netfilter may have tracked any protocol.
    assert ends(proto="gre", hook="egress") == ("pass", [("known", False), ("unseen", False)])


def test_untracked_by_the_model() -> None:
    """Without netfilter, a packet is untracked if its connection could not be looked up."""
    model = Model(Policy.parse(STATES), hook="egress")
    assert model.decide(bytes(Eth() / IPv4() / Proto(47))).matched == ("unseen",)
    assert model.decide(bytes(Eth() / IPv4() / Tcp())).matched == ()
