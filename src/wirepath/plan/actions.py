"""Lower the actions of rules: their structs, their constants, and the sizes of their state maps.

The structs of each kind of action have a map of their own. Limits are actions, and parts of other
actions: all of them lie in one map, and other actions refer to them by their entries there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath import actions
from wirepath.actions.limit import BUCKETS, Limit
from wirepath.actions.needs import Copies
from wirepath.actions.placed import NO_SLOT, Placed
from wirepath.errors import RequestError
from wirepath.plan.limits import limits_of
from wirepath.plan.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.actions import Action
    from wirepath.actions.state import StateMap
    from wirepath.plan.slots import Slots
    from wirepath.policy import Policy, Rule

BUCKETS_MOST: Final = 1 << 24  # a cache line each: 1 GiB
STATES: Final[Mapping[str, StateMap]] = {
    state.name: state for kind in actions.kinds() for state in kind.states
}
"""Every map of what actions remember, by C name."""


class Config(NamedTuple):
    """The place of the struct of a rule's action: a map, and the entry in it.

    An action without a struct has no map, and entry 0.
    """

    table: str
    entry: int


def configs(policy: Policy) -> list[Config]:
    """Give the place of the struct of every rule."""
    limits = {name: entry for entry, name in enumerate(limits_of(policy))}
    seen: dict[str, int] = {}
    found = []
    for rule in policy.rules:
        table = rule.action.configs
        if rule.name in limits:
            entry = limits[rule.name]
        else:
            entry = seen.get(table, 0)
            seen[table] = entry + 1
        found.append(Config(table, entry if table else 0))
    return found


def tables(policy: Policy, slots: Slots, devices: Mapping[str, int]) -> dict[str, Table]:
    """Give the tables of the structs of all actions.

    Args:
        policy: the rules of one hook.
        slots: the places of all names.
        devices: the ifindex of each existing device that copies go to, by `Target.words`.
    """
    limits = {name: entry for entry, name in enumerate(limits_of(policy))}
    records: dict[str, list[Mapping[str, object]]] = {name: [] for name in _tables()}
    records[Limit.configs] = [
        limit.lower(_limit_placed(slots, name)) for name, limit in limits_of(policy).items()
    ]
    for rule in policy.rules:
        if rule.action.configs and rule.name not in limits:
            records[rule.action.configs].append(_struct(rule, slots, devices, limits))
    lowered = {name: Table(entries=len(of), records=of) for name, of in records.items()}
    parallel = {name: kind.configs for kind in actions.kinds() for name in kind.parallel}
    return lowered | {name: Table(entries=len(records[of])) for name, of in parallel.items()}


def _tables() -> Iterator[str]:
    return (kind.configs for kind in actions.kinds() if kind.configs)


def _struct(
    rule: Rule, slots: Slots, devices: Mapping[str, int], limits: Mapping[str, int]
) -> Mapping[str, object]:
    placed = Placed(
        slot=slots.counters.get(rule.name, NO_SLOT),
        learned_ns=slots.learned_ns.get(rule.name, 0),
        devices=devices,
    )
    parts = {f"{role}_limit": limits[f"{rule.name}:{role}"] for role in rule.action.limits}
    return rule.action.lower(placed) | parts


def _limit_placed(slots: Slots, name: str) -> Placed:
    if name not in slots.ranges:
        return Placed()
    _, first, buckets = slots.ranges[name]
    return Placed(first_bucket=first, buckets=buckets)


def states(policy: Policy, slots: Slots, cpus: int) -> dict[str, int]:
    """Say how many entries each of `STATES` must have.

    Args:
        policy: the rules of all hooks.
        slots: the places of its names.
        cpus: how many the machine has.

    Raises:
        RequestError: the limits need more memory than `BUCKETS_MOST` allows.
    """
    if slots.buckets > BUCKETS_MOST:
        raise RequestError(
            f"load {policy.file}: its limits need {slots.buckets >> 14} MiB, there are"
            f" {BUCKETS_MOST >> 14} (lower `keys` where few sources are to be told apart)"
        )
    needed: dict[StateMap, list[int]] = {state: [] for state in STATES.values()}
    for part in _parts(policy):
        for state, entries in part.remembers.items():
            needed[state].append(entries)
    sizes = {
        state.name: sum(entries) if state.summed else max(entries, default=0)
        for state, entries in needed.items()
    }
    reserves = {s.name: s.reserve * cpus if sizes[s.name] else 0 for s in needed}
    return {name: size + reserves[name] for name, size in sizes.items()} | {
        BUCKETS.name: slots.buckets
    }


# All actions, and the limits that are parts of them.
def _parts(policy: Policy) -> Iterator[Action]:
    for rule in policy.rules:
        yield rule.action
        yield from (each for each in rule.action.limits.values() if each is not rule.action)


def constants(policy: Policy, slots: Slots) -> dict[str, Any]:
    """Give the constants of all actions, by C name; *policy* has the rules of one hook."""
    limits = limits_of(policy).values()
    banning = [limit for limit in limits if limit.ban_s is not None]
    flags: dict[str, bool] = {}
    for rule in policy.rules:
        for name, value in rule.action.flags.items():
            flags[name] = flags.get(name, False) or value
    return flags | {
        "limit_config": {
            "secret": list(slots.secret),
            "bans": bool(banning),
            "by_rule": any(limit.ban_scope == "rule" for limit in banning),
            "exact": any(limit.exact for limit in limits),
            "by_cgroup": any(limit.per.cgroup for limit in limits),
            "shapes": any(limit.shape for limit in limits),
        },
    }


def bans(policy: Policy) -> bool:
    """Tell whether some limit of *policy* bans."""
    return any(limit.ban_s is not None for limit in limits_of(policy).values())


def ban_lengths(policy: Policy) -> set[int]:
    """Give the prefix lengths of the bans on all packets that limits of *policy* impose."""
    return {
        bits
        for limit in limits_of(policy).values()
        if limit.ban_s is not None and limit.ban_scope == "all"
        for bits in limit.ban_bits
    }


def ban_scopes(policy: Policy) -> list[str]:
    """Name the limits of *policy* that ban sources from their own rule alone."""
    limits = limits_of(policy).items()
    return [name for name, each in limits if each.ban_s is not None and each.ban_scope == "rule"]


def copies(policy: Policy) -> dict[str, str]:
    """Give the target of each rule of *policy* that copies packets, in the operator's words."""
    return {
        rule.name: need.target.words
        for rule in policy.rules
        for need in rule.action.needs
        if isinstance(need, Copies)
    }
