"""The plan of one hook: its constants and the tables of its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypedDict

import numpy as np

from wirepath.actions.placed import NO_SLOT
from wirepath.plan import actions
from wirepath.plan.classifier import SET_DIMENSIONS, lower
from wirepath.plan.clauses import CT_DIMENSIONS
from wirepath.plan.constants import DIMENSION, constants
from wirepath.plan.spaces import FRAGMENTS, STATES
from wirepath.plan.tables import ByEnum, InPlace, Members, Plan, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.net import Hook, Link
    from wirepath.plan.classifier import Classifier
    from wirepath.plan.slots import Slots
    from wirepath.plan.tables import Column
    from wirepath.policy import Policy

# Dimensions whose values are the members of an enum: its name and its members.
_NAMED: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "fragment": ("fragment", FRAGMENTS),
    **dict.fromkeys(CT_DIMENSIONS, ("ct", STATES)),
}
_PREFIX_TABLE: Final = ("lines", "fences", "leaves")


class Rows(TypedDict):
    """The layout of a hook's rows, by which a live change adds the rows of a new class of sets.

    Attributes:
        sets: by dimension of sets, where its rows begin, in words.
        residents: how many bits of a row are in use.
        words: words of a row, with its summary.
    """

    sets: dict[str, int]
    residents: int
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlan(Plan):
    """The plan of one hook.

    Attributes:
        rows: the layout of its rows.
    """

    rows: Rows


def plan_hook(
    hook: Hook,
    policy: Policy,
    slots: Slots,
    *,
    set_masks: Sequence[int],
    set_room: int,
    devices: Mapping[str, int],
    link: Link,
) -> HookPlan:
    """Plan the rules that *policy* has at *hook*.

    Args:
        hook: the hook to plan.
        policy: the rules of all hooks.
        slots: the places of its names.
        set_masks: by class of the set table, its sets, as in `lower`.
        set_room: how many such classes the rows have room for.
        devices: the ifindex of each existing device that copies go to, by `Target.words`.
        link: the headers that frames begin with.

    Raises:
        RequestError: the policy asks for more than the tables hold.
    """
    lowered = lower(policy.at(hook), set_masks, set_room)
    return HookPlan(
        constants=constants(hook, lowered, slots, link),
        tables={
            "values": _values(lowered),
            "management": _column(lowered.literals.classes, never_block=lowered.never_block),
            "rows": _column(len(lowered.rows), clauses=lowered.rows),
            "clauses": _clauses(lowered, slots),
            **_filing(lowered),
            **_needs(lowered),
            **actions.tables(lowered.policy, slots, devices),
            **_literals(lowered),
        },
        in_place=_literals_in_place(lowered),
        rows=Rows(
            sets={dimension: lowered.row_base[dimension] for dimension in lowered.needs},
            residents=len(lowered.filing.residents),
            words=lowered.summary_words + lowered.words,
        ),
    )


def _column(entries: int, **columns: NDArray[Any]) -> Table:
    return Table(entries=entries, columns=columns)


# One struct, with an array for each dimension.
def _values(lowered: Classifier) -> Table:
    columns: dict[str, Column] = {}
    for dimension, classes in lowered.values.items():
        if dimension == "icmp_type":
            columns["icmp"], columns["icmpv6"] = (half[None] for half in np.split(classes, 2))
        elif dimension in _NAMED:
            enum, members = _NAMED[dimension]
            of = zip(members, classes.reshape(-1, 1), strict=True)
            columns[dimension] = ByEnum(enum, dict(of))
        else:
            columns[dimension] = classes[None]
    return Table(entries=1, columns=columns)


def _clauses(lowered: Classifier, slots: Slots) -> Table:
    rules, configs = lowered.policy.rules, actions.configs(lowered.policy)
    of = [clause.rule for clause in lowered.clauses]
    ends, bits = lowered.rule_ends()
    counters = [slots.counters.get(rules[n].name, NO_SLOT) for n in of]
    columns: dict[str, Column] = {
        "next": ends,
        "next_resident": bits,
        "rule": np.array(counters, dtype=np.uint32),
        "verdict": Members("verdict", [rules[n].action.verdict or "continue" for n in of]),
        "action": Members("action", [rules[n].action.kind for n in of]),
        "config": np.array([configs[n].entry for n in of], dtype=np.uint16),
        "src_counters": lowered.counter_sets("src_set"),
        "dst_counters": lowered.counter_sets("dst_set"),
    }
    return Table(entries=len(of), columns=columns)


def _filing(lowered: Classifier) -> dict[str, Table]:
    filing = lowered.filing
    lists, clauses = filing.lists, len(lowered.clauses) if filing.in_runs else 0
    low, high = ({d: np.zeros(clauses, np.uint16) for d in filing.in_runs} for _ in range(2))
    for dimension, (lowest, highest) in filing.in_runs.items():
        low[dimension][filing.filed] = lowest
        high[dimension][filing.filed] = highest
    runs = {"low": ByEnum(DIMENSION, low), "high": ByEnum(DIMENSION, high)}
    return {
        "residents": _column(len(filing.residents), clause=filing.residents),
        "lists": _column(len(lists), narrow=lists[:, 0], wide=lists[:, 1]),
        "blocks": _column(len(filing.block_low), low=filing.block_low, high=filing.block_high),
        "runs": Table(entries=clauses, columns=runs),
    }


def _needs(lowered: Classifier) -> dict[str, Table]:
    none = np.zeros((0, 2), np.uint64)
    needs = {dimension: lowered.needs.get(dimension, none) for dimension in SET_DIMENSIONS}
    return {
        f"{dimension}_needs": _column(len(of), any=of[:, 0], none=of[:, 1])
        for dimension, of in needs.items()
    }


def _needs_literals(lowered: Classifier) -> bool:
    return bool(lowered.policy.datapath.never_block or {"src", "dst"} & set(lowered.dimensions))


def _literals(lowered: Classifier) -> dict[str, Table]:
    if not _needs_literals(lowered):
        return {}
    table = lowered.literals.table
    return {f"literal_{part}": Table(entries=getattr(table, part)) for part in _PREFIX_TABLE}


def _literals_in_place(lowered: Classifier) -> tuple[InPlace, ...]:
    if not _needs_literals(lowered):
        return ()
    maps = {part: f"literal_{part}" for part in _PREFIX_TABLE}
    table = lowered.literals.table
    return (InPlace(table.write, maps | {"prefix_head": "literal_head"}),)
