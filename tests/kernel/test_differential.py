"""The compiled program compared with the model, on random policies and frames.

Differences are printed with policy and frame. A seed makes the same frames on every
machine; ``WIREPATH_SEED=n`` shifts all seeds.
"""

# ruff: noqa: S311 - a seed, so that it fails again
import os
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.chance import Aim, Maker, Shooter, frames, mutant
from harness.frames import Eth, IPv4, IPv6, Udp, Vlan
from harness.xdp import Expected, Sent, Xdp, agree
from wirepath.model import Model
from wirepath.net import Ban, Fault, Prefix, Reason, format_address
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

SEED = int(os.environ.get("WIREPATH_SEED", "0"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(random=st.randoms(use_true_random=False), rules=st.integers(1, 6), sets=st.integers(0, 2))
def test_small_policies(random: Random, rules: int, sets: int) -> None:
    """Small policies, of which Hypothesis finds the smallest that differs."""
    policy = Maker(random).policy(rules, sets)
    with Xdp(policy) as xdp:
        agree(xdp, Expected(Model(policy)), frames(random, policy, 12))


@pytest.mark.parametrize("seed", range(SEED, SEED + 24))
def test_policies(seed: int) -> None:
    random = Random(seed)
    policy = Maker(random).policy(random.choice((5, 20, 63)), sets=random.randint(0, 4))
    with Xdp(policy) as xdp:
        agree(xdp, Expected(Model(policy)), frames(random, policy, 900))


# How many rules are stored: as lists of candidates, as rows of bits, or as both.
SHAPES = {
    "mixed": ({}, 500, 4),
    "counting": ({"deciding": 0.02}, 300, 4),
    "filed": ({"keys": ("dst", "dport"), "words": 1, "ports": 800, "deciding": 0.3}, 1500, 0),
    "filed-by-port": ({"keys": ("sport",), "words": 1, "ports": 2000, "deciding": 0.1}, 900, 1),
    "sets": ({"keys": ("src", "dst"), "deciding": 0.1}, 400, 40),
    "either-port": ({"keys": ("port",), "ports": 300, "deciding": 0.1}, 300, 0),
    "every-key-at-once": ({"keys": ("src", "length", "ttl", "dscp"), "deciding": 0.1}, 300, 2),
}


@pytest.mark.parametrize("seed", range(SEED, SEED + 2))
@pytest.mark.parametrize("shape", SHAPES)
def test_many_rules(shape: str, seed: int) -> None:
    options, rules, sets = SHAPES[shape]
    random = Random(seed)
    policy = Maker(random, **options).policy(rules, sets)
    with Xdp(policy) as xdp:
        tables = xdp.generation.plan.tables
        assert tables["clauses"].entries > 64
        assert bool(tables["lists"].entries) == shape.startswith("filed")
        agree(xdp, Expected(Model(policy)), frames(random, policy, 500))


def test_more_rows_than_one_summary_word() -> None:
    """With over 4,096 resident clauses the walk goes from block to block."""
    random = Random(SEED)
    keys = ("dport", "ttl")
    maker = Maker(random, keys=keys, words=4, ports=60, deciding=0.002)
    policy = maker.policy(4800, sets=0)
    with Xdp(policy) as xdp:
        plan = xdp.generation.plan
        config: Any = plan.constants["classify_config"]
        assert plan.tables["residents"].entries > 4096
        assert config["summary_words"] > 1
        agree(xdp, Expected(Model(policy)), frames(random, policy, 150))


def test_ten_thousand_rules() -> None:
    random = Random(SEED)
    maker = Maker(random, keys=("dst", "dport"), words=2, ports=5000, deciding=0.5)
    policy = maker.policy(10_000, sets=3)
    with Xdp(policy) as xdp:
        assert xdp.generation.plan.tables["clauses"].entries > 10_000
        agree(xdp, Expected(Model(policy)), frames(random, policy, 40))


def test_more_dimensions_than_lanes() -> None:
    """Rules that match five fields, and frames that differ from a rule in just one of them."""
    random = Random(SEED)

    def rule(n: int) -> dict[str, int]:
        return {
            "dst": 0x0A000000 + (n << 8),
            "sport": 2 * n,
            "dport": 3 * n,
            "vlan": n,
            "length": n,
        }

    def word(key: str, number: int) -> int | str:
        return f"{IPv4Address(number)}/24" if key == "dst" else number

    matches = [{key: word(key, number) for key, number in rule(n).items()} for n in range(28, 700)]
    rules = [{"name": f"r{n}", "match": match} for n, match in enumerate(matches)]
    policy = Policy.from_document({"rule": rules})
    sent = []
    for _ in range(400):
        at = rule(random.randrange(28, 700))
        key = random.choice([*at, None])
        if key:
            at[key] = rule(random.randrange(28, 700))[key]
        ip = IPv4(dst=str(IPv4Address(at["dst"]))) / Udp(sport=at["sport"], dport=at["dport"])
        sent.append(Sent(bytes(Eth() / Vlan(at["vlan"]) / ip / bytes(at["length"] - 28))))
    with Xdp(policy) as xdp:
        plan = xdp.generation.plan
        lanes: Any = plan.constants["lanes_config"]
        assert (len(lanes["in_lanes"].names), len(lanes["in_runs"].names)) == (4, 1)
        assert not plan.tables["residents"].entries
        agree(xdp, Expected(Model(policy)), sent)


def test_large_sets() -> None:
    random = Random(SEED)
    maker = Maker(random, keys=("src", "dst"))
    policy = maker.policy(20, sets=8, prefixes=3000)
    with Xdp(policy) as xdp:
        agree(xdp, Expected(Model(policy)), frames(random, policy, 600))


# Rules for each field of each header, so that a misread field shows in a counter.
_MICROSCOPE = Policy.from_document(
    {
        "datapath": {"malformed": "pass"},
        "rule": [
            {"name": f"{key}-{n}", "match": {key: word}}
            for key, words in {
                "proto": range(140),
                "ttl": range(0, 256, 17),
                "dscp": range(64),
                "vlan": [f"{low}-{low + 99}" for low in range(0, 4000, 100)],
                "length": [f"{low}-{low + 7}" for low in range(0, 400, 8)],
                "sport": [f"{low}-{low + 1023}" for low in range(0, 65536, 1024)],
                "dport": [f"{low}-{low + 1023}" for low in range(0, 65536, 1024)],
                "tcp_flags": ["fin", "syn+ack", "rst", "psh", "ack", "urg", "ece", "cwr", "null"],
                "icmp_type": range(0, 256, 3),
                "fragment": ["first", "later", False],
                "src": ["0.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::/32"],
                "dst": ["0.0.0.0/0", "::/0", "10.0.0.0/8", "2001:db8::/32"],
            }.items()
            for n, word in enumerate(words)
        ],
    }
)


@pytest.fixture(scope="module")
def microscope() -> Iterator[tuple[Xdp, Expected]]:
    with Xdp(_MICROSCOPE) as xdp:
        yield xdp, Expected(Model(_MICROSCOPE))


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_mutants(microscope: tuple[Xdp, Expected], seed: int) -> None:
    random = Random(seed)
    shooter = Shooter(random, Aim.at(_MICROSCOPE))
    agree(*microscope, [mutant(random, bytes(shooter.frame())) for _ in range(700)])


def test_frames_get_everywhere() -> None:
    """The frames of the other tests cause every reason and fault, and match rules."""
    random = Random(SEED)
    reasons: Counter[str | None] = Counter()
    for _ in range(30):
        policy = Maker(random).policy(20)
        for verdict in Expected(Model(policy)).judge(frames(random, policy, 300)):
            reasons[verdict.reason] += 1
            reasons[verdict.fault] += 1
    assert set(get_args(Fault)) < set(reasons)
    elsewhere = {"banned", "limit_exceeded", "wireguard", "reject", "challenge", "misread"}
    assert set(get_args(Reason)) - elsewhere < set(reasons)
    assert reasons["rule"] > reasons.total() / 10


def _from(address: int) -> bytes:
    if address >> 32 == 0xFFFF:
        return bytes(Eth() / IPv4(src=format_address(address)) / Udp())
    return bytes(Eth() / IPv6(src=str(IPv6Address(address))) / Udp())


def _judged_alike(xdp: Xdp, random: Random, bans: list[Ban]) -> None:
    # Bans have their own counters, so those of rules do not matter here.
    xdp.ban(bans)
    edges = [edge + by for ban in bans for edge in (ban.prefix.address, ban.prefix.last)
             for by in (-1, 0, 1) if 0 <= edge + by < 1 << 128]  # fmt: skip
    sent = [
        Sent(_from(random.choice(edges)), now_ns=random.choice((0, 999, 1000))) for _ in range(200)
    ]
    assert xdp.judge(sent) == Expected(Model(xdp.policy, bans=bans)).judge(sent)


def test_bans() -> None:
    """Adjacent and nested bans, some of them expired."""
    random = Random(SEED)
    maker = Maker(random)
    with Xdp(maker.policy(3)) as xdp:
        for _ in range(25):
            expiries = (0, 999, 1000, 1001, (1 << 64) - 1)
            count = random.choice((1, 5, 30))
            bans = [Ban(maker.prefix(), random.choice(expiries)) for _ in range(count)]
            _judged_alike(xdp, random, list({ban.prefix: ban for ban in bans}.values()))


def test_bans_of_every_length() -> None:
    random = Random(SEED)
    with Xdp(Policy.parse("")) as xdp:
        for address in (0xFFFF_C633_6407, 0x2001_0DB8_0000_0001_FFFF_0000_0000_0007):
            first = 96 if address >> 32 == 0xFFFF else 0
            prefixes = [Prefix.around(address, bits) for bits in range(first, 129)]
            for longest in random.sample(range(len(prefixes)), 8):
                _judged_alike(xdp, random, [Ban(p, 1000) for p in prefixes[: longest + 1]])
            _judged_alike(xdp, random, [Ban(p, 1000) for p in prefixes])
