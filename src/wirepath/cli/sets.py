"""``wirepath set add|del|load|dump|list``: changes and lists the live sets."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wirepath.cli import files, show
from wirepath.cli.parser import add_live, add_yes, prefix
from wirepath.cli.progress import progress
from wirepath.datapath import Datapath
from wirepath.errors import PolicyError, RequestError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from wirepath.prefixes import Members


def sets(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath set``."""
    parser.set_defaults(run=_list, iface=None, json=False)
    actions = parser.add_subparsers(metavar="ACTION", help="what to do; list if left out")
    add = _add_change(actions.add_parser("add", help="add prefixes to a set"))
    add_yes(add)
    add.set_defaults(run=partial(_change, adding=True))
    _add_change(actions.add_parser("del", help="remove prefixes from a set")).set_defaults(
        run=partial(_change, adding=False)
    )
    load = actions.add_parser("load", help="replace the contents of a set by those of a file")
    load.add_argument("name", metavar="NAME", help="name of the set")
    load.add_argument("file", metavar="FILE", type=Path, help="one prefix a line")
    load.add_argument("--skip-bad", action="store_true", help="skip lines that are not prefixes")
    load.add_argument(
        "--allow-empty",
        action="store_true",
        help="empty the set if the list is empty, which is refused otherwise",
    )
    add_yes(load)
    add_live(load)
    load.set_defaults(run=_load)
    dump = actions.add_parser("dump", help="write the contents of a set, one prefix a line")
    dump.add_argument("name", metavar="NAME", help="name of the set")
    dump.add_argument("-o", dest="file", metavar="FILE", type=Path, help="write to FILE")
    dump.add_argument(
        "--counters",
        action="store_true",
        help="add the packets and bytes of each prefix; the set needs counters = true",
    )
    add_live(dump)
    dump.set_defaults(run=_dump)
    listing = actions.add_parser("list", help="list the sets and their sizes")
    add_live(listing)
    listing.set_defaults(run=_list)


def _add_change(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("name", metavar="NAME", help="name of the set")
    parser.add_argument(
        "prefixes", metavar="PREFIX", nargs="+", type=prefix, help="prefix or address"
    )
    add_live(parser)
    return parser


def _check_widths(options: Namespace, datapath: Datapath) -> None:
    from wirepath.width import width

    least = datapath.sets.min_prefix(options.name)
    for each in options.prefixes:
        found = width(each, least, yes=options.yes)
        if found.error:
            raise RequestError(found.error)
        if found.note:
            show.note(found.note)


def _change(options: Namespace, *, adding: bool) -> None:
    with Datapath.open(options.iface) as datapath:
        sets = datapath.sets
        if adding:
            _check_widths(options, datapath)
        change = (sets.add if adding else sets.remove)(options.name, _members(options))
        count = sets.counts()[options.name]
    done, idle = ("added", "already there") if adding else ("removed", "not there")
    if options.json:
        changed = {done: change.done, "unchanged": change.unchanged}
        show.document(_head(datapath, options) | changed | {"prefixes": count})
        return
    rest = f", {change.unchanged:,} {idle}" if change.unchanged else ""
    _tell(options.name, f"{change.done:,} {done}{rest}", count)


def _members(options: Namespace) -> Members:
    from wirepath.prefixes import Members

    return Members.of(options.prefixes)


def _head(datapath: Datapath, options: Namespace) -> dict[str, object]:
    return {"iface": datapath.name, "set": options.name}


def _tell(name: str, what: str, count: int) -> None:
    show.line(f"@{name}: {what}; now {show.count(count, 'prefix')}")


def _load(options: Namespace) -> None:
    from wirepath.plan.set_files import read_list, refused, wide

    with Datapath.open(options.iface) as datapath:
        datapath.sets.check(options.name)
        with progress(f"loading {options.file.name} into @{options.name}"):
            parsed = read_list(options.file)
            least = datapath.sets.min_prefix(options.name)
            if wrong := refused(parsed, least, skip_bad=options.skip_bad, yes=options.yes):
                raise PolicyError(wrong)
            count = datapath.sets.replace(
                options.name, parsed.members, allow_empty=options.allow_empty
            )
    for note in wide(parsed, yes=options.yes):
        show.note(note)
    if options.json:
        show.document(_head(datapath, options) | {"prefixes": count, "skipped": len(parsed.bad)})
        return
    skipped = f", {show.count(len(parsed.bad), 'bad line')} skipped" if parsed.bad else ""
    _tell(options.name, f"loaded from {options.file}{skipped}", count)


def _dump(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath, progress(f"writing @{options.name}"):
        contents = (_Counted if options.counters else _Listed)(datapath, options.name)
        if options.file:
            files.write(options.file, contents.lines())
    document = _head(datapath, options) | {"prefixes": len(contents)}
    if options.file and options.json:
        show.document(document | {"file": str(options.file)})
    elif options.file:
        written = show.count(len(contents), "prefix")
        show.line(f"@{options.name}: {written} written to {options.file}")
    elif options.json:
        show.long_document(document, "contents", contents.json())
    else:
        show.parts(part.decode() for part in contents.lines())


class _Listed:
    """The prefixes of a set."""

    def __init__(self, datapath: Datapath, name: str) -> None:
        self._members = datapath.sets.members(name)

    def __len__(self) -> int:
        return len(self._members)

    def lines(self) -> Iterator[bytes]:
        from wirepath.prefixes import format_members

        return format_members(self._members)

    def json(self) -> Iterator[str]:
        between = ""
        for part in self.lines():
            yield between + '"' + part.decode().removesuffix("\n").replace("\n", '", "') + '"'
            between = ", "


class _Counted:
    """The prefixes of a set, with their counters."""

    def __init__(self, datapath: Datapath, name: str) -> None:
        self._entries = [counted.document() for counted in datapath.sets.counters(name)]

    def __len__(self) -> int:
        return len(self._entries)

    def lines(self) -> Iterator[bytes]:
        return (f"{' '.join(map(str, entry.values()))}\n".encode() for entry in self._entries)

    def json(self) -> Iterator[str]:
        yield json.dumps(self._entries)[1:-1]


def _list(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath:
        counts = datapath.sets.counts()
    if options.json:
        show.document({"iface": datapath.name, "sets": counts})
    elif not counts:
        show.line(f"{datapath.name}: the policy has no sets")
    else:
        show.table(("set", "prefixes"), counts.items())
