"""``wirepath ban``, ``unban`` and ``bans``: sources that are dropped ahead of every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.cli import show
from wirepath.cli.parser import add_live, prefix
from wirepath.datapath import Datapath
from wirepath.net import Prefix

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable


def ban(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath ban``."""
    from wirepath.quantities import duration

    _add_prefixes(parser)
    parser.add_argument(
        "--for",
        dest="for_s",
        metavar="TIME",
        type=duration,
        help="for how long: 30s, 5min, 1h, 2d, or seconds; until `unban` without it",
    )
    add_live(parser)
    parser.set_defaults(run=_ban)


def _add_prefixes(parser: ArgumentParser) -> None:
    parser.add_argument(
        "prefixes", metavar="ADDRESS|PREFIX", nargs="+", type=prefix, help="sources"
    )


def _ban(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath:
        datapath.bans.add_all(options.prefixes, options.for_s)
        management = datapath.manifest.policy["datapath"]["never_block"]
    exempt = [str(p) for p in options.prefixes if _within(p, map(Prefix.parse, management))]
    if options.json:
        show.document(
            {
                "iface": datapath.name,
                "banned": list(map(str, options.prefixes)),
                "for_s": options.for_s,
                "never_blocked": exempt,
            }
        )
        return
    how_long = f"for {show.duration(options.for_s)}" if options.for_s else "until unban"
    for each in map(str, options.prefixes):
        without = ", without effect: never_block names it" if each in exempt else ""
        print(f"{each}: banned on {datapath.name} {how_long}{without}")


def _within(inner: Prefix, prefixes: Iterable[Prefix]) -> bool:
    return any(outer.covers(inner) for outer in prefixes)


def unban(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath unban``."""
    _add_prefixes(parser)
    add_live(parser)
    parser.set_defaults(run=_unban)


def _unban(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath:
        lifted = {each: datapath.bans.remove(each) for each in options.prefixes}
        around = {each: datapath.bans.around(each) for each, was in lifted.items() if not was}
    if options.json:
        show.document(
            {
                "iface": datapath.name,
                "unbanned": [str(each) for each, was in lifted.items() if was],
                "not_banned": [str(each) for each, was in lifted.items() if not was],
            }
        )
        return
    for each, was in lifted.items():
        print(f"{each}: {'ban lifted' if was else _not_banned(around[each])}")


def _not_banned(around: list[Prefix]) -> str:
    if not around:
        return "not banned"
    return f"not banned by itself, but inside {', '.join(map(str, around))}"


def bans(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath bans``."""
    add_live(parser)
    parser.set_defaults(run=_bans)


def _bans(options: Namespace) -> None:
    with Datapath.open(options.iface) as datapath:
        entries, room = datapath.bans.all(), datapath.bans.room
    if options.json:
        listed = [entry.document() for entry in entries]
        show.document({"iface": datapath.name, "room": room, "bans": listed})
        return
    if not entries:
        print(f"{datapath.name}: no bans")
    rows = (
        (
            str(entry.prefix),
            "until unban" if entry.remaining_s is None else show.duration(entry.remaining_s),
            entry.packets,
            entry.bytes,
        )
        for entry in entries
    )
    show.table(("banned", "remaining", "packets", "bytes"), rows)
