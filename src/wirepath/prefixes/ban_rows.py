"""Bans in force, kept, sorted and written by C: a million of them never become Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wirepath.native import Readable

_TITLES: Final = ("banned", "remaining", "packets", "bytes", "rule", "scope")
_AT_ONCE: Final = 2048  # bans in one part of a text
_ROW: Final = 256  # characters of a ban without its names


class Moment(NamedTuple):
    """One moment by two clocks.

    Attributes:
        boot_ns: by CLOCK_BOOTTIME.
        wall_s: in seconds since 1970.
    """

    boot_ns: int
    wall_s: float


class Offsets(NamedTuple):
    """Where the values of a map of bans have their members, in bytes.

    Attributes:
        size: of one value.
        expires_ns, packets, bytes, rule: offsets of the members of these names.
    """

    size: int
    expires_ns: int
    packets: int
    bytes: int
    rule: int


class BanRows:
    """The bans that are in force at one moment, by address.

    Args:
        batches: arrays of keys and of values, as a map of bans gives them.
        offsets: where the values have their members.
        moment: bans that have expired by then are left out.
        rules: names of rules by their number in a ban; bans on other rules alone are left out.
    """

    def __init__(
        self,
        batches: Iterable[tuple[Readable, Readable]],
        offsets: Offsets,
        moment: Moment,
        rules: Mapping[int, str],
    ) -> None:
        made = lib.wp_listing_new()
        if made == ffi.NULL:
            raise MemoryError
        self._listing = ffi.gc(made, lib.wp_listing_free)
        self._moment = moment
        self._rules = rules
        terms, _alive = self._terms("", "")
        at = ffi.new("struct ban_members *", tuple(offsets))
        for keys, values in batches:
            of_keys = ffi.from_buffer("struct ban_key *", keys)
            count = memoryview(keys).nbytes // lib.wp_ban_key_size
            of_values = ffi.from_buffer("char[]", values)
            if not lib.wp_listing_add(made, terms, at, of_keys, of_values, count):
                raise MemoryError
        lib.wp_listing_sort(made)

    def __len__(self) -> int:
        return int(self._listing.count)

    def table(self) -> Iterator[str]:
        """Write a table for people, in parts; nothing without bans."""
        if not len(self):
            return
        terms, _alive = self._terms("", "-")
        terms.widths = list(map(len, _TITLES))
        lib.wp_listing_widen(self._listing, terms)
        right = (lib.BAN_PACKETS, lib.BAN_BYTES)
        cells = (
            title.rjust(width) if column in right else title.ljust(width)
            for column, (title, width) in enumerate(zip(_TITLES, terms.widths, strict=True))
        )
        yield "  ".join(cells).rstrip() + "\n"
        yield from self._written(terms, lib.BAN_TABLE)

    def json(self) -> Iterator[str]:
        """Write the elements of a JSON array, with commas between them, in parts."""
        terms, _alive = self._terms('"', "null")
        yield from self._written(terms, lib.BAN_JSON)

    def lines(self) -> Iterator[str]:
        """Write the lines of a file of bans, in parts."""
        terms, _alive = self._terms('"', "null")
        yield from self._written(terms, lib.BAN_FILE)

    def _written(self, terms: Any, layout: int) -> Iterator[str]:
        longest = max(map(len, self._rules.values()), default=0) + len('""')
        out = ffi.new("char[]", _AT_ONCE * (_ROW + sum(terms.widths) + 2 * longest))
        for first in range(0, len(self), _AT_ONCE):
            count = min(_AT_ONCE, len(self) - first)
            size = lib.wp_listing_write(self._listing, terms, layout, first, count, out)
            yield str(ffi.buffer(out, size), "ascii")

    # Terms, and what has to live as long as they do. Names of rules contain no character that JSON
    # escapes.
    def _terms(self, quote: str, none: str) -> tuple[Any, object]:
        names = [ffi.NULL] * (max(self._rules, default=0) + 1)
        for number, name in self._rules.items():
            names[number] = ffi.new("char[]", f"{quote}{name}{quote}".encode())
        array, nothing = ffi.new("char *[]", names), ffi.new("char[]", none.encode())
        terms = ffi.new("struct ban_terms *")
        terms.now_ns, terms.wall_s = self._moment
        terms.names, terms.name_count, terms.none = array, len(names), nothing
        return terms, (names, array, nothing)
