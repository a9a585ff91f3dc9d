"""nftables as an outside oracle: the same packets, the same rules, the same counts."""

import json
from functools import partial
from pathlib import Path

import pytest

import rulesets
from wirepath.bench import peers, subject
from wirepath.bench.wire import IFNAME, Wire, wire
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import Traffic, of_frames

FRAMES = 10_000
BURST = 200  # fewer packets than the ring of a veth holds, so that none is lost


def send(way: Wire, traffic: Traffic) -> None:
    before = way.overflowed()
    with Flood(way.sender, IFNAME, traffic) as flood:
        for _ in range(FRAMES // BURST):
            flood.run(packets=BURST)
    assert way.overflowed() == before


def counted_by_nft(way: Wire) -> list[int]:
    done = way.receiver.run(
        ["nft", "-j", "list", "chain", "inet", "bench", "raw"], capture_output=True, text=True
    )
    rules = [each["rule"]["expr"] for each in json.loads(done.stdout)["nftables"] if "rule" in each]
    return [e["counter"]["packets"] for rule in rules for e in rule if "counter" in e]


@pytest.mark.parametrize("count", [10, 300])
@pytest.mark.parametrize("kind", ["realistic", "hostile"])
def test_same_counts(tmp_path: Path, kind: rulesets.Kind, count: int) -> None:
    rules = rulesets.draw(kind, count, seed=7)
    traffic = of_frames(rulesets.packets(rules, FRAMES, seed=7))
    policy = tmp_path / "policy.toml"
    policy.write_text(rulesets.wirepath_policy(rules))
    with wire("nft") as way:
        attach = partial(peers.nft_rules, rulesets.nft_rules(rules))
        with way.receiver.entered(), attach(IFNAME):
            send(way, traffic)
            theirs = counted_by_nft(way)
    with wire("wirepath") as way, way.receiver.entered(), subject.attach(policy, IFNAME) as ours:
        send(way, traffic)
        assert [rule.dropped for rule in ours.counters().rules.values()] == theirs
    assert sum(theirs) > FRAMES / 10
