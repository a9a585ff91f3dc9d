"""The sets of one generation, read from its live tables and changed there."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from wirepath.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.prefix_counters import PrefixCount, PrefixCounters
    from wirepath.prefixes import Change, LiveSets, Members


class SetView:
    """The sets of the serving generation; the caller of a method that changes them holds the lock.

    Args:
        handles: handles of the serving generation; they have to stay open.
    """

    def __init__(self, handles: Handles) -> None:
        self._manifest = handles.manifest
        self._tables = handles.tables
        self._maps = handles.maps

    def names(self) -> list[str]:
        """List the names of the sets, in the order of the policy."""
        return list(self._manifest.policy["set"])

    def number(self, name: str) -> int:
        """Give the number of a set: its position in the policy.

        Raises:
            RequestError: there is no such set; says which sets exist.
        """
        names = self.names()
        if name not in names:
            there = f"the policy has {', '.join(names)}" if names else "the policy has none"
            raise RequestError(f"@{name}: no such set ({there})")
        return names.index(name)

    def min_prefix(self, name: str) -> tuple[int, int]:
        """Give the shortest prefix lengths that a set allows, of IPv4 and of IPv6; 0 for any.

        Raises:
            RequestError: there is no such set.
        """
        self.number(name)
        least = self._manifest.policy["set"][name].get("min_prefix", {})
        return least.get("ipv4", 0), least.get("ipv6", 0)

    def counts(self) -> dict[str, int]:
        """Count the prefixes of each set."""
        with self._live() as live:
            return dict(zip(self.names(), live.counts(), strict=False))

    def members(self, name: str) -> Members:
        """Copy the prefixes of a set, in order.

        Raises:
            RequestError: there is no such set.
        """
        number = self.number(name)
        with self._live() as live:
            return live.members_of(number)

    def members_but(self, number: int) -> list[Members]:
        """Copy the prefixes of every set except number *number*."""
        with self._live() as live:
            return [live.members_of(n) for n in range(len(self.names())) if n != number]

    def all_members(self) -> Members:
        """Copy the prefixes of every set, each with the number of its set."""
        with self._live() as live:
            return live.all_members()

    def counters(self, name: str) -> Iterator[PrefixCount]:
        """Give the counters of each prefix of a set, by address.

        Raises:
            RequestError: there is no such set, or it has no counters.
        """
        counters = self._counters(self.number(name))
        if not counters:
            how = f"write counters = true under [set.{name}] and `wirepath apply` it"
            raise RequestError(f"@{name}: its prefixes have no counters ({how})")
        return counters.counts(self._manifest.counting[name])

    # The counter of a prefix exists whenever packets can find the prefix: it is added before the
    # prefix and removed after it.

    def add(self, number: int, prefixes: Members) -> Change:
        """Add *prefixes* to the set *number*.

        Raises:
            Full: the live table has no room for *prefixes*.
            Dirty: a change of the live table was cut short.
        """
        counters = self._counters(number)
        counted = counters.adding(prefixes.in_set(number)) if counters else nullcontext()
        with self._live() as live, counted:
            return live.add(number, prefixes)

    def remove(self, number: int, prefixes: Members) -> Change:
        """Remove exactly *prefixes* from the set *number*.

        Raises:
            Full: the live table has no room for the remaining prefixes.
            Dirty: a change of the live table was cut short.
        """
        with self._live() as live:
            change = live.remove(number, prefixes)
        if counters := self._counters(number):
            counters.remove(prefixes.in_set(number))
        return change

    # None if the set has no counters.
    def _counters(self, number: int) -> PrefixCounters | None:
        name = self.names()[number]
        if name not in self._manifest.counting:
            return None
        from wirepath.datapath.live.prefix_counters import PrefixCounters

        return PrefixCounters(self._maps, {number: self._manifest.counting[name]})

    @contextmanager
    def _live(self) -> Iterator[LiveSets]:
        from wirepath.prefixes import LiveSets, SetMemory

        # Older programs have none.
        hosts, ipv4_hosts = self._maps.get("set_hosts"), self._maps.get("set_ipv4_hosts")
        memory = SetMemory(
            lines=self._maps["set_lines"].memory(),
            fences=self._maps["set_fences"].memory(),
            leaves=self._maps["set_leaves"].memory(),
            prefix_head=self._maps["set_fence_head"].memory(),
            members=self._maps["set_members"].memory(),
            set_classes=self._maps["set_classes"].memory(),
            set_head=self._maps["set_head"].memory(),
            root_bits=self._manifest.set_root_bits,
            hosts=hosts.memory() if hosts else bytearray(),
            ipv4_hosts=ipv4_hosts.memory() if ipv4_hosts else bytearray(),
        )
        with LiveSets(memory, self._write_rows) as live:
            yield live

    # A new class of the table gets its rows before any packet can find an address of that class.
    def _write_rows(self, classes: list[tuple[int, int]]) -> None:
        import numpy as np

        from wirepath.plan.rows import rows_of_sets

        masks = np.array([sets for _, sets in classes], dtype=np.uint64)
        for hook, lie in self._manifest.rows.items():
            if not lie["words"]:
                continue
            maps = self._tables[hook]
            rows = np.frombuffer(maps["rows"].memory(), dtype=np.uint64)
            for dimension, base in lie["sets"].items():
                needs = np.frombuffer(maps[f"{dimension}_needs"].memory(), dtype=np.uint64)
                written = rows_of_sets(needs.reshape(-1, 2)[: lie["residents"]], masks)
                for (number, _), row in zip(classes, written, strict=True):
                    at = base + number * lie["words"]
                    rows[at : at + lie["words"]] = row
