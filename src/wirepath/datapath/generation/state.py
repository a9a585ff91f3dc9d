"""State that is carried from generation to generation: slots by name, and maps packets write."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wirepath.datapath.generation.write import capacity
from wirepath.datapath.live.ban_table import ROOMS, BanTable, room_for
from wirepath.datapath.live.counters import BySlot
from wirepath.kernel import clock
from wirepath.plan import actions
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
    "ban_lengths",
    "ban_filters",
    "prefix_counters",
)
"""Maps that every generation takes over from the previous one."""
STATE: Final = (*ALWAYS, "bans", *STATES)
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


def ban_room(policy: Policy, bans: int, before: Manifest | None, maps: Mapping[str, Map]) -> int:
    """Choose how many bans the next generation's table has room for.

    Packets cannot make a larger table. So where limits ban, it is as large as can be from the
    start; and until the generation that serves has no such limit either, it stays as it is, since
    bans that packets impose while the table is copied would be lost.

    Args:
        policy: the policy that is to serve.
        bans: how many bans there has to be room for, at least.
        before: the manifest of the serving generation; None if none serves.
        maps: the maps of the serving generation.
    """
    least = ROOMS[-1] if actions.bans(policy) else room_for(bans)
    if not before:
        return least
    table = BanTable.of(maps)
    return max(least, table.entries if before.limits_ban else table.fitting())


def carried(before: Mapping[str, Map], needed: Mapping[str, int], bans: int) -> dict[str, Map]:
    """Choose the maps of the generation *before* that the next one takes over.

    Args:
        before: the maps of the previous generation, by C name.
        needed: by C name of an action's state map, the entries that the next generation needs.
        bans: how many entries its table of bans has.
    """
    large_enough = (
        name
        for name, entries in needed.items()
        if name in before and before[name].max_entries >= capacity(entries)
    )
    always = (name for name in ALWAYS if name in before)  # an older wirepath has no filter
    table = ["bans"] if before["bans"].max_entries == bans else []
    return {name: before[name] for name in (*always, *table, *large_enough)}


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
    _copy(old["bans"], new["bans"])
    if "ban_filters" not in old:
        BanTable.of(new).renew_filter()
    for name, state in STATES.items():
        if name not in old:
            continue
        if state.moves == "ranges":
            _move_ranges(old[name], new[name], before, after)
        elif state.moves == "entries":
            _copy(old[name], new[name])


def _copy(old: Map, new: Map) -> None:
    if old.id != new.id:
        for keys, values in old.raw_batches():
            new.raw_update_batch(keys, values)


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
