"""The bans of a datapath, for processes that may live for months.

Every method opens the serving generation and closes it again; see `wirepath.datapath.handles`.
When the table is full and a larger one can be made, the next generation is built with that.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from wirepath.datapath.live.ban_table import BanTable
from wirepath.datapath.live.ban_view import BanView
from wirepath.datapath.live.set_view import SetView
from wirepath.errors import FullError, RequestError, WirepathError
from wirepath.net import Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wirepath.datapath.access import Access
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.ban_lists import BanList
    from wirepath.datapath.live.ban_view import BanEntry, Banned, Lifted, Restored, Usage
    from wirepath.net import AnyPrefix
    from wirepath.prefixes import Members
    from wirepath.prefixes.ban_rows import BanRows

_Done = TypeVar("_Done")


class Bans:
    """The bans of one datapath: sources that are dropped ahead of every rule, until they expire.

    A prefix may be given as text (``"203.0.113.5"``, ``"2001:db8::/32"``), as a `Prefix`, or as an
    address or network of `ipaddress`. Iterating gives a `BanEntry` for each ban in force, and
    ``in`` tells whether a ban covers all of a prefix.

    Every method raises RequestError if wirepath is no longer up there or a text is not a prefix.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"<bans of {self._access.iface}>"

    def __iter__(self) -> Iterator[BanEntry]:
        return iter(self.all())

    def __contains__(self, prefix: AnyPrefix) -> bool:
        return bool(self.around(prefix))

    def add(self, prefix: AnyPrefix, seconds: float | None = None) -> Banned:
        """Ban *prefix* for *seconds* from now, or until `remove`; an older ban is replaced.

        Raises:
            FullError: the table is full, even without expired bans.
        """
        return self.add_all([prefix], seconds)

    def add_all(self, prefixes: Iterable[AnyPrefix], seconds: float | None = None) -> Banned:
        """Ban several prefixes at once, as `add` does.

        Raises:
            FullError: the table is full; says how many were banned before.
        """
        asked = Prefix.all_of(prefixes)
        if seconds is not None and not (isfinite(seconds) and seconds > 0):
            raise RequestError(
                f"ban for {seconds} s: not a time (give seconds, or none for a ban without end)"
            )
        return self._set(len(asked), lambda view: view.add_all(asked, seconds))

    def restore(self, bans: BanList | bytes, seconds: float | None = None) -> Restored:
        """Restore the bans of a file: saved ones for their remaining time, others for *seconds*.

        A ban by a rule that is gone counts as the operator's; one that applied only to such a rule
        is skipped.

        Args:
            bans: the contents of the file, as `save` gives them; or a parsed `BanList`, whose bad
                lines are skipped.
            seconds: for bans that do not say when they end; without end if None.

        Raises:
            RequestError: a line is not a ban; nothing has changed.
            FullError: the table is full; says how many were banned before.
        """
        if isinstance(bans, bytes):
            bans = _parsed(bans)
        listed = bans
        count = len(listed.plain) + len(listed.kept)
        return self._set(count, lambda view: view.restore(listed, seconds))

    def remove(self, prefix: AnyPrefix) -> bool:
        """Lift the bans of exactly *prefix*: those for all packets and those for single rules.

        Returns:
            Whether one was in force.
        """
        asked = Prefix.of(prefix)
        with self._access.writing() as handles:
            return BanView(handles).remove(asked)

    def lift(self, prefixes: Iterable[AnyPrefix]) -> Lifted:
        """Lift the bans of several prefixes, as `remove` does, and say which were not banned."""
        asked = Prefix.all_of(prefixes)
        with self._access.writing() as handles:
            return BanView(handles).lift(asked)

    def remove_all(self, prefixes: Members | None = None) -> int:
        """Lift the bans of exactly *prefixes*, as `remove` does; every ban if None.

        Returns:
            How many were in force.
        """
        with self._access.writing() as handles:
            return BanView(handles).remove_all(prefixes)

    def sweep(self) -> int:
        """Remove bans that have expired.

        Returns:
            How many were removed.
        """
        with self._access.writing() as handles:
            return BanView(handles).sweep()

    def all(self) -> list[BanEntry]:
        """List the bans in force, by address."""
        with self._access.reading() as handles:
            return BanView(handles).all()

    def around(self, prefix: AnyPrefix) -> list[Prefix]:
        """List the bans in force that cover all of *prefix*, widest first."""
        asked = Prefix.of(prefix)
        with self._access.reading() as handles:
            return BanView(handles).around(asked)

    def usage(self) -> Usage:
        """Count the entries of the table, its room, and the bans that found it full."""
        with self._access.reading() as handles:
            return BanView(handles).usage()

    def room(self) -> int:
        """Tell how many bans the table can hold; `usage` counts those that it holds, too."""
        with self._access.reading() as handles:
            return BanView(handles).room

    def listing(self) -> BanRows:
        """List the bans in force, by address, for text and JSON; fast even for a million bans."""
        with self._access.reading() as handles:
            return BanView(handles).listing()

    def save(self) -> tuple[bytes, int]:
        """Format the bans in force for a file, by address.

        Returns:
            The text of the file, and how many bans it holds.
        """
        rows = self.listing()
        return "".join(rows.lines()).encode(), len(rows)

    # Sets up to *count* bans by *work*, which is called again if there is room after the first call
    # has found none.
    def _set(self, count: int, work: Callable[[BanView], _Done]) -> _Done:
        with self._access.writing() as handles:
            try:
                return work(BanView(handles))
            except FullError as full:
                if not self._made_room(handles, count, full):
                    raise
            with self._access.serving() as now:
                return work(BanView(now))

    def _made_room(self, handles: Handles, count: int, full: FullError) -> bool:
        table = BanTable.of(handles.maps)
        if table.entries == table.room:
            return False
        try:
            members = SetView(handles).all_members()
            self._access.rebuild(handles, members, bans=table.used() + count)
        except WirepathError as error:
            what = (
                f"the table holds {table.entries} and could not be made larger, {full.written} were"
                f" banned before: {error}"
            )
            raise FullError(f"ban {count} sources", full.written, what=what) from error
        return True


def _parsed(text: bytes) -> BanList:
    from wirepath.datapath.live.ban_lists import parse_bans

    bans = parse_bans(text)
    if bans.bad:
        first = bans.bad[0]
        raise RequestError(f"restore bans: line {first.line}: {first.text}: {first.why}")
    return bans
