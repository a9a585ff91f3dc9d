"""Explanations of what a policy does to an address, for ``wirepath test ADDRESS``."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

from wirepath.errors import RequestError
from wirepath.essentials import may_be_essential
from wirepath.model import Model
from wirepath.net import Ban, Ct, Family, Hook, Verdict, format_address, is_ipv4, parse_address
from wirepath.policy import Policy, Rule
from wirepath.policy.names import ICMP, ICMPV6, TCP, UDP
from wirepath.policy.numbers import FIELDS
from wirepath.policy.sketch import UNKNOWN, Sketch

AnyAddress = str | IPv4Address | IPv6Address | int
"""The types that functions accept as an address; an int is a number of 128 bits."""


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        when = "always" if self.certain else f"if {', '.join(self.depends)}"
        return f"<{self.rule.name} {when}: {self.rule.action.describe()}>"


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """The explanation for packets from one address.

    Attributes:
        address: the source, as a number of 128 bits.
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

    def __repr__(self) -> str:
        return f"<{format_address(self.address)} at {self.hook}: {self.verdict!r}>"

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
    policy: Policy,
    address: AnyAddress,
    *,
    hook: Hook = "ingress",
    proto: int | str | None = None,
    dport: int | None = None,
    state: Ct | None = None,
    skip_bad: bool = False,
) -> Explanation:
    """Explain what *policy* does to packets from *address*, without a kernel.

    Args:
        policy: the policy; the files of its sets are read.
        address: the source.
        hook: the hook at which packets are judged.
        proto: protocol of the packets, by name or number; any if None.
        dport: their destination port; if None, any port or none.
        state: the state of their connection; any if None.
        skip_bad: whether to skip bad lines of set files.

    Raises:
        RequestError: the address, protocol or port is not valid.
        PolicyError: a set file has bad lines.
    """
    from wirepath.plan.set_files import read_contents
    from wirepath.prefixes import Tables
    from wirepath.prefixes.offline import by_name, offline

    members = read_contents(policy, skip_bad=skip_bad, yes=True).members
    with offline(Tables.build(members)) as sets:
        model = Model(policy, by_name(sets, policy.sets), hook=hook)
        return explain_by(model, address, proto=proto, dport=dport, state=state)


def explain_by(
    model: Model,
    address: AnyAddress,
    *,
    now_ns: int = 0,
    proto: int | str | None = None,
    dport: int | None = None,
    state: Ct | None = None,
) -> Explanation:
    """Explain what happens to packets from *address* by *model*: its policy, sets and bans.

    Args:
        model: the model of a policy at one hook.
        address: the source.
        now_ns: time on the clock by which bans expire.
        proto: as in `explain`.
        dport: as in `explain`.
        state: as in `explain`.

    Raises:
        RequestError: the address, protocol or port is not valid.
    """
    address = address if isinstance(address, int) else parse_address(str(address))
    proto, dport = _number("proto", proto), _number("dport", dport)
    if dport is not None and proto not in (None, TCP, UDP):
        raise RequestError("dport: only tcp and udp have ports (leave out dport or proto)")
    sets = tuple(name for name, members in model.sets.items() if address in members)
    ban = model.ban(address, now_ns)
    never_block = model.is_never_blocked(address)
    steps: tuple[Step, ...] = ()
    if never_block:
        verdict = Verdict("pass", "never_block")
    elif ban:
        verdict = Verdict("drop", "banned", rule=ban.rule)
    else:
        steps = tuple(_steps(model, _sketches(model.hook, address, proto, dport, state)))
        verdict = _end(model, steps)
    possible = {verdict.verdict, *(v for step in steps for v in step.rule.action.may)}
    family: Family = 4 if is_ipv4(address) else 6
    essentials = model.policy.datapath.passes_essentials
    if essentials and may_be_essential(family, proto, dport, model.hook):
        possible.add("pass")
    if _drops_fragments(model, verdict, dport):
        possible.add("drop")
    return Explanation(
        address, model.hook, sets, ban, never_block, steps, verdict, frozenset(possible)
    )


# Whether later fragments are dropped ahead of the rules. They have no ports, so that packets to a
# certain one are none.
def _drops_fragments(model: Model, verdict: Verdict, dport: int | None) -> bool:
    guarded = verdict.reason in ("never_block", "banned")
    return model.policy.datapath.fragments == "drop" and dport is None and not guarded


def _number(key: str, value: int | str | None) -> int | None:
    if value is None:
        return None
    low, high = FIELDS[key].read(value)
    if low != high:
        raise RequestError(f"{key} {value}: a range (name one)")
    return low


def _sketches(
    hook: Hook, address: int, proto: int | None, dport: int | None, state: Ct | None
) -> list[Sketch]:
    # One sketch for each protocol that the packet may have; a port narrows them to two.
    family: Literal[4, 6] = 4 if is_ipv4(address) else 6
    if proto is None and dport is None:
        sketches = [Sketch(family=family, source=address)]
    else:
        protos = [TCP, UDP] if proto is None else [proto]
        sketches = [_sketch(family, address, number, dport) for number in protos]
    if hook != "egress":  # programs can look up connections of these protocols alone
        sketches = [
            each
            if each.proto in (UNKNOWN, TCP, UDP, ICMP, ICMPV6)
            else replace(each, ct="untracked")
            for each in sketches
        ]
    return [replace(each, ct=state) for each in sketches] if state else sketches


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
