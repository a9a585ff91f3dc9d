"""``wirepath check``: validates a policy and shows what it will do, without privilege."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath import essentials
from wirepath.cli import show, ssh_peer
from wirepath.cli.parser import add_json, add_yes
from wirepath.net import HOOKS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wirepath.policy import Policy, SetSpec
    from wirepath.report import Report

_NOTES_SHOWN: Final = 20


def check(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath check``."""
    parser.add_argument("policy", metavar="POLICY", type=Path, help="policy file")
    add_yes(parser)
    add_json(parser)
    parser.set_defaults(run=_check)


def _check(options: Namespace) -> None:
    from wirepath import report
    from wirepath.policy import Policy

    found = report.check(Policy.load(options.policy), yes=options.yes)
    if options.json:
        show.document(found.document())
    else:
        _tell(found)


def _tell(found: Report) -> None:
    policy = found.policy
    _tell_settings(policy)
    if found.essentials:
        at = ", ".join(found.essentials)
        show.line(f"  essentials   pass at {at}, before bans and rules:")
        for described in essentials.DESCRIBED:
            show.line(f"    {described}")
    if policy.sets:
        show.line()
        rows = ((name, found.sets[name], _sources(spec)) for name, spec in policy.sets.items())
        show.table(("set", "prefixes", "from"), rows)
    if policy.rules:
        show.line()
        steps = enumerate(policy.rules, 1)
        hooks = show.hooks([rule.hooks for rule in policy.rules])
        show.table(
            ("#", "rule", *hooks.title, "action", "match"),
            (
                (n, r.name, *hooks.cell(r.hooks), r.action.describe(), r.match.describe())
                for n, r in steps
            ),
        )
    _tell_notes(found)


def _tell_notes(found: Report) -> None:
    cut = ssh_peer.cut_off(found.policy)
    if found.notes or cut:
        show.line()
    if cut:
        show.line(f"note: {found.policy.file}: {cut}")
    for note in found.notes[:_NOTES_SHOWN]:
        show.line(f"note: {note}")
    if more := len(found.notes[_NOTES_SHOWN:]):
        show.line(f"note: ... and {more:,} more (--json lists them)")


def _tell_settings(policy: Policy) -> None:
    datapath = policy.datapath
    show.line(f"{policy.file}: valid")
    show.line(f"  default      {_default(policy)}")
    for what in ("fragments", "malformed"):
        show.line(f"  {what:11}  {getattr(datapath, what)}")
    if datapath.foreign_frames == "judge":
        show.line("  foreign      judge: frames for other hosts count as our own")
    for prefix in datapath.never_block:
        show.line(f"  never block  {prefix}")


def _default(policy: Policy) -> str:
    if not policy.datapath.defaults:
        return policy.datapath.default
    return ", ".join(f"{policy.at(hook).datapath.default} at {hook}" for hook in HOOKS)


def _sources(spec: SetSpec) -> str:
    own = [f"{show.count(len(spec.prefixes), 'prefix')} of its own"] if spec.prefixes else []
    return ", ".join([*(path.name for path in spec.files), *own]) or "nothing"
