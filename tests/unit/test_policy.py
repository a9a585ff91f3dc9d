import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wirepath.actions.count import Count
from wirepath.actions.verdict import Decide
from wirepath.net import Prefix
from wirepath.policy import Policy
from wirepath.policy.match import Match

EDGE = """
[datapath]
never_block = ["192.0.2.0/28"]

[set.bad]
prefixes = ["198.51.100.0/24", "2001:db8:bad::/48"]
counters = true

[[rule]]
name = "known-bad"
match = { src = ["@bad", "!198.51.100.7"] }
action = "drop"

[[rule]]
name = "ssh"
hook = "ingress"
match = { proto = "tcp", dport = [22, "2200-2299", 2300], tcp_flags = ["syn", "fin+!ack"] }

[[rule]]
name = "ping"
match = { icmp_type = ["echo-request", 13], fragment = false, dscp = "EF" }
action = "pass"
"""


def only(inside: str) -> Match:
    return Policy.parse(f'[[rule]]\nname = "r"\nmatch = {{ {inside} }}').rules[0].match


def test_what_was_written() -> None:
    policy = Policy.parse(EDGE, file="edge.toml")
    assert policy.file == "edge.toml"
    assert policy.datapath.default == "pass"
    assert policy.datapath.malformed == "drop"
    assert policy.datapath.never_block == (Prefix.parse("192.0.2.0/28"),)
    assert policy.sets["bad"].counters
    assert [rule.name for rule in policy.rules] == ["known-bad", "ssh", "ping"]
    assert [rule.action for rule in policy.rules] == [Decide("drop"), Count(), Decide("pass")]


def test_canonical_forms() -> None:
    bad, ssh, ping = (rule.match for rule in Policy.parse(EDGE).rules)
    assert bad.src
    assert bad.src.sets == ("bad",)
    assert bad.src.not_prefixes == (Prefix.parse("198.51.100.7"),)
    assert ssh.proto
    assert ssh.proto.ranges == ((6, 6),)
    assert ssh.dport
    assert ssh.dport.ranges == ((22, 22), (2200, 2300))
    assert ssh.tcp_flags
    assert ssh.tcp_flags.masks == ((1, 16), (2, 16))
    assert ping.icmp_type
    assert ping.icmp_type.icmp == ((8, 8), (13, 13))
    assert ping.icmp_type.icmpv6 == ((13, 13), (128, 128))
    assert ping.fragment
    assert ping.fragment.kinds == {"none"}
    assert ping.dscp
    assert ping.dscp.ranges == ((46, 46),)


def test_description() -> None:
    assert [rule.match.describe() for rule in Policy.parse(EDGE).rules] == [
        "src @bad,!198.51.100.7",
        "proto tcp, dport 22,2200-2299,2300, tcp_flags syn,fin+!ack",
        "icmp_type echo-request,13, dscp EF, fragment false",
    ]
    assert Match().describe() == "every ip packet"
    assert only("dport = [1, 2, 3, 4, 5, 6]").describe() == "dport 1,2,3,4 and 2 more"


def test_lines_of_problems_that_show_later() -> None:
    policy = Policy.parse(EDGE, file="edge.toml")
    problem = policy.problem("too large", "rule", 1, "match")
    assert str(problem) == "edge.toml:17: rule.ssh.match: too large"
    assert str(policy.problem("too large", "set", "bad")) == "edge.toml:5: set.bad: too large"
    restored = Policy.from_document(policy.document(), file="edge.toml")
    assert str(restored.problem("gone", "rule", 0)) == "edge.toml: rule.known-bad: gone"


def test_ranges_that_touch_are_one() -> None:
    match = only('dport = [5, 4, "1-3", "10-20", 15, "21-22"]')
    assert match.dport
    assert match.dport.ranges == ((1, 5), (10, 22))


def test_document_does_not_need_the_files(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    policy = Policy.parse('[set.x]\nfiles = ["list.txt"]', base=tmp_path)
    document = json.loads(json.dumps(policy.document()))
    (tmp_path / "list.txt").unlink()
    assert Policy.from_document(document) == policy


def ranges_below(limit: int) -> st.SearchStrategy[object]:
    number = st.integers(0, limit)
    pair = st.tuples(number, number).map(lambda p: f"{min(p)}-{max(p)}")
    return st.one_of(number, pair, st.lists(st.one_of(number, pair), min_size=1, max_size=4))


prefixes = st.sampled_from(
    ["10.0.0.0/8", "!10.1.0.0/16", "192.0.2.1", "2001:db8::/32", "!2001:db8::1", "@a", "!@b"]
)
keys = {
    "src": st.lists(prefixes, min_size=1, max_size=4),
    "sport": ranges_below(65535),
    "dport": ranges_below(65535),
    "port": ranges_below(65535),
    "vlan": ranges_below(4095),
    "length": ranges_below(65535),
    "ttl": ranges_below(255),
    "dscp": st.one_of(ranges_below(63), st.sampled_from(["EF", "cs1", ["AF11", 3]])),
    "fragment": st.sampled_from([True, False, "first"]),
    "tcp_flags": st.sampled_from(["syn", "null", ["syn+ack", "fin+!ack"]]),
}
matches = st.fixed_dictionaries({}, optional=keys)
rules = st.lists(
    st.fixed_dictionaries(
        {"match": matches}, optional={"action": st.sampled_from(["pass", "drop"])}
    ),
    max_size=5,
)


@given(rules, st.sampled_from(["pass", "drop"]))
def test_document_round_trip(found: list[dict[str, object]], default: str) -> None:
    document = {
        "datapath": {"default": default},
        "set": {"a": {"prefixes": ["10.0.0.0/8"]}, "b": {}},
        "rule": [{"name": f"r{i}", **rule} for i, rule in enumerate(found)],
    }
    policy = Policy.from_document(document)
    assert Policy.from_document(json.loads(json.dumps(policy.document()))) == policy
