"""The policies in ``examples/`` do what their comments say."""

from pathlib import Path

import pytest

from frames import Eth, Fragment, Frame, Icmp, Icmp6, IPv4, IPv6, Layer, Tcp, Udp
from wirepath.datapath.contents import read_contents
from wirepath.model import Model, PrefixSet
from wirepath.policy import Policy

EXAMPLES = Path(__file__).parents[2] / "examples"

Row = tuple[Frame | Layer, str, str | None]

# By file: a packet, what becomes of it, and the rule (or the reason) that decides.
CASES: dict[str, list[Row]] = {
    "block-list": [
        (IPv4(src="198.51.100.7") / Udp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.66") / Tcp(), "drop", "known-bad"),
        (IPv6(src="2001:db8:bad::1") / Tcp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.67") / Tcp(), "pass", "default"),
        (IPv4(src="192.0.2.5") / Tcp(), "pass", "never_block"),
    ],
    "server": [
        (IPv4(src="192.0.2.10") / Tcp(flags=""), "pass", "never_block"),
        (IPv4(src="203.0.113.9") / Tcp(dport=80, flags="SF"), "drop", "tcp-nonsense"),
        (IPv4(src="203.0.113.9") / Tcp(dport=80, flags="F"), "drop", "tcp-nonsense"),
        (IPv6(src="2001:db8:0:1::7") / Tcp(dport=22), "pass", "ssh"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22), "drop", "ssh-others"),
        (IPv4(src="203.0.113.9") / Tcp(dport=22, flags="A"), "drop", "ssh-others"),
        (IPv6(src="2001:db8:2::9") / Tcp(dport=443), "pass", "web"),
        (IPv4(src="203.0.113.9") / Udp(dport=443), "pass", "quic"),
        (IPv4(src="203.0.113.9") / Tcp(sport=443, dport=40000, flags="SA"), "pass", "tcp-answers"),
        (IPv4(src="203.0.113.9") / Tcp(dport=8080), "drop", "default"),
        (IPv4(src="192.0.2.53") / Udp(sport=53, dport=40000), "pass", "dns-answers"),
        (IPv4(src="203.0.113.9") / Udp(sport=53, dport=40000), "drop", "default"),
        (IPv4() / Udp(sport=123, dport=40000) / bytes(48), "pass", "time-answers"),
        (IPv4() / Udp(sport=123, dport=40000) / bytes(440), "drop", "default"),
        (IPv4() / Icmp(type=3, code=4), "pass", "icmp"),
        (IPv4() / Icmp(type=13), "drop", "default"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "icmp"),
        (IPv4(src="192.0.2.53", offset=1480) / bytes(100), "pass", "fragments-of-answers"),
        (
            IPv6(src="2001:db8:0:1::53") / Fragment(offset=1448) / bytes(100),
            "pass",
            "fragments-of-answers",
        ),
        (IPv4(src="203.0.113.9", offset=1480) / bytes(100), "drop", "default"),
    ],
    "exceptions": [
        (IPv4(src="198.51.100.70") / Tcp(), "pass", "partners"),
        (IPv4(src="198.51.100.80") / Tcp(), "drop", "known-bad"),
        (IPv6(src="2001:db8:bad:1::1") / Udp(), "pass", "partners"),
        (IPv6(src="2001:db8:bad:2::1") / Udp(), "drop", "known-bad"),
        (IPv4(src="203.0.113.4") / Tcp(dport=5902), "drop", "hosting-to-login"),
        (IPv4(src="203.0.113.201") / Tcp(dport=22), "pass", "default"),
        (IPv4(src="203.0.113.4") / Tcp(dport=80), "pass", "default"),
    ],
    "bogons": [
        (IPv4(src="10.1.2.3") / Udp(), "drop", "bogons"),
        (IPv4(src="203.0.113.1") / Udp(), "drop", "bogons"),
        (IPv4(src="9.9.9.9") / Udp(), "pass", "default"),
        (IPv6(src="2001:db8::1") / Udp(), "drop", "bogons"),
        (IPv6(src="2620:fe::fe") / Udp(), "pass", "default"),
        (IPv6(src="fd00::1") / Udp(), "drop", "not-allocated"),
        (IPv6(src="fe80::1", hops=255) / Icmp6(type=135), "pass", "link-local"),
        (IPv6(src="::", dst="ff02::1:ff00:1") / Icmp6(type=135), "pass", "no-address-yet"),
        (IPv6(src="::", dst="2001:db8::1") / Icmp6(type=135), "drop", "not-allocated"),
    ],
    "syn-flood": [
        (IPv4(src="192.0.2.7") / Tcp(dport=80), "pass", "never_block"),
        (IPv4() / Tcp(dport=80, flags="SF"), "drop", "tcp-nonsense"),
        *[(IPv4(src=f"203.0.113.{n}") / Tcp(dport=80), "pass", "default") for n in range(50)] * 20,
        (IPv4(src="198.51.100.1") / Tcp(dport=80), "tx", "prove-yourself"),
        (IPv4(src="198.51.100.1") / Tcp(dport=80, flags="A"), "pass", "default"),
        (IPv4(src="198.51.100.1") / Tcp(dport=80, flags="R"), "pass", "default"),
        (IPv6() / Tcp(dport=22), "tx", "closed"),
        (IPv4() / Udp(dport=80), "pass", "default"),
    ],
}


def model(name: str) -> Model:
    policy = Policy.load(EXAMPLES / f"{name}.toml")
    contents = {set_name: PrefixSet() for set_name in policy.sets}
    for prefix, number in read_contents(policy).members:
        contents[list(contents)[number]].add(prefix)
    return Model(policy, contents)


def test_every_example_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_example(name: str) -> None:
    judge = model(name)
    for layers, verdict, decided_by in CASES[name]:
        found = judge.decide(bytes(Eth() / layers)).verdict
        assert (found.verdict, found.rule or found.reason) == (verdict, decided_by), layers


@pytest.mark.parametrize("name", CASES)
def test_every_rule_has_its_packet(name: str) -> None:
    judge = model(name)
    matched = {
        rule for layers, *_ in CASES[name] for rule in judge.decide(bytes(Eth() / layers)).matched
    }
    assert matched == {rule.name for rule in judge.policy.rules}
