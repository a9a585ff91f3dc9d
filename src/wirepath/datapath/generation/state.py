"""State that is carried from generation to generation: slots by name, and maps packets write."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wirepath.datapath.generation.write import capacity
from wirepath.datapath.live.ban_filter import BanFilter
from wirepath.datapath.live.counters import BySlot
from wirepath.kernel import clock
from wirepath.plan.actions import STATES
from wirepath.plan.slots import SECRETS, Slots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.generation.manifest import Manifest
    from wirepath.kernel.maps import Map
    from wirepath.plan.slots import Range
    from wirepath.policy import Policy

ALWAYS: Final = (
    "outcomes",
    "rule_counters",
    "bans",
    "ban_lengths",
    "ban_filter",
    "prefix_counters",
)
"""Maps that every generation takes over from the previous one."""
STATE: Final = (*ALWAYS, *STATES)
"""Maps that packets or operators write."""
_BYTES: Final = 8


def first_slots(policy: Policy) -> Slots:
    """Assign slots to the names of *policy* on an interface where nothing serves yet."""
    secret = [int.from_bytes(os.urandom(_BYTES), "little") | 1 for _ in range(SECRETS)]
    return Slots.first(policy, secret=secret, now_ns=clock.monotonic_ns())


def attached_nowhere(policy: Policy) -> Slots:
    """Assign slots to the names of *policy* for programs that are never attached.

    No prefix is counted.
    """
    return replace(first_slots(policy), counting={}, learned_ns={})


def next_slots(manifest: Manifest, policy: Policy, maps: Mapping[str, Map]) -> Slots:
    """Assign slots to the names of *policy*; names keep those of the serving generation.

    Args:
        manifest: the manifest of the serving generation.
        policy: the policy that is to serve.
        maps: the maps of the serving generation.
    """
    counters = BySlot(maps)
    return Slots.after(manifest.slots, policy, now_ns=clock.monotonic_ns(), counted=counters.words)


def carried(before: Mapping[str, Map], needed: Mapping[str, int]) -> dict[str, Map]:
    """Choose the maps of the generation *before* that the next one takes over.

    Args:
        before: the maps of the previous generation, by C name.
        needed: by C name of an action's state map, the entries that the next generation needs.
    """
    large_enough = (
        name
        for name, entries in needed.items()
        if name in before and before[name].max_entries >= capacity(entries)
    )
    always = (name for name in ALWAYS if name in before)  # an older wirepath has no filter
    return {name: before[name] for name in (*always, *large_enough)}


def take_over(
    old: Mapping[str, Map],
    new: Mapping[str, Map],
    before: Mapping[str, Range],
    after: Mapping[str, Range],
) -> None:
    """Carry the state of rules that stay over, and clear that of new rules.

    Call this right before the next generation serves: where it has maps of its own, it misses state
    that the serving generation writes from now on.

    Args:
        old: the maps of the serving generation.
        new: the maps of the next generation.
        before: the ranges of limits in the serving generation.
        after: the ranges of limits in the next generation.
    """
    if "ban_filter" not in old:
        BanFilter.of(new).renew(keys for keys, _ in new["bans"].raw_batches())
    for name, state in STATES.items():
        if name not in old:
            continue
        if state.moves == "ranges":
            _move_ranges(old[name], new[name], before, after)
        elif state.moves == "entries" and old[name].id != new[name].id:
            for keys, values in old[name].raw_batches():
                new[name].raw_update_batch(keys, values)


def _move_ranges(
    old: Map, new: Map, before: Mapping[str, Range], after: Mapping[str, Range]
) -> None:
    size, same = new.value_size, old.id == new.id
    with old.memory() as source, new.memory() as target:
        for name, each in after.items():
            part = slice(each.first * size, (each.first + each.buckets) * size)
            stays = before.get(name) == each
            if stays and not same:
                target[part] = source[part]
            elif same and not stays:
                target[part] = bytes(each.buckets * size)
