"""Bans of one generation: sources that are dropped ahead of every rule, until they expire.

The data plane reads the table (``bpf/guard/bans.h``) and judges expiry too, so a ban holds and ends
without any process. This module sets, lifts, lists and sweeps bans.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.live.ban_filter import BanFilter
from wirepath.datapath.live.ban_lengths import Lengths
from wirepath.datapath.live.ban_table import ROW, BanTable
from wirepath.errors import FullError
from wirepath.kernel import clock
from wirepath.net import Ban, Prefix

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.ban_lists import BanList
    from wirepath.datapath.live.ban_table import Row
    from wirepath.prefixes import Members
    from wirepath.prefixes.ban_rows import BanRows

NEVER_NS: Final = (1 << 64) - 1
_LOW: Final = (1 << 64) - 1
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, repr=False)
class BanEntry:
    """One ban in force.

    Attributes:
        prefix: the banned sources.
        rule: the rule whose limit imposed it; None if an operator did.
        scope: the only rule that it applies to; None if it applies to all packets.
        remaining_s: seconds until it ends; None if it does not.
        packets, bytes: dropped by it.
    """

    prefix: Prefix
    rule: str | None
    scope: str | None
    remaining_s: float | None
    packets: int
    bytes: int

    def document(self) -> dict[str, Any]:
        """Give the ban as plain values, for JSON."""
        return {
            "prefix": str(self.prefix),
            "rule": self.rule,
            "scope": self.scope,
            "remaining_s": self.remaining_s,
            "packets": self.packets,
            "bytes": self.bytes,
        }

    def __repr__(self) -> str:
        ends = "until lifted" if self.remaining_s is None else f"for {self.remaining_s:.0f} s"
        by = f", by rule {self.rule}" if self.rule else ""
        scope = f", for rule {self.scope} alone" if self.scope else ""
        return f"<ban of {self.prefix} {ends}{by}{scope}: {self.packets:,} packets>"


class Banned(NamedTuple):
    """The result of banning prefixes.

    Attributes:
        prefixes: the banned prefixes, in the order they were given.
        seconds: for how long; None if until they are lifted.
        never_blocked: those of them that pass nevertheless, because `never_block` covers them.
    """

    prefixes: tuple[Prefix, ...]
    seconds: float | None
    never_blocked: tuple[Prefix, ...]

    def document(self) -> dict[str, Any]:
        """Give the result as plain values, for JSON."""
        return {
            "banned": list(map(str, self.prefixes)),
            "for_s": self.seconds,
            "never_blocked": list(map(str, self.never_blocked)),
        }


class Lifted(NamedTuple):
    """The result of lifting bans.

    Attributes:
        prefixes: prefixes whose ban was in force, and is lifted.
        not_banned: the other prefixes, each with the wider bans in force that cover it.
    """

    prefixes: tuple[Prefix, ...]
    not_banned: Mapping[Prefix, Sequence[Prefix]]

    def document(self) -> dict[str, Any]:
        """Give the result as plain values, for JSON."""
        return {
            "unbanned": list(map(str, self.prefixes)),
            "not_banned": list(map(str, self.not_banned)),
        }


class Restored(NamedTuple):
    """The result of restoring the bans of a file.

    Attributes:
        banned: how many are in force now.
        expired: how many had already expired.
        gone: how many applied only to one rule, which is gone or no longer bans for itself.
    """

    banned: int
    expired: int
    gone: int


class Usage(NamedTuple):
    """How full the table of bans is.

    Attributes:
        used: how many entries it has, including expired ones that were not swept yet.
        room: how many entries it can hold.
        refused: how many bans of limits found it full since the operator last lifted bans.
    """

    used: int
    room: int
    refused: int


class BanView:
    """The bans of the serving generation; the caller of a method that changes them holds the lock.

    Args:
        handles: handles of the serving generation; they have to stay open.
    """

    def __init__(self, handles: Handles) -> None:
        self._map = handles.maps["bans"]
        self._table = BanTable(self._map, BanFilter.of(handles.maps))
        self._lengths = Lengths(handles.maps["ban_lengths"])
        self._manifest = handles.manifest

    @property
    def room(self) -> int:
        """How many bans the table can hold."""
        return self._table.room

    def usage(self) -> Usage:
        """Count the entries, the room, and the bans of limits that found the table full."""
        return Usage(self._table.used(), self.room, self._lengths.refused)

    # Setting

    def add_all(self, prefixes: Iterable[Prefix], seconds: float | None = None) -> Banned:
        """Ban *prefixes* for *seconds* from now, without end if None; older bans are replaced.

        Raises:
            FullError: the table is full; says how many were banned before.
        """
        asked, end = tuple(prefixes), _end(seconds)
        self._write([(p.address >> 64, p.address & _LOW, p.bits, 0, end, 0) for p in asked])
        management = list(map(Prefix.parse, self._manifest.policy["datapath"]["never_block"]))
        exempt = (p for p in asked if any(outer.covers(p) for outer in management))
        return Banned(asked, seconds, tuple(exempt))

    def restore(self, bans: BanList, seconds: float | None = None) -> Restored:
        """Restore the bans of a file: saved ones for their remaining time, others for *seconds*.

        A ban by a rule that is gone counts as the operator's; one that applied only to such a rule
        is skipped.

        Raises:
            FullError: the table is full; says how many were banned before.
        """
        wall, now = time.time(), clock.boot_ns()
        slots = {name: slot for slot, name in self._rules().items()}
        scopes: dict[str | None, int] = {None: 0} | {
            name: slot for name, slot in slots.items() if slot in self._scopes()
        }
        end = _end(seconds)
        rows: list[Row] = [(*prefix, 0, end, 0) for prefix in _prefixes(bans.plain)]
        expired = gone = 0
        for prefix, (expires, rule, scope) in zip(_prefixes(bans.kept), bans.saved, strict=True):
            if scope not in scopes:
                gone += 1
            elif expires is not None and expires <= wall:
                expired += 1
            else:
                left = NEVER_NS if expires is None else now + int((expires - wall) * SECOND_NS)
                owner = slots.get(rule, 0) if rule else 0
                rows.append((*prefix, scopes[scope], min(left, NEVER_NS), owner))
        self._write(rows)
        return Restored(len(rows), expired, gone)

    def _write(self, rows: list[Row]) -> None:
        try:
            try:
                self._put(rows)
            except FullError:
                if not self._any_expired():
                    raise
                self.sweep()
                self._put(rows)
        except FullError as error:
            room, written = self.room, error.written
            what = f"the table is full, it holds {room}; {written} were banned before"
            cure = "lift some: `wirepath unban`; or ban prefixes in place of addresses"
            raise FullError(f"ban {len(rows)} sources", written, what=what, cure=cure) from error

    def _any_expired(self) -> bool:
        now = clock.boot_ns()
        return any(expires <= now for (expires,) in self._table.rows("expires_ns"))

    def _put(self, rows: list[Row]) -> None:
        self._lengths.expect({bits for _, _, bits, scope, _, _ in rows if not scope})
        self._lengths.mark()
        self._table.write(rows, clock.boot_ns())

    # Lifting

    def remove(self, prefix: Prefix) -> bool:
        """Lift the bans of exactly *prefix*: those for all packets and those for single rules.

        Returns:
            Whether one was in force.
        """
        return self._remove([prefix])[prefix]

    def lift(self, prefixes: Iterable[Prefix]) -> Lifted:
        """Lift the bans of exactly each of *prefixes*, and find wider bans that still cover it."""
        asked = self._remove(prefixes)
        not_banned = {prefix: self.around(prefix) for prefix, was in asked.items() if not was}
        return Lifted(tuple(prefix for prefix, was in asked.items() if was), not_banned)

    # Tells for each prefix whether a ban of it was in force. If the table has many other bans, the
    # lengths that packets probe stay as they are: one too many costs less than reading all bans.
    def _remove(self, prefixes: Iterable[Prefix]) -> dict[Prefix, bool]:
        now = clock.boot_ns()
        removed = {prefix: self._remove_one(prefix) for prefix in dict.fromkeys(prefixes)}
        if any(removed.values()):
            self._lengths.forgive()
            if self._table.is_small():
                self._recount()
        return {prefix: max(ends, default=0) > now for prefix, ends in removed.items()}

    # The expiries of the bans of a prefix.
    def _remove_one(self, prefix: Prefix) -> list[int]:
        keys = [_key(prefix, scope) for scope in self._scopes()]
        found = {n: ban["expires_ns"] for n, key in enumerate(keys) if (ban := self._map.get(key))}
        for number in found:
            del self._map[keys[number]]
        return list(found.values())

    def remove_all(self, prefixes: Members | None = None) -> int:
        """Lift the bans of exactly *prefixes*, as `remove` does; every ban if None.

        Returns:
            How many were in force.
        """
        now = clock.boot_ns()
        if prefixes is None:
            expiries = self._table.remove(lambda _: True, "bits")
        else:
            these = set(_prefixes(prefixes))
            expiries = self._table.remove(
                lambda *prefix: prefix in these, "addr.hi", "addr.lo", "bits"
            )
        self._lifted()
        return sum(expires > now for expires in expiries)

    def sweep(self) -> int:
        """Remove bans that have expired.

        Returns:
            How many were removed.
        """
        now = clock.boot_ns()
        gone = self._table.remove(lambda expires: expires <= now, "expires_ns")
        self._recount()
        return len(gone)

    def forget(self, slots: Collection[int]) -> None:
        """Forget bans imposed by rules whose *slots* will be reused."""
        rules = {slot + 1 for slot in slots}
        if rules:
            self._table.remove(lambda scope: scope in rules, "scope")
            self._table.disown(lambda rule: rule in rules)

    # Lifting bans is the cure that `status` names for refused bans, so it resets their number.
    def _lifted(self) -> None:
        self._lengths.forgive()
        self._recount()

    def _recount(self) -> None:
        used = {bits for bits, scope in self._table.rows("bits", "scope") if not scope}
        self._lengths.keep(used | set(self._manifest.ban_lengths), any_set=bool(used))

    # Listing

    def all(self) -> list[BanEntry]:
        """List the bans in force, by address."""
        now, rules = clock.boot_ns(), self._rules()
        rows = self._effective("packets", "bytes")
        return [_entry(row, now, rules) for row in sorted(rows) if row[4] > now]

    def busiest(self, count: int) -> list[BanEntry]:
        """List the *count* bans in force that have dropped most packets, most first."""
        now, rules = clock.boot_ns(), self._rules()
        rows = (row for row in self._effective("packets", "bytes") if row[4] > now)
        return [_entry(row, now, rules) for row in nlargest(count, rows, key=itemgetter(-2))]

    def around(self, prefix: Prefix) -> list[Prefix]:
        """List the bans in force that cover all of *prefix*, widest first."""
        now = clock.boot_ns()
        wider = {bits for bits in self._lengths.probed() if bits <= prefix.bits}
        found = []
        for outer in (Prefix.around(prefix.address, bits) for bits in sorted(wider)):
            ban = self._map.get(_key(outer)) if outer.covers(prefix) else None
            if ban is not None and ban["expires_ns"] > now:
                found.append(outer)
        return found

    def for_model(self) -> Iterator[Ban]:
        """Yield all bans in the form that the model takes."""
        rules = self._rules()
        for hi, lo, bits, scope, expires, rule in self._effective():
            yield Ban(Prefix(hi << 64 | lo, bits), expires, rules.get(rule), rules.get(scope))

    def listing(self) -> BanRows:
        """List the bans in force, by address, in a form that a million of them fit into."""
        from wirepath.prefixes.ban_rows import Moment

        return self._table.listing(Moment(clock.boot_ns(), time.time()), self._rules())

    # Rows, with further members; without bans that apply only to a rule that is gone.
    def _effective(self, *more: str) -> Iterator[Row]:
        scopes = {0, *self._rules()}
        return (row for row in self._table.rows(*ROW, *more) if row[3] in scopes)

    def _scopes(self) -> list[int]:
        counters = self._manifest.counters
        return [0, *(counters[name] + 1 for name in self._manifest.ban_scopes)]

    # Names of rules by their number in a ban: the slot plus 1, as 0 stands for no rule.
    def _rules(self) -> dict[int, str]:
        return {slot + 1: name for name, slot in self._manifest.counters.items()}


def _entry(row: Row, now: int, rules: Mapping[int, str]) -> BanEntry:
    hi, lo, bits, scope, expires, rule, packets, size = row
    left = None if expires == NEVER_NS else (expires - now) / SECOND_NS
    prefix = Prefix(hi << 64 | lo, bits)
    return BanEntry(prefix, rules.get(rule), rules.get(scope), left, packets, size)


def _end(seconds: float | None) -> int:
    if seconds is None:
        return NEVER_NS
    return min(clock.boot_ns() + int(seconds * SECOND_NS), NEVER_NS)


def _prefixes(members: Members) -> Iterator[tuple[int, int, int]]:
    hi, lo, bits, _ = members.columns()
    return zip(hi, lo, bits, strict=True)


def _key(prefix: Prefix, scope: int = 0) -> dict[str, Any]:
    address = {"hi": prefix.address >> 64, "lo": prefix.address & _LOW}
    return {"addr": address, "bits": prefix.bits, "scope": scope}
