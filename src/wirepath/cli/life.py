"""``wirepath up``, ``apply`` and ``down``: put a policy on an interface, swap it, take it off."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath.cli import show, ssh_peer
from wirepath.cli.parser import add_json, add_live, add_yes
from wirepath.datapath import Datapath, answers
from wirepath.errors import RequestError, printable

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping

    from wirepath.datapath.diff import Difference, SetChange
    from wirepath.datapath.salvage import Removal
    from wirepath.datapath.status import Status
    from wirepath.kernel.links import Mode
    from wirepath.policy import Policy

_MODES: Final = ("native", "generic", "offload")
_TC: Final = ("tcx", "clsact")
_SKIP_BAD: Final = "skip lines of set files that are not prefixes"
_SYSCTL: Final = "allow kernel settings that the policy needs to be changed, until `wirepath down`"
_QDISC: Final = "allow fq to replace the root qdisc if a limit shapes, until `wirepath down`"


def up(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath up``."""
    parser.add_argument("iface", metavar="IFACE", help="interface to protect")
    parser.add_argument("policy", metavar="POLICY", type=Path, help="policy file")
    parser.add_argument(
        "--mode",
        choices=_MODES,
        default="native",
        help="how the XDP program is attached; default: native",
    )
    parser.add_argument(
        "--tc", choices=_TC, help="how TC programs are attached; default: tcx if the kernel has it"
    )
    parser.add_argument("--skip-bad", action="store_true", help=_SKIP_BAD)
    add_yes(parser)
    parser.add_argument("--sysctl", action="store_true", help=_SYSCTL)
    parser.add_argument("--qdisc", action="store_true", help=_QDISC)
    add_json(parser)
    parser.set_defaults(run=_up)


def _up(options: Namespace) -> None:
    from wirepath.policy import Policy

    policy = Policy.load(options.policy)
    _warn(policy, skip_bad=options.skip_bad)
    _warn_of_answers(options.iface, policy, options.mode)
    with (
        _telling(options.iface),
        Datapath.up(
            options.iface,
            policy,
            mode=options.mode,
            skip_bad=options.skip_bad,
            yes=options.yes,
            sysctl=options.sysctl,
            qdisc=options.qdisc,
            tc=options.tc,
        ) as datapath,
    ):
        status = datapath.status()
    _tell_of_place(options.iface)
    _tell_warnings(status)
    if options.json:
        show.document(status.document())
        return
    rules = show.count(status.rules, "rule")
    prefixes = f"{show.count(sum(status.sets.values()), 'prefix')} in {_sets(len(status.sets))}"
    show.line(f"{status.iface}: up in {status.mode} mode, {rules}, {prefixes}")
    if status.conntrack:
        show.line(
            f"{status.iface}: nft rule added, so that connections are tracked: {status.conntrack}"
        )


# Prints a note on traffic that passes by a device of this kind.
def _tell_of_place(name: str) -> None:
    from wirepath.kernel import devices
    from wirepath.kernel.interface import Interface

    if told := devices.passed_by(Interface.of(name).index, devices.devices()):
        print(f"note: {printable(name)} is {told}", file=sys.stderr)


# Prints notes on what would hurt traffic at once; `check` prints all notes.
def _warn(policy: Policy, *, skip_bad: bool) -> None:
    from wirepath.datapath.host.nat import unread
    from wirepath.plan.requirements import requirements
    from wirepath.policy.notes import starving

    if cut := ssh_peer.cut_off(policy, skip_bad=skip_bad):
        print(f"note: {printable(policy.file)}: {cut}", file=sys.stderr)
    for note in starving(policy):
        print(f"note: {note}", file=sys.stderr)
    if legacy := unread(requirements(policy)):
        print(f"note: {printable(policy.file)}: {legacy}", file=sys.stderr)


# Prints what `status` will warn of from now on.
def _tell_warnings(status: Status) -> None:
    for warning in status.warnings:
        print(f"warning: {printable(status.iface)}: {printable(warning)}", file=sys.stderr)


# Prints notes on tags that a generation of *policy* would not see.
def _warn_of_tags(policy: Policy, device: str, mode: Mode) -> None:
    from wirepath.datapath.generation.loading import Loading
    from wirepath.datapath.tags import asking, unseen
    from wirepath.kernel.interface import Interface

    interface = Interface.of(device)
    bound = bool(Loading.of(policy, mode, interface).bound)
    matching = [rule.name for rule in policy.rules if rule.match.vlan]
    for note in unseen(interface, asking(policy, mode), mode, matching=matching, bound=bound):
        print(f"note: {note}", file=sys.stderr)


def _warn_of_answers(name: str, policy: Policy, mode: Mode) -> None:
    if lost := answers.note(name, policy, mode):
        print(f"note: {printable(policy.file)}: {printable(lost)}", file=sys.stderr)


# An interrupt that comes after the commit has not undone the change: the operator should know.
@contextmanager
def _telling(name: str, *, down: bool = False) -> Iterator[None]:
    began = time.time()
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_outcome(name, began, down=down)) from None


# What has come of a change of *name* that *began* then; empty if nothing has.
def _outcome(name: str, began: float, *, down: bool) -> str:
    if name not in Datapath.names():
        return f"{name}: interrupted, but it is down (nothing is left to do)" if down else ""
    manifest = Datapath.open(name).manifest
    if down or manifest.since < began:
        return ""
    serves = f"generation {manifest.generation} of {manifest.file} serves"
    return f"{name}: interrupted, but {serves} (`wirepath status` shows it)"


def _sets(number: int) -> str:
    return show.count(number, "set")


def apply(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath apply``."""
    parser.usage = (
        "wirepath apply [IFACE] POLICY [--dry-run] [--skip-bad] [--allow-empty] [--yes]"
        " [--sysctl] [--qdisc] [--json]"
    )
    parser.add_argument(
        "arguments",
        nargs="+",
        metavar="[IFACE] POLICY",
        help="policy file; before it the interface, optional while only one is up",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--skip-bad", action="store_true", help=_SKIP_BAD)
    add_yes(parser)
    parser.add_argument(
        "--allow-empty",
        action="store_true",
        help="empty sets whose files have become empty, which is refused otherwise",
    )
    parser.add_argument("--sysctl", action="store_true", help=_SYSCTL)
    parser.add_argument("--qdisc", action="store_true", help=_QDISC)
    add_live(parser)
    parser.set_defaults(run=_apply)


def _apply(options: Namespace) -> None:
    from wirepath.policy import Policy

    *names, file = options.arguments
    name = _one_name(options, names)
    policy = Policy.load(Path(file))
    _warn(policy, skip_bad=options.skip_bad)
    with Datapath.open(name) as datapath, _telling(datapath.name):
        now = datapath.status()
        before = now.conntrack
        if now.filtering:
            _warn_of_answers(now.iface, policy, datapath.manifest.mode)
        if options.dry_run:
            difference = datapath.difference(policy, skip_bad=options.skip_bad, yes=options.yes)
        else:
            difference = datapath.apply(
                policy,
                skip_bad=options.skip_bad,
                yes=options.yes,
                allow_empty=options.allow_empty,
                sysctl=options.sysctl,
                qdisc=options.qdisc,
            )
        status = datapath.status()
        generation, after = status.generation, status.conntrack
        if options.dry_run and status.filtering:
            _warn_of_tags(policy, status.iface, datapath.manifest.mode)
    if not options.dry_run:
        _tell_warnings(status)
    if options.json:
        show.document(
            {
                "iface": datapath.name,
                "applied": not options.dry_run,
                "generation": generation,
                "difference": difference.document(),
                "conntrack": after,
                "warnings": list(status.warnings),
            }
        )
        return
    for line in _told(difference):
        show.line(line)
    if before != after:
        show.line(f"+ nft rule {after}" if after else f"- nft rule {before}")
    kept = "nothing was changed (--dry-run)" if options.dry_run else f"generation {generation}"
    show.line(f"{datapath.name}: {kept}")


def _one_name(options: Namespace, names: list[str]) -> str | None:
    # The interface may be given by position or as --iface; None if it is not given.
    given = {*names, *([options.iface] if options.iface else [])}
    if len(names) > 1 or len(given) > 1:
        raise RequestError(f"{' '.join(sorted(given))}: more than one interface (name one)")
    return next(iter(given), None)


def _told(difference: Difference) -> Iterator[str]:
    if difference.empty:
        yield "no difference"
    for key in difference.datapath:
        yield f"datapath: {key} changes"
    yield from (f"+ hook {hook}" for hook in difference.hooks_added)
    yield from (f"- hook {hook}" for hook in difference.hooks_removed)
    by_sign: Mapping[str, tuple[str, ...]] = {
        "+": difference.rules_added,
        "-": difference.rules_removed,
        "~": difference.rules_changed,
    }
    for sign, names in by_sign.items():
        yield from (f"{sign} rule {name}" for name in names)
    if difference.rules_moved:
        yield "~ order of the rules"
    yield from map(_set_told, difference.sets)
    yield from (f"~ set {name}: counters change" for name in difference.counting)
    for file, lines in difference.skipped.items():
        yield f"{file}: {show.count(lines, 'bad line')} skipped"


def _set_told(change: SetChange) -> str:
    if change.before is None:
        return f"+ set {change.name}: {show.count(change.after or 0, 'prefix')}"
    if change.after is None:
        return f"- set {change.name}: {show.count(change.before, 'prefix')}"
    turnover = f"{change.added:,} added, {change.removed:,} removed"
    return f"~ set {change.name}: {turnover}, {show.count(change.after, 'prefix')}"


def down(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath down``."""
    parser.add_argument(
        "names", nargs="*", metavar="IFACE", help="interface; optional while only one is up"
    )
    add_live(parser)
    parser.set_defaults(run=_down)


def _down(options: Namespace) -> None:
    datapath = Datapath.open(_one_name(options, options.names), damaged=True)
    with _telling(datapath.name, down=True):
        removal = datapath.down()
    if options.json:
        show.document(removal.document() if removal else {"iface": datapath.name})
    elif removal:
        show.line(f"{removal.iface}: down; {_removed(removal)}")
    else:
        show.line(f"{datapath.name}: down")


def _removed(removal: Removal) -> str:
    parts = [f"its pins were damaged: {removal.damage}"]
    parts.append(f"taken off: {', '.join(removal.taken_off) or 'nothing was attached'}")
    if removal.restored:
        parts.append(f"put back: {', '.join(removal.restored)}")
    if removal.unknown:
        parts.append(f"no record of what it was before: {', '.join(removal.unknown)}")
    return "; ".join(parts)
