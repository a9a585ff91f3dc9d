"""``wirepath bench``: what a packet costs here, in wirepath and in the kernel's own filters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wirepath.bench import contest, driver, picture, trust
from wirepath.cli import bench_screen, files, show
from wirepath.cli.parser import add_json
from wirepath.cli.progress import advancing

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def bench(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath bench``."""
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter measurements, in under two minutes"
    )
    parser.add_argument(
        "--svg", metavar="FILE", type=Path, help="draw cost by the number of addresses into FILE"
    )
    parser.add_argument(
        "--iface", metavar="IFACE", help="say what the driver of IFACE gives; it is only looked at"
    )
    add_json(parser)
    parser.set_defaults(run=_bench)


def _bench(options: Namespace) -> int:
    if options.svg:
        files.check_writable(options.svg)
    own = driver.driver(options.iface) if options.iface else None
    effort = contest.QUICK if options.quick else contest.THOROUGH
    with advancing("bench") as tell:
        outcome = contest.run(effort, tell, quick=options.quick)
    if options.svg:
        files.write(options.svg, [picture.picture(outcome).encode()])
    doubts = trust.doubts(outcome)
    if options.json:
        show.document(
            {
                **outcome.document(),
                "trusted": not doubts,
                "doubts": doubts,
                "notes": trust.notes(outcome),
                "iface": own.document() if own else None,
            }
        )
    else:
        for line in bench_screen.lines(outcome, own.says if own else ""):
            show.line(line)
    return 1 if doubts else 0
