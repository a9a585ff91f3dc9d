"""Sets outside the kernel, whose table is in the memory of this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wirepath.native import lib
from wirepath.prefixes.live import LiveSets, SetMemory

if TYPE_CHECKING:
    from collections.abc import Collection

    from wirepath.prefixes.tables import Tables


@dataclass(frozen=True, slots=True)
class OfflineSet:
    """The contents of one set, for the model.

    Attributes:
        sets: the table of all sets.
        number: number of the set, 0 to 63.
    """

    sets: LiveSets
    number: int

    def __contains__(self, address: int) -> bool:
        return bool(self.sets.sets_of(address) >> self.number & 1)


def offline(tables: Tables) -> LiveSets:
    """Write *tables* into memory of this process; leaving the context frees it."""
    lines, fences, leaves = (
        _room("line", tables.lines),
        _room("fence", 2 * tables.fences),
        _room("leaf", tables.leaves),
    )
    members, classes = _room("member", tables.members), _room("set_class", tables.classes)
    prefix_head, set_head = _room("prefix_head", 1), _room("set_head", 1)
    hosts = _room("host_line", tables.hosts)
    ipv4_hosts = _room("ipv4_host_line", tables.ipv4_hosts)
    tables.write(lines=lines, fences=fences, leaves=leaves, prefix_head=prefix_head)
    tables.write_sets(members=members, set_classes=classes, set_head=set_head)
    tables.write_hosts(hosts=hosts)
    tables.write_ipv4_hosts(ipv4_hosts=ipv4_hosts)
    memory = SetMemory(
        lines=lines,
        fences=fences,
        leaves=leaves,
        prefix_head=prefix_head,
        members=members,
        set_classes=classes,
        set_head=set_head,
        root_bits=tables.root_bits,
        hosts=hosts,
        ipv4_hosts=ipv4_hosts,
    )
    return LiveSets(memory, lambda _: None)


def by_name(sets: LiveSets, names: Collection[str]) -> dict[str, OfflineSet]:
    """Return each set by its name; *names* are in the order of the set numbers."""
    return {name: OfflineSet(sets, number) for number, name in enumerate(names)}


def _room(struct: str, count: int) -> bytearray:
    return bytearray(max(1, count) * int(getattr(lib, f"wp_{struct}_size")))
