"""Explanations of what a policy does to an address, for ``wirepath test ADDRESS``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from wirepath.model import Model
from wirepath.net import Ban, Hook, Verdict, format_address, is_ipv4
from wirepath.policy import Rule
from wirepath.policy.names import ICMP, ICMPV6, TCP, UDP
from wirepath.policy.sketch import Sketch


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that matches some or all packets from the address.

    Attributes:
        rule: the rule.
        certain: it matches all packets from the address that reach it.
        depends: if not certain, the conditions that are open: ``dport 22``.
    """

    rule: Rule
    certain: bool
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation for packets from one address.

    Attributes:
        address: the source.
        hook: the hook at which packets are judged.
        sets: the sets that contain the address.
        ban: the ban in force on it, if any.
        never_block: the address is in ``never_block``.
        steps: rules that match or could, in order, up to the first that certainly ends the walk;
            empty if the guard decides.
        verdict: for a packet that matches none of the uncertain steps.
        possible: every verdict that some packet from the address may get.
    """

    address: int
    hook: Hook
    sets: tuple[str, ...]
    ban: Ban | None
    never_block: bool
    steps: tuple[Step, ...]
    verdict: Verdict
    possible: frozenset[str]

    def document(self) -> dict[str, Any]:
        """Give the explanation as plain values, for ``--json``."""
        return {
            "address": format_address(self.address),
            "hook": self.hook,
            "sets": list(self.sets),
            "banned_by": str(self.ban.prefix) if self.ban else None,
            "never_block": self.never_block,
            "rules": [
                {
                    "name": step.rule.name,
                    "match": step.rule.match.describe(),
                    "action": step.rule.action.describe(),
                    "certain": step.certain,
                    "depends": list(step.depends),
                }
                for step in self.steps
            ],
            "verdict": self.verdict.verdict,
            "reason": self.verdict.reason,
            "rule": self.verdict.rule,
            "possible": sorted(self.possible),
        }


def explain(
    model: Model,
    address: int,
    *,
    now_ns: int = 0,
    proto: int | None = None,
    dport: int | None = None,
) -> Explanation:
    """Explain what happens to packets from *address*.

    Args:
        model: the policy with its sets and bans.
        address: the source.
        now_ns: time on the clock by which bans expire.
        proto: protocol of the packets; any if None.
        dport: their destination port; if None, any port or none.
    """
    sets = tuple(name for name, members in model.sets.items() if address in members)
    ban = model.ban(address, now_ns)
    never_block = model.is_never_blocked(address)
    steps: tuple[Step, ...] = ()
    if never_block:
        verdict = Verdict("pass", "never_block")
    elif ban:
        verdict = Verdict("drop", "banned", rule=ban.rule)
    else:
        steps = tuple(_steps(model, _sketches(address, proto, dport)))
        verdict = _end(model, steps)
    possible = frozenset({verdict.verdict, *(v for step in steps for v in step.rule.action.may)})
    return Explanation(address, model.hook, sets, ban, never_block, steps, verdict, possible)


def _sketches(address: int, proto: int | None, dport: int | None) -> list[Sketch]:
    # One sketch for each protocol that the packet may have; a port narrows them to two.
    family: Literal[4, 6] = 4 if is_ipv4(address) else 6
    if proto is None and dport is None:
        return [Sketch(family=family, source=address)]
    protos = [TCP, UDP] if proto is None else [proto]
    return [_sketch(family, address, number, dport) for number in protos]


def _sketch(family: Literal[4, 6], address: int, proto: int, dport: int | None) -> Sketch:
    known: dict[str, Any] = {"proto": proto}
    if proto not in (TCP, UDP):
        known |= {"sport": None, "dport": None}
    elif dport is not None:
        known["dport"] = dport
    if proto != TCP:
        known["tcp_flags"] = None
    if proto not in (ICMP, ICMPV6):
        known["icmp_type"] = None
    if proto not in (TCP, UDP, ICMP, ICMPV6):
        known["ct"] = "untracked"
    return Sketch(family=family, source=address, **known)


def _steps(model: Model, sketches: list[Sketch]) -> Iterator[Step]:
    for rule in model.policy.rules:
        answers = {rule.match.judge(sketch, model.sets) for sketch in sketches}
        if answers == {False}:
            continue
        certain = answers == {True}
        depends = () if certain else tuple(_open(model, rule, sketches))
        yield Step(rule, certain, depends)
        if certain and rule.action.verdict:
            return


def _open(model: Model, rule: Rule, sketches: list[Sketch]) -> Iterator[str]:
    for predicate in rule.match.predicates():
        if {predicate.judge(sketch, model.sets) for sketch in sketches} != {True}:
            yield predicate.describe()


def _end(model: Model, steps: tuple[Step, ...]) -> Verdict:
    last = steps[-1] if steps else None
    action = last.rule.action if last and last.certain else None
    if last and action and action.verdict:
        return Verdict(action.verdict, action.reason, rule=last.rule.name)
    return Verdict(model.policy.datapath.default, "default")
