"""The sets of a datapath, changed while packets are matched against them.

Every method opens the serving generation and closes it again; see `wirepath.datapath.handles`.
Small changes are written into the live tables. A change that does not fit there, or replaces a
whole set, builds the next generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.datapath.live.set_view import SetView
from wirepath.errors import RequestError
from wirepath.net import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wirepath.datapath.access import Access
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.prefix_counters import PrefixCount
    from wirepath.net import AnyPrefix
    from wirepath.prefixes import Change, Members

    Prefixes = Members | AnyPrefix | Iterable[AnyPrefix]


class Sets:
    """The sets of one datapath, by name.

    Prefixes may be given one at a time or several together: as text (``"203.0.113.0/24"``), as
    `Prefix` objects, or as addresses and networks of `ipaddress`. Iterating gives the names.

    Changes hold until the next `Datapath.apply`, which reads the policy and its files again.

    Every method raises RequestError if wirepath is no longer up there, if there is no such set, or
    if a text is not a prefix.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"<sets of {self._access.iface}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """List the names of the sets, in the order of the policy."""
        with self._access.reading() as handles:
            return SetView(handles).names()

    def check(self, name: str) -> None:
        """Raise RequestError if there is no such set; call this before reading a large file."""
        with self._access.reading() as handles:
            SetView(handles).number(name)

    def min_prefix(self, name: str) -> tuple[int, int]:
        """Give the shortest prefix lengths that a set allows, of IPv4 and of IPv6; 0 for any."""
        with self._access.reading() as handles:
            return SetView(handles).min_prefix(name)

    def counts(self) -> dict[str, int]:
        """Count the prefixes of each set."""
        with self._access.reading() as handles:
            return SetView(handles).counts()

    def prefixes(self, name: str) -> list[Prefix]:
        """List the prefixes of a set, by address."""
        return [prefix for prefix, _ in self.members(name)]

    def members(self, name: str) -> Members:
        """Copy the prefixes of a set into one array, in order; fast even for a million prefixes."""
        with self._access.reading() as handles:
            return SetView(handles).members(name)

    def counters(self, name: str) -> list[PrefixCount]:
        """Read the counters of each prefix of a set, by address.

        Prefixes that are added or removed at the same time may be missing.

        Raises:
            RequestError: the set has no counters.
        """
        with self._access.reading() as handles:
            return list(SetView(handles).counters(name))

    def add(self, name: str, prefixes: Prefixes) -> Change:
        """Add *prefixes* to a set."""
        return self._change(name, prefixes, removing=False)

    def remove(self, name: str, prefixes: Prefixes) -> Change:
        """Remove exactly *prefixes* from a set, not longer prefixes that lie inside them."""
        return self._change(name, prefixes, removing=True)

    def replace(self, name: str, prefixes: Prefixes, *, allow_empty: bool = False) -> int:
        """Replace the whole contents of a set by *prefixes*, between two packets.

        Args:
            name: of the set.
            prefixes: its contents from now on.
            allow_empty: whether a set that has prefixes may end without any.

        Returns:
            How many prefixes the set has now, without duplicates.

        Raises:
            RequestError: *prefixes* is empty, and the set is not.
        """
        from wirepath.prefixes import Members

        listed = _members(prefixes)
        with self._access.writing() as handles:
            view = SetView(handles)
            number = view.number(name)
            if not listed and not allow_empty and (count := view.counts()[name]):
                what = f"the new contents are empty, and the set has {count:,} prefixes"
                raise RequestError(f"@{name}: {what} (--allow-empty empties it)")
            others = view.members_but(number)
            self._access.rebuild(handles, Members.join([*others, listed.in_set(number)]))
            with self._access.serving() as now:
                return SetView(now).counts()[name]

    def _change(self, name: str, prefixes: Prefixes, *, removing: bool) -> Change:
        from wirepath.prefixes import Dirty, Full

        listed = _members(prefixes)
        with self._access.writing() as handles:
            view = SetView(handles)
            number = view.number(name)
            try:
                return view.remove(number, listed) if removing else view.add(number, listed)
            except (Full, Dirty):
                return self._change_by_rebuild(handles, number, listed, removing=removing)

    # For a live table that is full, or in which a change was cut short. New prefixes become part of
    # the next table: they may be more than even a new table has room to add.
    def _change_by_rebuild(
        self, handles: Handles, number: int, listed: Members, *, removing: bool
    ) -> Change:
        from wirepath.prefixes import Change, Members

        old = SetView(handles).all_members()
        if removing:
            self._access.rebuild(handles, old)
            with self._access.serving() as now:
                return SetView(now).remove(number, listed)
        self._access.rebuild(handles, Members.join([old, listed.in_set(number)]))
        with self._access.serving() as now:
            done = SetView(now).all_members().counts()[number] - old.counts()[number]
        return Change(done, len(listed) - done)


def _members(prefixes: Prefixes) -> Members:
    from wirepath.prefixes import Members

    if isinstance(prefixes, Members):
        return prefixes
    return Members.of(Prefix.all_of(prefixes))
