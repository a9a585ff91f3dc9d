"""Counters of the prefixes of sets: in test runs, and over the life of a datapath."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Self

import pytest

from harness.frames import Eth, Frame, IPv4, IPv6, Udp
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.state import first_slots
from wirepath.datapath.live.prefix_counters import PrefixCounters
from wirepath.errors import KernelError, RequestError
from wirepath.frame import parse
from wirepath.kernel.interface import Interface
from wirepath.kernel.program import Program
from wirepath.model import Model
from wirepath.net import Packet, Prefix
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy
from wirepath.prefixes import Members

pytestmark = pytest.mark.kernel

Counts = dict[str, tuple[int, int]]
FRAME_BYTES = {4: 42, 6: 62}  # bytes of Ethernet, IP and UDP headers


def udp(src: str = "198.51.100.1", dst: str = "192.0.2.1") -> Frame:
    return Eth() / (IPv6 if ":" in src else IPv4)(src, dst) / Udp(1, 53)


def udp6(src: str = "2001:db8::7", dst: str = "2001:db8::1") -> Frame:
    return udp(src, dst)


def send(program: Program, *frames: Frame) -> None:
    for frame in frames:
        program.test_run(bytes(frame))


def nonzero(counts: Iterable[tuple[Prefix, int, int]]) -> Counts:
    return {str(prefix): (packets, size) for prefix, packets, size in counts if packets or size}


class Counting:
    """A policy in the kernel, attached to nothing, with counters for the prefixes of its sets."""

    def __init__(self, text: str) -> None:
        self.policy = Policy.parse(text)
        members = read_contents(self.policy).members
        # The number of a set in keys is not its position in the policy.
        places = [n for n, spec in enumerate(self.policy.sets.values()) if spec.counters]
        self.numbers = {list(self.policy.sets)[n]: 100 - n for n in places}
        self.generation = Generation.load(
            self.policy,
            members,
            slots=replace(first_slots(self.policy), counting=self.numbers),
            sizes={"bans": 16},
            replaying=True,
        )
        self.entries = PrefixCounters(self.generation.maps, {n: 100 - n for n in places})
        self.entries.replace(members).finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.generation.close()

    def send(self, *frames: Frame) -> None:
        send(self.generation.program, *frames)

    def __getitem__(self, name: str) -> Counts:
        return nonzero(self.entries.counts(self.numbers[name]))


def policy(sets: str, *matches: str, action: str = 'action = "drop"\n') -> str:
    rules = (f'[[rule]]\nname = "r{n}"\nmatch = {{ {m} }}\n{action}' for n, m in enumerate(matches))
    return sets + "".join(rules)


def counted(name: str, *prefixes: str) -> str:
    return f"[set.{name}]\ncounters = true\nprefixes = {list(prefixes)}\n"


NESTED = counted(
    "bad",
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "::/0",
    "2001:db8::/32",
    "2001:db8::7",
)


def test_longest_prefix_counts() -> None:
    with Counting(policy(NESTED, 'src = "@bad"')) as counting:
        counting.send(
            udp("10.1.2.3"), udp("10.1.2.3"), udp("10.1.2.4"), udp("10.2.0.1"), udp("192.0.2.1")
        )
        counting.send(udp6("2001:db8::7"), udp6("2001:db8::8"), udp6("2001:db9::"))
        assert counting["bad"] == {
            "0.0.0.0/0": (1, 42),
            "10.0.0.0/8": (1, 42),
            "10.1.0.0/16": (1, 42),
            "10.1.2.3": (2, 84),
            "::/0": (1, 62),
            "2001:db8::/32": (1, 62),
            "2001:db8::7": (1, 62),
        }


def test_order_and_zeros() -> None:
    with Counting(policy(NESTED, 'src = "@bad"')) as counting:
        listed = list(counting.entries.counts(counting.numbers["bad"]))
    assert [entry.prefix for entry in listed] == sorted(entry.prefix for entry in listed)
    assert len(listed) == 7
    assert {entry[1:] for entry in listed} == {(0, 0)}


def test_families_are_apart() -> None:
    """IPv4 addresses are stored in ::ffff:0:0/96, but no IPv6 prefix contains them."""
    sets = counted("six", "::/0", "::/64", "::/80") + counted("four", "198.51.100.1")
    with Counting(policy(sets, 'src = ["@six", "@four"]')) as counting:
        counting.send(udp("198.51.100.1"), udp6("::5"))
        assert counting["six"] == {"::/80": (1, 62)}
        assert counting["four"] == {"198.51.100.1": (1, 42)}


def test_two_sets_in_a_rule() -> None:
    sets = counted("one", "10.0.0.0/8") + counted("two", "10.1.0.0/16", "172.16.0.0/12")
    with Counting(policy(sets, 'src = ["@one", "@two"]')) as counting:
        counting.send(udp("10.1.0.1"), udp("10.2.0.1"), udp("172.16.0.1"), udp("192.0.2.77"))
        assert counting["one"] == {"10.0.0.0/8": (2, 84)}
        assert counting["two"] == {"10.1.0.0/16": (1, 42), "172.16.0.0/12": (1, 42)}


def test_destination() -> None:
    sets = counted("here", "192.0.2.0/24") + counted("there", "192.0.2.0/24", "198.51.100.0/24")
    with Counting(policy(sets, 'src = "@there", dst = "@here"')) as counting:
        counting.send(udp("198.51.100.1", "192.0.2.1"), udp("192.0.2.1", "198.51.100.1"))
        assert counting["here"] == {"192.0.2.0/24": (1, 42)}
        assert counting["there"] == {"198.51.100.0/24": (1, 42)}


def test_both_addresses_in_one_set() -> None:
    with Counting(policy(counted("lan", "10.0.0.0/8"), 'src = "@lan", dst = "@lan"')) as counting:
        counting.send(udp("10.0.0.1", "10.0.0.2"), udp("10.0.0.1", "192.0.2.1"))
        assert counting["lan"] == {"10.0.0.0/8": (2, 84)}


def test_negated_sets_do_not_count() -> None:
    sets = counted("lan", "10.0.0.0/8") + counted("bad", "10.0.0.0/8", "192.0.2.0/24")
    with Counting(policy(sets, 'src = ["@bad", "!@lan"]', 'src = "@lan"')) as counting:
        counting.send(udp("192.0.2.1"), udp("10.0.0.1"))
        assert counting["bad"] == {"192.0.2.0/24": (1, 42)}
        assert counting["lan"] == {"10.0.0.0/8": (1, 42)}


def test_rules_that_only_count() -> None:
    """Each rule that finds an address in a set counts, until the walk ends."""
    sets = counted("bad", "10.0.0.0/8") + counted("never", "10.0.0.0/8")
    rules = policy(sets, 'src = "@bad"', action="") + (
        '[[rule]]\nname = "last"\nmatch = { src = "@bad" }\naction = "drop"\n'
        '[[rule]]\nname = "behind"\nmatch = { src = "@never" }\naction = "drop"\n'
    )
    with Counting(rules) as counting:
        counting.send(udp("10.0.0.1"))
        assert counting["bad"] == {"10.0.0.0/8": (2, 84)}
        assert counting["never"] == {}


def test_rest_of_the_match_must_hold() -> None:
    with Counting(policy(counted("bad", "10.0.0.0/8"), 'src = "@bad", port = 53')) as counting:
        counting.send(udp("10.0.0.1"), Eth() / IPv4("10.0.0.1") / Udp(53, 53))
        counting.send(Eth() / IPv4("10.0.0.1") / Udp(1, 2))
        assert counting["bad"] == {"10.0.0.0/8": (2, 84)}


def test_sets_without_counters() -> None:
    sets = '[set.plain]\nprefixes = ["10.0.0.0/8"]\n' + counted("bad", "10.1.0.0/16")
    with Counting(policy(sets, 'src = ["@plain", "@bad"]')) as counting:
        counting.send(udp("10.1.0.1"))
        assert counting.numbers == {"bad": 99}
        assert counting["bad"] == {"10.1.0.0/16": (1, 42)}
        keys = [key for key, _ in counting.generation.maps["prefix_counters"].items()]
        assert {key["set"] for key in keys} == {99}


def test_all_64_sets() -> None:
    names = [f"s{n}" for n in range(64)]
    sets = "".join(counted(name, "10.0.0.0/8", f"10.0.0.{n}") for n, name in enumerate(names))
    with Counting(policy(sets, f"src = {[f'@{name}' for name in names]}")) as counting:
        counting.send(udp("10.0.0.63"), udp("10.1.1.1"))
        for name in names[:-1]:
            assert counting[name] == {"10.0.0.0/8": (2, 84)}
        assert counting["s63"] == {"10.0.0.0/8": (1, 42), "10.0.0.63": (1, 42)}


SPACES = [(Prefix.parse("10.9.0.0/28"), 6), (Prefix.parse("2001:db8::/124"), 6)]


def some_prefix(random: Random) -> Prefix:
    space, spread = random.choice(SPACES)
    bits = random.randint(space.bits, 128) if random.random() < 0.9 else random.randint(96, 120)
    return Prefix.around(space.address | random.getrandbits(spread), bits)


def some_addresses(random: Random, sets: list[str]) -> list[str]:
    asked = random.sample(sets, random.randint(1, 4))
    negated = random.sample(sets, random.randint(0, 1))
    literals = [str(some_prefix(random)) for _ in range(random.randint(0, 1))]
    return [f"@{n}" for n in asked if n not in negated] + [f"!@{n}" for n in negated] + literals


def some_policy(random: Random) -> str:
    names = [f"s{n}" for n in range(5)]
    sets = "".join(
        f"[set.{name}]\ncounters = {'true' if n else 'false'}\n"
        f"prefixes = {[str(some_prefix(random)) for _ in range(random.randint(1, 12))]}\n"
        for n, name in enumerate(names)
    )
    rules = []
    for n in range(random.randint(1, 70)):
        sides = random.choice((("src",), ("dst",), ("src", "dst")))
        match = ", ".join(f"{side} = {some_addresses(random, names)}" for side in sides)
        action = '\naction = "drop"' if random.random() < 0.2 else ""
        rules.append(f'[[rule]]\nname = "r{n}"\nmatch = {{ {match} }}{action}\n')
    return sets + "".join(rules)


class Expected:
    """The expected counters of prefixes, by the model."""

    def __init__(self, policy: Policy) -> None:
        self.model = Model(policy)
        self.counts: dict[str, Counts] = {name: {} for name in policy.sets}

    def send(self, frame: Frame) -> None:
        packet = parse(bytes(frame), None)
        assert isinstance(packet, Packet)
        matched = set(self.model.decide(packet).matched)
        for rule in self.model.policy.rules:
            for asked, address in (
                (rule.match.src, packet.source),
                (rule.match.dst, packet.destination),
            ):
                for name in asked.sets if asked and rule.name in matched else ():
                    self._count(name, address, packet.family)

    def _count(self, name: str, address: int, family: int) -> None:
        holding = [p for p in self.model.policy.sets[name].prefixes if address in p]
        if holding:
            longest = str(max(holding, key=lambda prefix: prefix.bits))
            packets, size = self.counts[name].get(longest, (0, 0))
            self.counts[name][longest] = packets + 1, size + FRAME_BYTES[family]


@pytest.mark.parametrize("seed", range(12))
def test_like_the_model(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    text = some_policy(random)
    with Counting(text) as counting:
        expected = Expected(counting.policy)
        for _ in range(60):
            if random.random() < 0.5:
                frame = udp(f"10.9.0.{random.randint(0, 70)}", f"10.9.0.{random.randint(0, 70)}")
            else:
                src, dst = (f"2001:db8::{random.randint(0, 70):x}" for _ in range(2))
                frame = udp6(src, dst)
            counting.send(frame)
            expected.send(frame)
        found = {name: counting[name] for name in counting.numbers}
        assert found == {name: expected.counts[name] for name in counting.numbers}, text


# Over the life of a datapath.

Up = Callable[[str], Datapath]


@pytest.fixture
def up(veth: Interface, bpffs: Path) -> Iterator[Up]:
    opened = []

    def up(text: str) -> Datapath:
        opened.append(Datapath.up(veth.name, Policy.parse(text)))
        return opened[-1]

    yield up
    for datapath in opened:
        datapath.down()


def send_through(datapath: Datapath, *frames: Frame) -> None:
    with datapath.reading() as handles:
        send(handles.program, *frames)


def members(*prefixes: str) -> Members:
    return Members.of(map(Prefix.parse, prefixes))


BAD = policy(counted("bad", "10.0.0.0/8", "10.1.0.0/16"), 'src = "@bad"')


def test_counts_survive_apply(up: Up) -> None:
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"), udp("10.2.0.1"))
    sets = counted("new", "10.0.0.0/8") + counted("bad", "10.0.0.0/8", "10.2.0.0/16")
    datapath.apply(Policy.parse(policy(sets, 'src = ["@bad", "@new"]')))
    assert nonzero(datapath.sets.counters("bad")) == {"10.0.0.0/8": (1, 42)}
    assert nonzero(datapath.sets.counters("new")) == {}

    send_through(datapath, udp("10.1.0.1"), udp("10.2.0.1"))
    assert nonzero(datapath.sets.counters("bad")) == {
        "10.0.0.0/8": (2, 84),
        "10.2.0.0/16": (1, 42),
    }
    assert nonzero(datapath.sets.counters("new")) == {"10.0.0.0/8": (2, 84)}


def test_counters_come_and_go(up: Up) -> None:
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"))
    assert datapath.difference(Policy.parse(BAD)).empty
    difference = datapath.apply(Policy.parse(BAD.replace("true", "false")))
    assert (difference.counting, difference.empty) == (("bad",), False)
    with pytest.raises(RequestError, match=r"no counters \(write counters = true under"):
        datapath.sets.counters("bad")
    with datapath.reading() as handles:
        assert list(handles.maps["prefix_counters"].items()) == []
    datapath.apply(Policy.parse(BAD))
    assert [entry[1:] for entry in datapath.sets.counters("bad")] == [(0, 0), (0, 0)]
    with pytest.raises(RequestError, match="no such set"):
        datapath.sets.counters("worse")


def test_live_changes(up: Up) -> None:
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"), udp("10.2.0.1"))
    datapath.sets.add("bad", members("10.1.0.0/16", "10.1.0.1", "2001:db8::/32", "192.0.2.0/24"))
    send_through(datapath, udp("10.1.0.1"), udp6(), udp("192.0.2.1"))
    assert nonzero(datapath.sets.counters("bad")) == {
        "10.0.0.0/8": (1, 42),
        "10.1.0.0/16": (1, 42),
        "10.1.0.1": (1, 42),
        "192.0.2.0/24": (1, 42),
        "2001:db8::/32": (1, 62),
    }
    datapath.sets.remove("bad", members("10.1.0.0/16", "10.1.0.1", "10.99.0.0/16"))
    send_through(datapath, udp("10.1.0.1"))
    datapath.sets.add("bad", members("10.1.0.1"))
    assert nonzero(datapath.sets.counters("bad")) == {
        "10.0.0.0/8": (2, 84),
        "192.0.2.0/24": (1, 42),
        "2001:db8::/32": (1, 62),
    }
    assert {entry.prefix for entry in datapath.sets.counters("bad")} == {
        prefix for prefix, _ in datapath.sets.members("bad")
    }


def test_replaced_contents(up: Up) -> None:
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"), udp("10.2.0.1"))
    datapath.sets.replace("bad", members("10.0.0.0/8", "192.0.2.0/24"))
    assert list(datapath.sets.counters("bad")) == [
        (Prefix.parse("10.0.0.0/8"), 1, 42),
        (Prefix.parse("192.0.2.0/24"), 0, 0),
    ]


def test_change_that_needs_a_new_table(up: Up) -> None:
    """Adding more prefixes than the live table has room for."""
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"))
    many = [Prefix((0x2001_0DB8 << 96) + (n << 64), 64 + n % 60) for n in range(70_000)]
    prefixes = [*many, many[0], Prefix.parse("10.0.0.0/8")]
    assert datapath.sets.add("bad", Members.of(prefixes)) == (70_000, 2)
    assert datapath.manifest.generation == 2
    assert len(list(datapath.sets.counters("bad"))) == 70_002
    assert nonzero(datapath.sets.counters("bad")) == {"10.1.0.0/16": (1, 42)}


def test_failure_leaves_counters_as_they_were(up: Up) -> None:
    datapath = up(BAD)
    send_through(datapath, udp("10.1.0.1"))
    before = datapath.sets.counters("bad")
    number = datapath.manifest.counting["bad"]
    other = members("10.1.0.0/16", "10.1.0.1")
    with datapath.reading() as handles:
        counters = PrefixCounters(handles.maps, {0: number})
        replacement = counters.replace(other, counting=[number])
        assert len(datapath.sets.counters("bad")) == 3
        replacement.undo()
        assert datapath.sets.counters("bad") == before

        def fail() -> None:
            with counters.adding(other):
                assert len(datapath.sets.counters("bad")) == 3
                raise KernelError("change")

        with pytest.raises(KernelError, match="change"):
            fail()
    assert datapath.sets.counters("bad") == before
