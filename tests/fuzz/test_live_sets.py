# ruff: noqa: S311 - a seed, so that it fails again
"""Sets that change while the program reads them: after each change kernel and model agree."""

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from harness.chance import Aim, Maker, Shooter
from harness.seeding import seeds
from harness.xdp import Expected, Xdp, agree
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.state import first_slots
from wirepath.datapath.live.set_view import SetView
from wirepath.datapath.live.sets import Sets
from wirepath.model import Model, PrefixSet
from wirepath.net import Prefix
from wirepath.policy import Policy
from wirepath.prefixes import Members

if TYPE_CHECKING:
    from wirepath.datapath.access import Access

pytestmark = pytest.mark.kernel


class Standing:
    """The part of an `Access` that `Sets` needs, for a program that is attached to nothing."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rebuilt = 0
        self._load(None)

    def _load(self, members: Members | None) -> None:
        self.xdp = Xdp(self.policy, members)
        generation = self.xdp.generation
        self.maps = self.xdp.maps
        self.manifest = Manifest.of(
            self.policy, {"ingress": generation.plan},
            root_bits=generation.planned.tables.root_bits,
            mode="native", since=0, slots=first_slots(self.policy), tc="tcx",
        )  # fmt: skip

    def serving(self) -> Any:
        handles = SimpleNamespace(
            iface="none", maps=self.maps, tables={"ingress": self.maps}, manifest=self.manifest
        )
        return nullcontext(handles)

    reading = changing = writing = serving

    def rebuild(self, _: object, members: Members) -> None:
        self.xdp.close()
        self.rebuilt += 1
        self._load(members)


class Changing:
    """A policy with changing sets, in the kernel and in the model."""

    def __init__(self, random: Random, policy: Policy) -> None:
        self.random = random
        self.standing = Standing(policy)
        self.sets = Sets(cast("Access", self.standing))
        self.contents = {name: PrefixSet(spec.prefixes) for name, spec in policy.sets.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.standing.xdp.close()

    def all_members(self) -> Members:
        with self.standing.serving() as handles:
            return SetView(handles).all_members()

    def change(self, maker: Maker, most: int) -> list[Prefix]:
        """Add random prefixes to a set, or remove some; return them."""
        r = self.random
        name = r.choice(tuple(self.contents))
        inside = self.contents[name]
        if r.random() < 0.4:
            return self._remove(
                name, r.sample(sorted(inside), min(len(inside), r.randint(1, most)))
            )
        drawn = {maker.prefix() for _ in range(r.randint(1, most))}
        fresh = drawn - set(inside)
        change = self.sets.add(name, Members.of(drawn))
        assert (change.done, change.unchanged) == (len(fresh), len(drawn) - len(fresh))
        for prefix in fresh:
            inside.add(prefix)
        return list(drawn)

    def _remove(self, name: str, prefixes: list[Prefix]) -> list[Prefix]:
        assert self.sets.remove(name, Members.of(prefixes)).done == len(prefixes)
        for prefix in prefixes:
            self.contents[name].remove(prefix)
        return prefixes

    def check(self, touched: Collection[Prefix], count: int) -> None:
        """Judge frames from and to the edges of the prefixes that were *touched*."""
        policy = self.standing.policy
        edges = {e for p in touched for e in (p.address, p.last, p.address - 1, p.last + 1)}
        edges = {edge for edge in edges if 0 <= edge < 1 << 128}
        aim = Aim.at(policy)
        ipv4 = tuple(e for e in edges if e >> 32 == 0xFFFF)
        ipv6 = tuple(e for e in edges if e >> 32 != 0xFFFF)
        aim = replace(aim, ipv4=ipv4 or aim.ipv4, ipv6=ipv6 or aim.ipv6)
        shooter = Shooter(self.random, aim)
        sent = [shooter.sent() for _ in range(count)]
        expected, xdp = Expected(Model(policy, self.contents)), self.standing.xdp
        xdp.forget()
        agree(xdp, expected, sent)
        counts = {name: len(prefixes) for name, prefixes in self.contents.items()}
        assert self.sets.counts() == counts


def _policy(random: Random, rules: int, sets: int, prefixes: int) -> tuple[Maker, Policy]:
    maker = Maker(random, keys=("src", "dst") if random.random() < 0.5 else ())
    return maker, maker.policy(rules, sets, prefixes)


@pytest.mark.parametrize("rules", [10, 200])
def test_small_changes(rules: int) -> None:
    for seed in seeds():
        random = Random(seed)
        maker, policy = _policy(random, rules, random.randint(1, 12), 20)
        with Changing(random, policy) as changing:
            for _ in range(12):
                changing.check(changing.change(maker, random.choice((1, 1, 5, 40))), 60)


def test_what_does_not_fit_is_built_anew() -> None:
    """More combinations of sets than the rows have room for classes."""
    random = Random(5)
    maker, policy = _policy(random, 10, 40, 3)
    with Changing(random, policy) as changing:
        for _ in range(25):
            touched = changing.change(maker, 60)
        changing.check(touched, 500)
        assert changing.standing.rebuilt


def test_the_same_as_built_anew() -> None:
    """A changed set judges like one that was built with the same contents."""
    for seed in seeds():
        random = Random(seed)
        maker, policy = _policy(random, 10, 4, 100)
        with Changing(random, policy) as changing:
            touched = [p for _ in range(10) for p in changing.change(maker, 100)]
            changing.check(touched, 100)
            changing.standing.rebuild(None, changing.all_members())
            changing.check(touched, 100)
