"""Bans of a datapath, from a process that may live for months.

Every method opens what serves at that moment and closes it again; see `wirepath.datapath.handles`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.datapath.live.ban_view import BanView
from wirepath.net import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wirepath.datapath.access import Access
    from wirepath.datapath.live.ban_lists import BanList
    from wirepath.datapath.live.ban_view import BanEntry, Restored, Usage
    from wirepath.prefixes import Members


class Bans:
    """The bans of one datapath: sources that are dropped ahead of every rule, until they expire.

    A prefix may be given as a `Prefix` or as text: ``"203.0.113.5"``, ``"2001:db8::/32"``.

    Every method raises RequestError if wirepath is not up there any more, or a text is no prefix.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"<bans of {self._access.iface}>"

    def __iter__(self) -> Iterator[BanEntry]:
        return iter(self.all())

    def add(self, prefix: Prefix | str, seconds: float | None = None) -> None:
        """Ban *prefix* for some *seconds* from now, or until `remove`; an older ban is replaced.

        Raises:
            FullError: the table is full, even without those that have expired.
        """
        self.add_all([prefix], seconds)

    def add_all(self, prefixes: Iterable[Prefix | str], seconds: float | None = None) -> None:
        """Ban many at once, as `add` does.

        Raises:
            FullError: the table is full; says how many were banned before.
        """
        asked = [Prefix.of(prefix) for prefix in prefixes]
        with self._access.changing() as handles:
            BanView(handles).add_all(asked, seconds)

    def restore(self, bans: BanList, seconds: float | None = None) -> Restored:
        """Ban what a file lists: saved bans for the time that is left, the others as `add` does.

        A ban by a rule that is gone counts as the operator's; one for that rule alone is left out.

        Raises:
            FullError: the table is full; says how many were banned before.
        """
        with self._access.changing() as handles:
            return BanView(handles).restore(bans, seconds)

    def remove(self, prefix: Prefix | str) -> bool:
        """Lift the bans of exactly *prefix*, for all packets and for those of single rules.

        Returns:
            Whether one was in force.
        """
        with self._access.changing() as handles:
            return BanView(handles).remove(Prefix.of(prefix))

    def remove_all(self, prefixes: Members | None = None) -> int:
        """Lift the bans of exactly *prefixes*, as `remove` does; every ban if None.

        Returns:
            How many were in force.
        """
        with self._access.changing() as handles:
            return BanView(handles).remove_all(prefixes)

    def sweep(self) -> int:
        """Remove bans that have expired.

        Returns:
            How many there were.
        """
        with self._access.changing() as handles:
            return BanView(handles).sweep()

    def all(self) -> list[BanEntry]:
        """List the bans in force, by address."""
        with self._access.reading() as handles:
            return BanView(handles).all()

    def around(self, prefix: Prefix | str) -> list[Prefix]:
        """List the bans in force that hold for all of *prefix*, the widest first."""
        with self._access.reading() as handles:
            return BanView(handles).around(Prefix.of(prefix))

    def usage(self) -> Usage:
        """Say how full the table is."""
        with self._access.reading() as handles:
            return BanView(handles).usage()

    def save(self) -> tuple[bytes, int]:
        """Write the bans in force as a file, by address.

        Returns:
            Its text, and how many bans it holds.
        """
        with self._access.reading() as handles:
            return BanView(handles).save()
