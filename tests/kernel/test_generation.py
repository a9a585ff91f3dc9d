# ruff: noqa: S311 - a seed, so that it fails again
"""A generation as it serves: the program without the metadata of test runs, and its life."""

import subprocess
import time
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from harness.chance import Aim, Maker, Shooter, mutant
from harness.frames import Eth, IPv4, IPv6, Udp
from wirepath.datapath.generation import hook as module
from wirepath.datapath.generation import write
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.state import STATE, first_slots
from wirepath.datapath.live import counters
from wirepath.datapath.live.ban_view import BanView
from wirepath.errors import KernelError, RequestError
from wirepath.kernel.program import XdpAction
from wirepath.model import Model
from wirepath.net import Hook, Prefix
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy
from wirepath.policy.match import Match

if TYPE_CHECKING:
    from wirepath.datapath.handles import Handles

pytestmark = pytest.mark.kernel

_KEYS = tuple(Match.__dataclass_fields__)
_ACTIONS = {"pass": XdpAction.PASS, "drop": XdpAction.DROP}


def load(policy: Policy, **options: object) -> Generation:
    """Load a generation as in production, but with a smaller table of bans."""
    options = {"sizes": {"bans": 64}} | options
    return Generation.load(policy, read_contents(policy).members, **options)  # type: ignore[arg-type]


def bans_of(generation: Generation) -> BanView:
    policy = generation.planned.policy
    slots = first_slots(policy)
    manifest = Manifest.of(
        policy, {"ingress": generation.plan}, root_bits=0,
        mode="native", since=0, slots=slots, tc="tcx",
    )  # fmt: skip
    handles = SimpleNamespace(maps=generation.maps, manifest=manifest)
    return BanView(cast("Handles", handles))


def run(generation: Generation, frames: Sequence[bytes]) -> list[int]:
    lengths = array("I", map(len, frames))
    offsets = array("Q", [0] * len(frames))
    for n, length in enumerate(lengths[:-1]):
        offsets[n + 1] = offsets[n] + length
    returned = generation.program.test_runs(b"".join(frames), offsets, lengths, bytearray())
    return returned.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_as_it_serves(seed: int) -> None:
    """Without metadata before the frames the verdicts are the same, and every counter adds up."""
    random = Random(seed)
    policy = Maker(random).policy(random.choice((4, 40, 200)))
    model, shooter = Model(policy), Shooter(random, Aim.at(policy))
    frames = [bytes(shooter.frame()) for _ in range(400)]
    frames += [mutant(random, frame).data for frame in frames]
    frames = [frame for frame in frames if len(frame) >= 14]
    decisions = [model.decide(frame) for frame in frames]
    with load(policy) as generation:
        returned = run(generation, frames)
        assert returned == [_ACTIONS[each.verdict.verdict] for each in decisions]
        counted = counters.by_hook(generation.maps["outcomes"])["ingress"]
    tallies: Counter[tuple[str, str, str | None]] = Counter()
    for frame, decision in zip(frames, decisions, strict=True):
        for kind in ("verdict", "reason", "fault"):
            word = getattr(decision.verdict, kind)
            tallies[kind, "packets", word] += 1
            tallies[kind, "bytes", word] += len(frame)
    for kind, counts in (
        ("verdict", counted.verdicts),
        ("reason", counted.reasons),
        ("fault", counted.faults),
    ):
        for word, count in counts.items():
            assert count == (tallies[kind, "packets", word], tallies[kind, "bytes", word])
    assert counted.packets == len(frames)


def test_metadata_means_nothing_in_production() -> None:
    """Metadata may come from a device or another program; it is ignored."""
    policy = Policy.parse('[[rule]]\nname = "udp"\nmatch = { proto = "udp" }\naction = "drop"\n')
    with load(policy) as generation:
        frame = bytes(Eth() / IPv4() / Udp())
        done = generation.program.test_run(frame, metadata=b"\xff" * 32)
        assert (done.retval, done.metadata) == (XdpAction.DROP, b"\xff" * 32)


@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8:1::1"])
def test_bans_end_by_the_clock(address: str) -> None:
    source = IPv6(src=address) if ":" in address else IPv4(src=address)
    frame = bytes(Eth() / source / Udp())
    with load(Policy.parse("")) as generation:
        bans = bans_of(generation)
        bans.add_all([Prefix.parse(address)], seconds=1.0)
        assert run(generation, [frame]) == [XdpAction.DROP]
        time.sleep(1.05)
        assert run(generation, [frame]) == [XdpAction.PASS]
        bans.add_all([Prefix.parse(address)])
        assert run(generation, [frame]) == [XdpAction.DROP]
        [ban] = bans.all()
        assert (ban.packets, ban.bytes) == (1, len(frame))
        assert bans.remove(Prefix.parse(address))
        assert run(generation, [frame]) == [XdpAction.PASS]


def test_bans_around_a_prefix() -> None:
    with load(Policy.parse("")) as generation:
        bans = bans_of(generation)
        wide, narrow, ended = map(Prefix.parse, ("10.0.0.0/8", "10.1.2.0/24", "10.1.0.0/16"))
        bans.add_all([wide, narrow, Prefix.parse("::/0"), Prefix.parse("10.1.3.0/24")])
        bans.add_all([ended], seconds=1e-9)
        assert bans.around(Prefix.parse("10.1.2.3")) == [wide, narrow]
        assert bans.around(Prefix.parse("10.1.0.0/20")) == [wide]
        assert bans.remove(wide)
        assert bans.around(Prefix.parse("10.1.2.3")) == [narrow]
        assert generation.maps["ban_lengths"][0]["count"] == 3


def test_state_goes_on_in_the_next_generation() -> None:
    """Counters by slot, outcomes and bans are carried over; tables are not."""
    first = Policy.parse('[[rule]]\nname = "a"\n[[rule]]\nname = "b"\naction = "drop"\n')
    second = Policy.parse('[[rule]]\nname = "b"\n[[rule]]\nname = "c"\naction = "pass"\n')
    frame = bytes(Eth() / IPv4() / Udp())
    places = first_slots(first)
    with load(first, slots=places) as old:
        assert run(old, [frame]) == [XdpAction.DROP]
        slots = {"b": 1, "c": 2}
        after = replace(places, counters=slots)
        with load(second, slots=after, before=old.maps) as new:
            assert run(new, [frame, frame]) == [XdpAction.PASS] * 2
            assert run(old, [frame]) == [XdpAction.DROP]
            counted = counters.rules(new.maps, {**slots, "a": 0})
            assert {name: count.packets for name, count in counted.items()} == {
                "a": 2, "b": 4, "c": 2,
            }  # fmt: skip
            assert counters.by_hook(new.maps["outcomes"])["ingress"].packets == 4
            shared = {n for n, m in new.maps.items() if m.id == old.maps[n].id}
            assert shared == set(STATE)


def test_what_no_rule_asks_about_is_not_there() -> None:
    """Dimensions without a rule are dead code, which the verifier removes."""
    with load(Policy.parse("")) as empty, load(Policy.parse(_every_key())) as full:
        assert empty.program.jited_bytes < 0.55 * full.program.jited_bytes
        assert empty.program.verified_instructions < full.program.verified_instructions


def _every_key() -> str:
    words = {
        "src": '"10.0.0.0/8"',
        "dst": '"10.0.0.0/8"',
        "tcp_flags": '"syn"',
        "fragment": "true",
        "length": "70",
    }
    words |= {"ct": '"new"', "ct_zone": '7, ct = "new"'}
    return "\n".join(
        f'[[rule]]\nname = "{key}"\nmatch = {{ {key} = {words.get(key, "7")} }}' for key in _KEYS
    )


_ACTING: dict[str, dict[str, object]] = {
    "limited": {"limit": {"rate": "9/s", "per": "src", "ban": "9s", "exact": True}},
    "limited-here": {"limit": {"rate": "9/s", "per": "src", "ban": "9s", "ban_scope": "rule"}},
    "rejected": {"reject": True},
    "reset": {"challenge": {"mode": "reset", "above": "9/s"}},
    "cookie": {"challenge": {"mode": "cookie", "above": "9/s"}},
    "guarded": {
        "match": {"proto": "udp", "dport": 51820},
        "wireguard": {"public_key": b64encode(bytes(range(32))).decode(), "indexes": True},
    },
    "marked": {"dscp": "EF"},
}
# At the hooks of TC.
_PARTING: dict[str, dict[str, object]] = {
    "capped": {"limit": {"rate": "9mbit", "per": "dst"}},
    "capped-exactly": {"limit": {"rate": "9mbit", "per": "src+dport", "exact": True}},
    "capped-cgroup": {"limit": {"rate": "9mbit", "per": "cgroup"}},
    "shaped": {"limit": {"rate": "9mbit", "per": "dst", "shape": True}},
    "marked": {"dscp": "EF"},
    "marked-beside": {"mark": 7},
    "in-a-class": {"priority": "1:10"},
    "copied": {"mirror": {"to": "nowhere", "one_in": 9, "snap": 99}},
}
_BUDGET = 500_000  # instructions that the verifier may process, of its limit of a million


def _mixture(random: Random, hook: Hook) -> Policy:
    """Draw a policy: some keys in a few rules, some in many, with or without sets and a guard."""
    used = [key for key in _KEYS if random.random() < 0.6]
    many = random.sample(used, min(len(used), random.randint(0, 3)))
    words: dict[str, Callable[[int], object]] = dict.fromkeys(_KEYS, lambda n: n % 60)
    words |= dict.fromkeys(("sport", "dport", "port"), lambda n: n)
    words |= dict.fromkeys(("src", "dst"), lambda n: f"10.{n // 250}.{n % 250}.0/24")
    words |= {"tcp_flags": lambda n: ("syn", "ack", "null")[n % 3], "fragment": lambda n: n % 2 > 0}
    words |= {"ct": lambda n: ("new", "established", "related", "invalid")[n % 4]}
    words |= {"ct_zone": lambda _: 7}  # with rules on ct, two zones: the most there can be
    also = {"ct_zone": {"ct": "new"}}
    drawn = [(key, n) for key in used for n in range(random.choice((1, 5)))]
    drawn += [(key, n) for key in many for n in range(random.choice((40, 300)))]
    matches = [{key: words[key](n), **also.get(key, {})} for key, n in drawn]
    sets = {"a": {"prefixes": ["192.0.2.0/24"]}} if random.random() < 0.5 else {}
    matches += [{end: "@a"} for end in ("src", "dst") if sets and random.random() < 0.7]
    datapath = {"never_block": random.choice(([], ["192.0.2.1"]))}
    rules = [{"name": f"r{n}", "match": match} for n, match in enumerate(matches)]
    acting = _ACTING if hook == "ingress" else _PARTING
    for name, action in random.sample(sorted(acting.items()), random.randint(0, len(acting))):
        rules.insert(random.randint(0, len(rules)), {"name": name, **action})
    rules = [{"hook": hook, **rule} for rule in rules]
    return Policy.from_document({"datapath": datapath, "set": sets, "rule": rules})


@pytest.mark.parametrize("hook", ["ingress", "egress"])
@pytest.mark.parametrize("seed", range(12))
def test_the_verifier_takes_every_mixture(seed: int, hook: Hook) -> None:
    """The verifier accepts every mixture well below its limit; the cost depends on live code."""
    policy = _mixture(Random(seed), hook)
    counting = dict.fromkeys(policy.sets, 0) if seed % 2 else {}
    places = replace(first_slots(policy), counting=counting)
    for replaying in (False, True):
        with load(policy, replaying=replaying, slots=places) as generation:
            for program in generation.hooks.values():
                assert program.program.verified_instructions < _BUDGET


def test_a_failed_load_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed load leaves no descriptor open, and so nothing in the kernel."""
    policy = Policy.parse('[[rule]]\nname = "a"\nhook = ["ingress", "egress"]\n')

    def fail(*_: object) -> None:
        raise KernelError("do what a test forbids")

    load(policy).close()
    before = sorted(Path("/proc/self/fd").iterdir())
    for name in ("write", "_write_columns"):
        with monkeypatch.context() as patch:
            patch.setattr(write, name, fail)
            with pytest.raises(KernelError, match="a test forbids"):
                load(policy)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_too_many_clauses() -> None:
    rules = "\n".join(
        f'[[rule]]\nname = "r{n}"\nmatch = {{ port = {n + 1}, src = ["@s", "10.0.0.0/8"],'
        f' dst = ["@s", "10.0.0.0/8"] }}'
        for n in range(4097)
    )
    with pytest.raises(RequestError, match=r"make 32776 clauses, at most 32768 fit \("):
        load(Policy.parse(f'[set.s]\nprefixes = ["192.0.2.0/24"]\n{rules}'))


def test_no_object(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "object_file", lambda: tmp_path / "datapath.bpf.o")
    with pytest.raises(KernelError, match=r"\[ENOENT\] \(run `make bpf`\)"):
        load(Policy.parse(""))


def test_bpftool_shows_our_maps_by_name() -> None:
    """For debugging, bpftool shows fields by name."""
    policy = Policy.parse('[[rule]]\nname = "a"\nmatch = { dport = 80 }\naction = "drop"\n')
    with load(policy) as generation:
        for name, field in (("clauses", "verdict"), ("outcomes", "by"), ("rule_counters", "bytes")):
            number = str(generation.maps[name].id)
            shown = subprocess.run(
                ["bpftool", "map", "dump", "id", number], capture_output=True, text=True, check=True
            )
            assert f'"{field}"' in shown.stdout
