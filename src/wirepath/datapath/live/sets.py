"""The sets of a running datapath: changed while packets are judged by them."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from wirepath.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.datapath import Datapath
    from wirepath.datapath.live.prefix_counters import PrefixCount, PrefixCounters
    from wirepath.prefixes import Change, LiveSets, Members


class Sets:
    """The sets of one datapath, by name.

    Small changes are written into the live tables; what does not fit there, or replaces a whole
    set, builds the next generation.

    Args:
        datapath: whose they are.
    """

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath

    def names(self) -> list[str]:
        """Name the sets, in the order of the policy."""
        return list(self._datapath.manifest.policy["set"])

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

    def counters(self, name: str) -> Iterator[PrefixCount]:
        """Say what each prefix of a set has counted, by address.

        What changes meanwhile may be missing.

        Raises:
            RequestError: there is no such set, or it has no counters.
        """
        entries = self._entries(self.number(name))
        if not entries:
            how = f"write counters = true under [set.{name}] and `wirepath apply` it"
            raise RequestError(f"@{name}: its prefixes have no counters ({how})")
        return entries.counts(self._datapath.manifest.counting[name])

    def all_members(self) -> Members:
        """Copy the prefixes of every set, each with the number of its set."""
        with self._live() as live:
            return live.all_members()

    def add(self, name: str, prefixes: Members) -> Change:
        """Add *prefixes* to a set.

        Raises:
            RequestError: there is no such set.
        """
        return self._change(name, prefixes, removing=False)

    def remove(self, name: str, prefixes: Members) -> Change:
        """Remove exactly *prefixes* from a set, not what lies inside them.

        Raises:
            RequestError: there is no such set.
        """
        return self._change(name, prefixes, removing=True)

    def replace(self, name: str, prefixes: Members) -> int:
        """Let *prefixes* be the whole contents of a set, from one packet to the next.

        Returns:
            How many there are now, without repeats.

        Raises:
            RequestError: there is no such set.
        """
        from wirepath.prefixes import Members

        number = self.number(name)
        with self._datapath.changing():
            with self._live() as live:
                others = [live.members_of(n) for n in range(len(self.names())) if n != number]
            self._datapath.rebuild(Members.join([*others, prefixes.in_set(number)]))
        return self.counts()[name]

    def number(self, name: str) -> int:
        """Give the number of a set.

        Raises:
            RequestError: there is no such set; says which there are.
        """
        names = self.names()
        if name not in names:
            there = f"the policy has {', '.join(names)}" if names else "the policy has none"
            raise RequestError(f"@{name}: no such set ({there})")
        return names.index(name)

    def _change(self, name: str, prefixes: Members, *, removing: bool) -> Change:
        from wirepath.prefixes import Dirty, Full

        number = self.number(name)
        change = self._remove_live if removing else self._add_live
        with self._datapath.changing():
            try:
                return change(number, prefixes)
            except (Full, Dirty):
                if not removing:
                    return self._add_anew(number, prefixes)
                self._datapath.rebuild(self.all_members())
            return change(number, prefixes)

    # More than the live table has room for may be more than any has: the next one is built with it.
    def _add_anew(self, number: int, prefixes: Members) -> Change:
        from wirepath.prefixes import Change, Members

        old = self.all_members()
        self._datapath.rebuild(Members.join([old, prefixes.in_set(number)]))
        with self._live() as live:
            done = live.counts()[number] - old.counts()[number]
        return Change(done, len(prefixes) - done)

    # An entry is there before packets can find its prefix, and as long as they can.

    def _add_live(self, number: int, prefixes: Members) -> Change:
        entries = self._entries(number)
        counted = entries.adding(prefixes.in_set(number)) if entries else nullcontext()
        with self._live() as live, counted:
            return live.add(number, prefixes)

    def _remove_live(self, number: int, prefixes: Members) -> Change:
        with self._live() as live:
            change = live.remove(number, prefixes)
        if entries := self._entries(number):
            entries.remove(prefixes.in_set(number))
        return change

    # None if the set has no counters.
    def _entries(self, number: int) -> PrefixCounters | None:
        counting = self._datapath.manifest.counting
        name = self.names()[number]
        if name not in counting:
            return None
        from wirepath.datapath.live.prefix_counters import PrefixCounters

        return PrefixCounters(self._datapath.maps, {number: counting[name]})

    @contextmanager
    def _live(self) -> Iterator[LiveSets]:
        from wirepath.prefixes import LiveSets, SetMemory

        maps = self._datapath.maps
        memory = SetMemory(
            lines=maps["set_lines"].memory(),
            fences=maps["set_fences"].memory(),
            leaves=maps["set_leaves"].memory(),
            prefix_head=maps["set_fence_head"].memory(),
            members=maps["set_members"].memory(),
            set_classes=maps["set_classes"].memory(),
            set_head=maps["set_head"].memory(),
            root_bits=self._datapath.manifest.set_root_bits,
        )
        with LiveSets(memory, self._write_rows) as live:
            yield live

    # A class that is new to the table gets its rows before any packet can meet it.
    def _write_rows(self, classes: list[tuple[int, int]]) -> None:
        import numpy as np

        from wirepath.plan.rows import rows_of_sets

        masks = np.array([sets for _, sets in classes], dtype=np.uint64)
        for hook, lie in self._datapath.manifest.rows.items():
            if not lie["words"]:
                continue
            maps = self._datapath.tables(hook)
            rows = np.frombuffer(maps["rows"].memory(), dtype=np.uint64)
            for dimension, base in lie["sets"].items():
                needs = np.frombuffer(maps[f"{dimension}_needs"].memory(), dtype=np.uint64)
                written = rows_of_sets(needs.reshape(-1, 2)[: lie["residents"]], masks)
                for (number, _), row in zip(classes, written, strict=True):
                    at = base + number * lie["words"]
                    rows[at : at + lie["words"]] = row
