"""``wirepath status``: what is attached where."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wirepath.cli import complain, show
from wirepath.cli.parser import add_live
from wirepath.datapath import Datapath
from wirepath.errors import KernelError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from wirepath.datapath.status import Status


def status(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath status``."""
    add_live(parser)
    parser.set_defaults(run=_status)


def _status(options: Namespace) -> int:
    names = [options.iface] if options.iface else Datapath.names()
    found: list[Status] = []
    errors: list[KernelError] = []
    for name in names:
        # One that cannot be read must not hide the others.
        try:
            with Datapath.open(name) as datapath:
                found.append(datapath.status())
        except KernelError as error:
            errors.append(error)
    if options.json:
        show.document({"interfaces": [each.document() for each in found]})
    elif not names:
        print("wirepath is not up anywhere")
    else:
        print("\n\n".join("\n".join(_told(each)) for each in found))
    for failure in errors:
        complain(failure)
    return errors[0].exit_code if errors else 0


def _told(status: Status) -> Iterator[str]:
    ago = show.duration(time.time() - status.since)
    sets = ", ".join(f"{name} {count:,}" for name, count in status.sets.items())
    rows = {
        "policy": f"{status.policy}, generation {status.generation}",
        "serving": f"since {show.moment(status.since)}, for {ago}",
        "kernel": f"program {status.program_id}, link {status.link_id}",
        "rules": f"{status.rules:,}",
        "sets": sets or "none",
        "bans": f"{status.bans['used']:,}, room for {status.bans['room']:,}",
        "judged": f"{show.count(status.packets, 'packet')}, {show.count(status.bytes, 'byte')}",
    }
    if status.conntrack:
        rows["tracked"] = f"by nft rule {status.conntrack}"
    yield f"{status.iface}: up in {status.mode} mode"
    yield from (f"  {what:7}  {value}" for what, value in rows.items())
    yield from (f"  warning  {warning}" for warning in status.warnings)
