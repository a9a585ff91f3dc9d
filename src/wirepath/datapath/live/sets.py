"""Sets of a datapath, changed while packets are judged by them.

Every method opens what serves at that moment and closes it again; see `wirepath.datapath.handles`.
Small changes are written into the live tables. What does not fit there, or replaces a whole set,
builds the next generation.
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

    Every method raises RequestError if wirepath is not up there any more, if there is no such set,
    or if a text is no prefix.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"<sets of {self._access.iface}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """Name the sets, in the order of the policy."""
        with self._access.reading() as handles:
            return SetView(handles).names()

    def check(self, name: str) -> None:
        """Raise if there is no such set, before its contents are read from a file."""
        with self._access.reading() as handles:
            SetView(handles).number(name)

    def counts(self) -> dict[str, int]:
        """Count the prefixes of each set."""
        with self._access.reading() as handles:
            return SetView(handles).counts()

    def prefixes(self, name: str) -> list[Prefix]:
        """List the prefixes of a set, by address."""
        return [prefix for prefix, _ in self.members(name)]

    def members(self, name: str) -> Members:
        """Copy the prefixes of a set, in order: as one array, for sets of a million."""
        with self._access.reading() as handles:
            return SetView(handles).members(name)

    def counters(self, name: str) -> list[PrefixCount]:
        """Say what each prefix of a set has counted, by address.

        What changes meanwhile may be missing.

        Raises:
            RequestError: the set has no counters.
        """
        with self._access.reading() as handles:
            return list(SetView(handles).counters(name))

    def add(self, name: str, prefixes: Prefixes) -> Change:
        """Add *prefixes* to a set."""
        return self._change(name, prefixes, removing=False)

    def remove(self, name: str, prefixes: Prefixes) -> Change:
        """Remove exactly *prefixes* from a set, not what lies inside them."""
        return self._change(name, prefixes, removing=True)

    def replace(self, name: str, prefixes: Prefixes, *, allow_empty: bool = False) -> int:
        """Let *prefixes* be the whole contents of a set, from one packet to the next.

        Args:
            name: of the set.
            prefixes: its contents from now on.
            allow_empty: whether a set that has prefixes may end without any.

        Returns:
            How many there are now, without repeats.

        Raises:
            RequestError: there are no *prefixes*, and the set has some.
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
                return self._change_anew(handles, number, listed, removing=removing)

    # More than the live table has room for may be more than any has: the next one is built with it.
    def _change_anew(
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
