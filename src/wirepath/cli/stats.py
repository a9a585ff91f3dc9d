"""``wirepath stats`` and ``wirepath rules``: show counters."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from wirepath.cli import show
from wirepath.cli.parser import add_live, interval
from wirepath.datapath import Datapath

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from wirepath.datapath.live.counters import Stats

    Counts = Mapping[str, int]

_CLEAR: Final = "\x1b[H\x1b[2J"  # ECMA-48: cursor home, erase the screen

_COUNTED: Final = {
    "verdicts": "verdict",
    "reasons": "reason",
    "faults": "fault",
    "conntrack": "conntrack",
}


def stats(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath stats``."""
    parser.add_argument(
        "--watch",
        metavar="S",
        type=interval,
        help="print every S seconds, with packets a second since the last time",
    )
    add_live(parser)
    parser.set_defaults(run=_stats)


def _stats(options: Namespace) -> None:
    now = Datapath.open(options.iface).counters()
    if options.watch is None:
        _print(now, options)
    else:
        _watch(now, options)


# Opens the datapath anew each time: it may have been swapped or taken down in the meantime.
def _watch(now: Stats, options: Namespace) -> None:
    at = time.monotonic()
    while True:
        time.sleep(options.watch)
        before, then = now, at
        now = Datapath.open(options.iface).counters()
        at = time.monotonic()
        if sys.stdout.isatty() and not options.json:
            print(_CLEAR, end="")
        _print(now, options, before.document(), at - then)
        if not (sys.stdout.isatty() or options.json):
            show.line()
        sys.stdout.flush()


def _print(
    read: Stats,
    options: Namespace,
    before: dict[str, Any] | None = None,
    elapsed_s: float = 1.0,
) -> None:
    now = read.document()
    if options.json:
        show.document(now)
        return
    for hook, counted in now["hooks"].items():
        packets, size = (
            show.count(counted["packets"], "packet"),
            show.count(counted["bytes"], "byte"),
        )
        where = f" at {hook}" if len(now["hooks"]) > 1 else ""
        show.line(f"{now['iface']}: {packets}, {size}{where}")
    for what, title in _COUNTED.items():
        if now.get(what):
            show.line()
            _print_counts(what, title, now, before, elapsed_s)
    if now["rules"]:
        show.line()
        earlier = before["rules"] if before else None
        _print_rules(now["rules"], read.own, earlier, elapsed_s)


# One column per hook if there are several; the rate is that of all hooks together.
def _print_counts(
    what: str, title: str, now: dict[str, Any], before: dict[str, Any] | None, elapsed_s: float
) -> None:
    hooks: dict[str, Any] = now["hooks"]
    titles = [title, *(hooks if len(hooks) > 1 else ("packets",))]
    counts = [counted.get(what, {}) for counted in hooks.values()]
    rows: list[list[show.Cell]] = [
        [name, *(count.get(name, 0) for count in counts)] for name in now[what]
    ]
    if before is not None:
        titles.append("a second")
        for row, (name, packets) in zip(rows, now[what].items(), strict=True):
            row.append(_rate(packets, before.get(what, {}).get(name, 0), elapsed_s))
    show.table(titles, rows)


def _print_rules(
    now: Mapping[str, Counts],
    own: Sequence[str],
    before: Mapping[str, Counts] | None,
    elapsed_s: float,
) -> None:
    titles = ["rule", "packets", "bytes", "dropped", *own]
    rows: list[list[show.Cell]] = [
        [name, *(rule.get(title) for title in titles[1:])] for name, rule in now.items()
    ]
    if before is not None:
        titles.append("a second")
        for row, (name, rule) in zip(rows, now.items(), strict=True):
            earlier = before[name]["packets"] if name in before else 0
            row.append(_rate(rule["packets"], earlier, elapsed_s))
    show.table(titles, rows)


# A counter that runs backwards belongs to a datapath that was taken down and brought up again.
def _rate(now: int, before: int, elapsed_s: float) -> int:
    return max(0, round((now - before) / elapsed_s))


def rules(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath rules``."""
    add_live(parser)
    parser.set_defaults(run=_rules)


def _rules(options: Namespace) -> None:
    datapath = Datapath.open(options.iface)
    rules = datapath.rules()
    listed = [rule.document() for rule in rules]
    if options.json:
        show.document({"iface": datapath.name, "rules": listed})
    elif not listed:
        show.line(f"{datapath.name}: the policy has no rules")
    else:
        hooks = show.hooks([rule.hooks for rule in rules])
        own = dict.fromkeys(name for rule in rules for name in rule.count.own)
        columns = ("action", "packets", "bytes", "dropped", *own, "match")
        show.table(
            ("name", *hooks.title, *columns),
            ([r["name"], *hooks.cell(r["hook"]), *(r.get(key) for key in columns)] for r in listed),
        )
