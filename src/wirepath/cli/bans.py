"""``wirepath ban``, ``unban`` and ``bans``: sources that are dropped ahead of every rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wirepath.cli import files, show
from wirepath.cli.parser import add_live, add_yes, prefix
from wirepath.datapath import Datapath
from wirepath.errors import RequestError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from wirepath.datapath.live.ban_lists import BanList
    from wirepath.net import Prefix


def ban(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath ban``."""
    from wirepath.quantities import duration

    _add_sources(parser)
    parser.add_argument(
        "--for",
        dest="for_s",
        metavar="TIME",
        type=duration,
        help="for how long: 30s, 5min, 1h, 2d, or seconds; if left out, until `unban`",
    )
    add_yes(parser)
    add_live(parser)
    parser.set_defaults(run=_ban)


def _add_sources(parser: ArgumentParser) -> None:
    parser.add_argument(
        "prefixes", metavar="ADDRESS|PREFIX", nargs="*", type=prefix, help="source addresses"
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        type=Path,
        help="read bans from a file of `bans --save` or a list of prefixes; - is stdin",
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="skip lines of FILE that are not bans or prefixes"
    )


# Refuses to ban all addresses of a family unless the operator has said so; notes wide bans.
def _check_widths(options: Namespace, bans: BanList | None = None) -> None:
    from wirepath.prefixes import Widest
    from wirepath.width import width

    listed = bans.widest if bans else [Widest(each, 0) for each in options.prefixes]
    for each in listed:
        found = width(each.prefix, yes=options.yes)
        where = f"{options.file}:{each.line}: " if bans else ""
        if found.error:
            raise RequestError(f"{where}{found.error}")
        if found.note:
            show.note(f"{where}{found.note}")


def _ban(options: Namespace) -> None:
    if _one_of(options, "ban"):
        _ban_file(options)
        return
    _check_widths(options)
    with Datapath.open(options.iface) as datapath:
        done = datapath.bans.add_all(options.prefixes, options.for_s)
    if options.json:
        show.document({"iface": datapath.name} | done.document())
        return
    how_long = f"for {show.duration(options.for_s)}" if options.for_s else "until unban"
    for each in done.prefixes:
        without = ", without effect: never_block names it" if each in done.never_blocked else ""
        show.line(f"{each}: banned on {datapath.name} {how_long}{without}")


# Whether sources come from a file; refuses none, and more than one way to name them.
def _one_of(options: Namespace, command: str, other: str = "") -> bool:
    named = bool(options.prefixes) + (options.file is not None) + bool(vars(options).get("all"))
    if named != 1:
        what = "no sources" if not named else "too many ways to name sources"
        raise RequestError(f"{command}: {what} (name prefixes, or --file FILE{other})")
    return options.file is not None


def _ban_file(options: Namespace) -> None:
    bans = _read(options)
    _check_widths(options, bans)
    with Datapath.open(options.iface) as datapath:
        done = datapath.bans.restore(bans, options.for_s)
    if options.json:
        counts = done._asdict() | {"skipped": len(bans.bad)}
        show.document(
            {"iface": datapath.name, "file": str(options.file), **counts, "for_s": options.for_s}
        )
        return
    rest = {
        "expired": done.expired,
        "of a rule that is gone": done.gone,
        "bad lines skipped": len(bans.bad),
    }
    counted = "".join(f", {count:,} {what}" for what, count in rest.items() if count)
    show.line(f"{options.file}: {done.banned:,} banned on {datapath.name}{counted}")


def _read(options: Namespace) -> BanList:
    from wirepath.datapath.live.ban_lists import parse_bans
    from wirepath.plan.set_files import NO_LIST

    bans = parse_bans(files.read(options.file))
    if bans.bad and not options.skip_bad:
        first, more = bans.bad[0], len(bans.bad) - 1
        why, _, cure = first.why.partition(" (")
        cure = cure.removesuffix(")") or "correct it, or --skip-bad"
        rest = f", and {show.count(more, 'bad line')} more" if more else ""
        raise RequestError(f"{options.file}:{first.line}: {first.text}: {why}{rest} ({cure})")
    if bans.is_no_list:
        raise RequestError(f"{options.file}: {NO_LIST}")
    return bans


def unban(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath unban``."""
    _add_sources(parser)
    parser.add_argument("--all", action="store_true", help="lift every ban")
    add_live(parser)
    parser.set_defaults(run=_unban)


def _unban(options: Namespace) -> None:
    if _one_of(options, "unban", ", or --all") or options.all:
        _unban_many(options)
        return
    with Datapath.open(options.iface) as datapath:
        done = datapath.bans.lift(options.prefixes)
    if options.json:
        show.document({"iface": datapath.name} | done.document())
        return
    for each in dict.fromkeys(options.prefixes):
        around = done.not_banned.get(each)
        show.line(f"{each}: {'ban lifted' if around is None else _not_banned(around)}")


def _unban_many(options: Namespace) -> None:
    listed = None if options.all else _read(options).prefixes
    with Datapath.open(options.iface) as datapath:
        lifted = datapath.bans.remove_all(listed)
    if options.json:
        show.document({"iface": datapath.name, "lifted": lifted})
    else:
        show.line(f"{datapath.name}: {show.count(lifted, 'ban')} lifted")


def _not_banned(around: Sequence[Prefix]) -> str:
    if not around:
        return "not banned"
    return f"not banned by itself, but inside {', '.join(map(str, around))}"


def bans(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath bans``."""
    parser.add_argument(
        "--save", metavar="FILE", type=Path, help="write the bans to FILE, for `ban --file`"
    )
    add_live(parser)
    parser.set_defaults(run=_bans)


def _bans(options: Namespace) -> None:
    if options.save:
        _save(options)
        return
    with Datapath.open(options.iface) as datapath:
        rows, room = datapath.bans.listing(), datapath.bans.room()
    if options.json:
        show.long_document({"iface": datapath.name, "room": room}, "bans", rows.json())
        return
    if not rows:
        show.line(f"{datapath.name}: no bans")
    show.parts(rows.table())


def _save(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath:
        rows = datapath.bans.listing()
    files.write(options.save, (part.encode() for part in rows.lines()))
    if options.json:
        show.document({"iface": datapath.name, "file": str(options.save), "bans": len(rows)})
    else:
        show.line(f"{datapath.name}: {show.count(len(rows), 'ban')} saved to {options.save}")
