"""Files of bans: one JSON object a line, with expiry by the wall clock, to survive a reboot.

    {"cidr": "192.0.2.1", "expires": 1795380041.250, "rule": "ssh", "scope": null}

``expires`` is in seconds since 1970, null for a ban without end. A file of bans can also be read as
a list of prefixes (`wirepath.prefixes.parse_list`), and a list of prefixes as bans that do not say
when they end.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.errors import RequestError
from wirepath.prefixes import BadLine, Members, Widest, parse_list

if TYPE_CHECKING:
    from collections.abc import Sequence

_LATEST: Final = 1 << 53  # seconds that JSON's numbers tell apart
_NAMES: Final = (str, type(None))
_WORD: Final = re.compile(r"[0-9A-Za-z:./]+", re.ASCII)
_LINES_MAX: Final = 4_000_000  # four times the room of the table
_SHOWN: Final = 64  # characters of a bad line
_NO_BAN: Final = 'not a ban (write {"cidr": "192.0.2.1", "expires": null}, or --skip-bad)'


class Saved(NamedTuple):
    """A ban as a file has it, without its prefix.

    Attributes:
        expires: seconds since 1970; None if it does not end.
        rule: the rule that imposed it; None if an operator did.
        scope: the only rule that it applies to; None if it applies to all packets.
    """

    expires: float | None
    rule: str | None
    scope: str | None


@dataclass(frozen=True, slots=True)
class BanList:
    """The contents of a file of bans.

    Attributes:
        plain: prefixes that do not say when their ban ends.
        kept: prefixes of saved bans.
        saved: the bans of *kept*, in the same order.
        bad: lines that were skipped, in file order.
        unread: how many JSON objects are neither a ban nor a prefix.
        widest: the shortest prefix of each family, of the plain ones and of the saved bans.
    """

    plain: Members
    kept: Members
    saved: Sequence[Saved]
    bad: Sequence[BadLine]
    unread: int = 0
    widest: Sequence[Widest] = ()

    @property
    def is_no_list(self) -> bool:
        """Whether the file has lines, but none of them is a ban or a prefix."""
        return not (self.plain or self.kept) and bool(self.bad or self.unread)

    @property
    def prefixes(self) -> Members:
        """All prefixes, plain and saved."""
        return Members.join([self.plain, self.kept])


def parse_bans(text: bytes) -> BanList:
    """Parse a file of bans, a list of prefixes, or a mixture of both.

    Raises:
        RequestError: it is larger than a list of bans can be.
    """
    if text.count(b"\n") + text.count(b"\r") > _LINES_MAX:
        cure = "ban prefixes in place of addresses"
        raise RequestError(f"list of bans: more than {_LINES_MAX:,} lines ({cure})")
    lines = text.removeprefix(BOM_UTF8).splitlines()
    places = [at for at, line in enumerate(lines) if line.lstrip()[:1] == b"{"]
    kept: list[str] = []
    saved: list[Saved] = []
    at_line: list[int] = []
    bad: list[BadLine] = []
    for at, ban in zip(places, _objects([lines[at] for at in places]), strict=True):
        if type(ban) is dict and "expires" not in ban:
            continue  # an entry of a list of prefixes
        told = _saved(ban)
        if told:
            kept.append(ban["cidr"])
            saved.append(told)
            at_line.append(at + 1)
        else:
            shown = lines[at].strip()[:_SHOWN].decode(errors="replace")
            bad.append(BadLine(at + 1, shown, _NO_BAN))
        lines[at] = b""
    prefixes = parse_list("\n".join(kept).encode(), "")
    plain = parse_list(b"\n".join(lines), "")
    bad += plain.bad
    bad += [each._replace(line=at_line[each.line - 1]) for each in prefixes.bad]
    for each in reversed(prefixes.bad):
        del saved[each.line - 1]
    widest = [*plain.widest]
    widest += [each._replace(line=at_line[each.line - 1]) for each in prefixes.widest]
    return BanList(plain.members, prefixes.members, saved, sorted(bad), plain.unread, widest)


# Parses all lines at once, which is faster; if that fails, one by one, with None for a bad line.
def _objects(lines: list[bytes]) -> list[Any]:
    try:
        found: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
    except (ValueError, RecursionError):
        return [_object(line) for line in lines]
    return found if len(found) == len(lines) else [_object(line) for line in lines]


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _saved(ban: Any) -> Saved | None:
    if type(ban) is not dict:
        return None
    prefix, expires = ban.get("cidr"), ban["expires"]
    rule, scope = ban.get("rule"), ban.get("scope")
    right = (
        type(prefix) is str
        and _WORD.fullmatch(prefix)
        and (expires is None or (type(expires) in (int, float) and 0 <= expires < _LATEST))
        and type(rule) in _NAMES
        and type(scope) in _NAMES
    )
    return Saved(expires, rule, scope) if right else None
