"""Policies made from Python objects: the same as those from texts, with the same checks."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from wirepath import Frame, Policy, PolicyError, Prefix, RequestError, check, explain, replay

TEXT = """
[datapath]
default = { ingress = "drop" }
never_block = ["192.0.2.0/28"]
[set.bad]
prefixes = ["203.0.113.0/24", "2001:db8::/32"]
counters = true
[[rule]]
name = "bad"
hook = ["ingress", "egress"]
match = { src = ["@bad", "!203.0.113.7"], proto = "udp", dport = [53, "60-69"] }
action = "drop"
[[rule]]
name = "ssh"
match = { proto = "tcp", dport = 22, tcp_flags = "syn" }
limit = { rate = "5/min", per = "src", ban = "5min" }
"""
BAD = {
    "name": "bad",
    "hook": ("ingress", "egress"),
    "match": {"src": ("@bad", "!203.0.113.7"), "proto": "udp", "dport": [53, "60-69"], "ttl": None},
    "action": "drop",
}
SSH = {
    "name": "ssh",
    "match": {"proto": "tcp", "dport": 22, "tcp_flags": "syn"},
    "limit": {"rate": "5/min", "per": "src", "ban": "5min", "burst": None},
}
DATAPATH = {"default": {"ingress": "drop"}, "never_block": [ip_network("192.0.2.0/28")]}
PREFIXES = [ip_network("203.0.113.0/24"), Prefix.of("2001:db8::/32")]


def problems(*rules: Any, **more: Any) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        Policy.of(rules, **more)
    assert all(problem.file == "policy" and not problem.line for problem in caught.value.problems)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_says_what_a_text_says() -> None:
    policy = Policy.parse(TEXT)
    sets: dict[str, Any] = {"bad": {"prefixes": PREFIXES, "counters": True}}
    built = Policy.of([BAD, SSH], sets=sets, datapath=DATAPATH)
    assert built == policy
    assert built.document() == policy.document()
    assert Policy.of(policy.rules, sets=policy.sets, datapath=DATAPATH) == policy
    assert Policy.of() == Policy.parse("")


@pytest.mark.parametrize(
    "prefixes",
    [
        "203.0.113.5",
        Prefix.of("203.0.113.5"),
        ip_address("203.0.113.5"),
        ip_network("203.0.113.5"),
        ["203.0.113.5"],
        ("203.0.113.5",),
        {"203.0.113.5"},
        iter(["203.0.113.5"]),
        {"prefixes": "203.0.113.5"},
        {"prefixes": {ip_address("203.0.113.5")}, "files": []},
    ],
    ids=lambda value: type(value).__name__,
)
def test_ways_to_write_prefixes(prefixes: Any) -> None:
    policy = Policy.of([{"name": "r", "match": {"src": "@s"}}], sets={"s": prefixes})
    assert policy.sets["s"].prefixes == (Prefix.parse("203.0.113.5"),)


def test_collections_of_python_are_lists() -> None:
    ports = Policy.of([{"name": "r", "match": {"proto": "tcp", "dport": range(80, 83)}}]).rules[0]
    assert ports.match.document()["dport"] == [80, 81, 82]
    names = Policy.of([{"name": "r", "match": {"proto": {"udp", "tcp"}}}]).rules[0]
    assert names.match.document()["proto"] == ["tcp", "udp"]


def test_files_are_relative_to_base(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("203.0.113.0/24\n203.0.113.0/25\n")
    rule = {"name": "r", "match": {"src": "@s"}, "action": "drop"}
    policy = Policy.of([rule], sets={"s": {"files": Path("list.txt")}}, base=tmp_path, file="mine")
    assert policy.sets["s"].files == (tmp_path / "list.txt",)
    assert check(policy).sets == {"s": 2}
    assert check(policy).document()["file"] == "mine"
    assert problems(rule, sets={"s": {"files": "list.txt"}})[0].startswith("set.s.files: list.txt:")


def test_every_problem_at_once() -> None:
    found = problems(
        {"name": "web", "match": {"dport": 70000, "scr": "203.0.113.5"}, "action": "deny"},
        {"match": {"src": "@nowhere"}},
        {"name": "web", 5: 6},
        sets={"Bad": ["203.0.113.1/24", None], "list": 7},
        datapath={"defualt": "drop", "never_block": object},
    )
    keys = [problem.partition(":")[0] for problem in found]
    assert sorted(keys) == sorted(
        [
            "datapath.defualt",
            "datapath.never_block",
            "set.Bad",
            "set.Bad.prefixes",
            "set.Bad.prefixes",
            "set.list.prefixes",
            "rule.web.match.dport",
            "rule.web.match.scr",
            "rule.web.action",
            "rule[1]",
            "rule[1].match.src",
            "rule.web.name",
            "rule.web.5",
        ]
    )
    assert 'rule.web.name: "web": taken by a rule before it (write another)' in found


@pytest.mark.parametrize("rule", ["drop", 5, None, ["name"], b"rule"])
def test_what_is_no_rule(rule: Any) -> None:
    assert problems(rule) == ["rule: not a list of tables (write [[rule]])"]


def test_a_text_keeps_its_lines() -> None:
    with pytest.raises(PolicyError, match=r"^policy:3: rule: a rule without a name"):
        Policy.parse('[[rule]]\nname = "r"\n[[rule]]\n')
    with pytest.raises(PolicyError, match=r'^policy:4: rule.a.name: "a": taken by .* of line 2 '):
        Policy.parse('[[rule]]\nname = "a"\n[[rule]]\nname = "a"\n')


def test_what_they_say_of_themselves() -> None:
    policy = Policy.parse(TEXT, file="edge.toml")
    bad, ssh = policy.rules
    assert repr(policy) == "<policy edge.toml: 2 rules, 1 set>"
    assert repr(bad) == (
        "<rule bad: src @bad,!203.0.113.7, proto udp, dport 53,60-69: drop at ingress, egress>"
    )
    assert repr(ssh.match) == "<match proto tcp, dport 22, tcp_flags syn>"
    assert repr(policy.sets["bad"]) == "<set bad: 2 of its own>"
    assert repr(Prefix.of("203.0.113.0/24")) == "Prefix.of('203.0.113.0/24')"
    assert eval(repr(PREFIXES[1])) == PREFIXES[1]  # noqa: S307
    assert repr(check(policy)) == "<report on edge.toml: 1 note>"
    frame = bytes.fromhex("02000000000102000000000288b5")
    assert repr(replay(policy, [frame], model=True)) == "<replay of 1 frame: 1 pass, 0 drop>"


def test_explain_takes_words() -> None:
    policy = Policy.parse(TEXT)
    found = explain(policy, "203.0.113.5", proto="udp", dport=53)
    assert repr(found) == "<203.0.113.5 at ingress: Verdict('drop', 'rule', rule='bad')>"
    assert repr(found.steps) == "(<bad always: drop>,)"
    assert found == explain(policy, ip_address("203.0.113.5"), proto=17, dport=53)
    assert explain(policy, "192.0.2.1").verdict.reason == "never_block"
    assert explain(policy, "203.0.113.7", hook="egress").verdict.verdict == "pass"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"address": "203.0.113"}, "203.0.113: not an address"),
        ({"proto": "tpc"}, '"tpc": not a protocol'),
        ({"proto": "6-17"}, "proto 6-17: a range (name one)"),
        ({"dport": 70000}, "70000: not a port"),
        ({"proto": "icmp", "dport": 22}, "dport: only tcp and udp have ports"),
    ],
)
def test_what_cannot_be_explained(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        explain(Policy.parse(TEXT), **{"address": "203.0.113.5"} | asked)
    assert str(caught.value).startswith(message)


def test_frames_in_memory_have_their_own_clock() -> None:
    syn = bytes.fromhex(
        "020000000002020000000001 0800 45000028000100004006 8ad0 cb007105c6336401"
        "30390016 00000001 00000000 5002ffff00000000"
    )
    policy = Policy.of([SSH])
    quick = [Frame(n * 1_000_000, len(syn), syn) for n in range(7)]
    slow = [Frame(n * 20_000_000_000, len(syn), syn) for n in range(7)]
    assert replay(policy, quick, model=True).verdicts == {"pass": 5, "drop": 2}
    assert replay(policy, slow, model=True).verdicts == {"pass": 7, "drop": 0}
    assert replay(policy, [], model=True).frames == 0
