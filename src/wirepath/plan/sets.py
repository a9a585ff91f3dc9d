"""The plan of the sets: one prefix table for all of them, with room for live changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.plan.tables import InPlace, Plan, Table
from wirepath.prefixes import Tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.prefixes import Members

SETS: Final = (
    "set_lines",
    "set_fences",
    "set_leaves",
    "set_hosts",
    "set_ipv4_hosts",
    "set_fence_head",
    "set_members",
    "set_classes",
    "set_head",
)
"""The maps of the set table."""

# Room for live changes beyond what the table needs: a quarter of that, and at least so much.
_ROOM: Final = 4
_ROOM_LINES: Final = 16_384
_ROOM_LEAVES: Final = 1_024
_ROOM_MEMBERS: Final = 65_536
_ROOM_CLASSES: Final = 256
_CLASSES_MAX: Final = 65_535
_SEEDS: Final = 1 << 64


def build(members: Members, secret: Sequence[int]) -> Tables:
    """Build one table of the *members* of all sets; *secret* is that of the slots.

    Raises:
        RequestError: the sets overlap in too many ways, or are too large for one table.
    """
    seed = secret[0] * secret[1] % _SEEDS  # so that no list can be made to collide
    return Tables.build(members, spare_classes=_ROOM_CLASSES, host_seed=seed)


def class_room(tables: Tables) -> int:
    """Say how many classes the maps have room for."""
    return min(tables.classes + _ROOM_CLASSES, _CLASSES_MAX)


def plan_sets(tables: Tables, *, changing: bool) -> Plan:
    """Plan the maps that hold *tables*; if *changing*, with room for live changes."""
    leaves = _with_room(tables.leaves, _ROOM_LEAVES * changing)
    sizes = {
        "set_lines": _with_room(tables.lines, _ROOM_LINES * changing),
        "set_leaves": leaves,
        "set_fences": 2 * leaves,
        "set_hosts": tables.hosts,
        "set_ipv4_hosts": tables.ipv4_hosts,
        "set_members": _with_room(tables.members, _ROOM_MEMBERS * changing),
        "set_classes": class_room(tables),
    }
    found = {"lines": "set_lines", "fences": "set_fences", "leaves": "set_leaves"}
    named = {"members": "set_members", "set_classes": "set_classes", "set_head": "set_head"}
    return Plan(
        constants={
            "set_root_bits": tables.root_bits,
            "set_host_lines": tables.host_lines,
            "set_ipv4_host_lines": tables.ipv4_host_lines,
            "set_host_seed": tables.host_seed,
        },
        tables={name: Table(entries=size) for name, size in sizes.items()},
        in_place=(
            InPlace(tables.write, found | {"prefix_head": "set_fence_head"}),
            InPlace(tables.write_sets, named),
            InPlace(tables.write_hosts, {"hosts": "set_hosts"}),
            InPlace(tables.write_ipv4_hosts, {"ipv4_hosts": "set_ipv4_hosts"}),
        ),
    )


def _with_room(size: int, least: int) -> int:
    return size + max(size // _ROOM, least)
