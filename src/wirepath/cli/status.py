"""``wirepath status``: shows what is attached where."""

from __future__ import annotations

from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from wirepath.cli import complain, show
from wirepath.cli.parser import add_live
from wirepath.datapath import Datapath
from wirepath.datapath.damaged import Damaged
from wirepath.errors import DamageError, KernelError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping

    from wirepath.datapath.status import Status


def status(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath status``."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="print only problems, and exit with 1 if there are any: for monitoring",
    )
    add_live(parser)
    parser.set_defaults(run=_status)


def _described(datapath: Datapath) -> Status | Damaged:
    with suppress(DamageError):
        return datapath.status()
    return datapath.damage() or datapath.status()


def _status(options: Namespace) -> int:
    names = [options.iface] if options.iface else Datapath.names()
    found: list[Status | Damaged] = []
    errors: list[KernelError] = []
    for name in names:
        # A datapath that cannot be read must not hide the others.
        try:
            with Datapath.open(name, damaged=True) as datapath:
                found.append(_described(datapath))
        except KernelError as error:
            errors.append(error)
    ill = options.check and (not names or any(each.warnings for each in found))
    if options.json:
        show.document({"interfaces": [each.document() for each in found]})
    elif not names:
        show.line("wirepath is not up anywhere")
    elif options.check:
        for each in found:
            for warning in each.warnings:
                show.line(f"{each.iface}: {warning}")
    else:
        _print(found)
    for failure in errors:
        complain(failure)
    if errors:
        return errors[0].exit_code
    return int(ill or any(isinstance(each, Damaged) for each in found))


def _print(found: list[Status | Damaged]) -> None:
    for at, each in enumerate(found):
        if at:
            show.line()
        for line in _told_damage(each) if isinstance(each, Damaged) else _told(each):
            show.line(line)


def _told_damage(damaged: Damaged) -> Iterator[str]:
    how = "still up" if damaged.filtering else "NOT FILTERING"
    yield f"{damaged.iface}: DAMAGED, {how}"
    where = [_attached(hook, how) for hook, how in damaged.hooks.items()] or ["none"]
    rows = [("damage", damaged.damage), *zip_longest(["hooks"], where, fillvalue="")]
    yield from (f"  {what:7}  {value}" for what, value in rows)
    yield from (f"  warning  {warning}" for warning in damaged.warnings)


def _told(status: Status) -> Iterator[str]:
    ago = show.duration(status.serving_s)
    sets = ", ".join(f"{name} {count:,}" for name, count in status.sets.items())
    where = [_attached(hook, how) for hook, how in status.hooks.items()]
    rows = [
        ("policy", f"{status.policy}, generation {status.generation}"),
        ("serving", f"since {show.moment(status.since)}, for {ago}"),
        *zip_longest(["hooks"], where, fillvalue=""),
        ("rules", f"{status.rules:,}"),
        ("sets", sets or "none"),
        ("bans", f"{status.bans['used']:,}, room for {status.bans['room']:,}"),
        ("judged", f"{show.count(status.packets, 'packet')}, {show.count(status.bytes, 'byte')}"),
    ]
    if status.conntrack:
        rows.append(("tracked", f"by nft rule {status.conntrack}"))
    how = "up" if status.filtering else "NOT FILTERING"
    yield f"{status.iface}: {how} in {status.mode} mode"
    yield from (f"  {what:7}  {value}" for what, value in rows)
    yield from (f"  warning  {warning}" for warning in status.warnings)


def _attached(hook: str, how: Mapping[str, Any]) -> str:
    words = [how["attach"], *([how["mode"]] if "mode" in how else [])]
    link = "" if how["link_id"] is None else f", link {how['link_id']}"
    return f"{hook}: {' '.join(words)}, program {how['program_id']}{link}"
