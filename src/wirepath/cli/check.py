"""``wirepath check``: whether a policy is valid, and what it will do. Needs no privilege."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirepath.cli import show
from wirepath.cli.parser import add_json
from wirepath.net import HOOKS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from wirepath.errors import Problem
    from wirepath.policy import Policy, SetSpec


def check(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath check``."""
    parser.add_argument("policy", metavar="POLICY", type=Path, help="policy file")
    add_json(parser)
    parser.set_defaults(run=_check)


def _check(options: Namespace) -> None:
    from wirepath.policy import Policy
    from wirepath.policy.notes import notes

    policy = Policy.load(options.policy)
    counts = _lowered(policy)
    found = notes(policy, counts)
    if options.json:
        show.document(_document(policy, counts, found))
    else:
        _tell(policy, counts, found)


# Goes as far as `up` does before it meets the kernel; gives the size of each set.
def _lowered(policy: Policy) -> dict[str, int]:
    from wirepath.plan import plan
    from wirepath.plan.set_files import read_contents
    from wirepath.plan.slots import SECRETS, Slots
    from wirepath.prefixes.offline import offline

    slots = Slots.first(policy, secret=[1] * SECRETS, now_ns=0)
    planned = plan(policy, read_contents(policy).members, slots)
    with offline(planned.tables) as sets:
        return dict(zip(policy.sets, sets.counts(), strict=False))


def _document(policy: Policy, counts: Mapping[str, int], notes: list[Problem]) -> dict[str, Any]:
    return {
        "file": policy.file,
        "datapath": policy.document()["datapath"],
        "sets": {
            name: {"prefixes": counts[name], "files": list(map(str, spec.files))}
            for name, spec in policy.sets.items()
        },
        "rules": [
            {
                "name": rule.name,
                "hook": list(rule.hooks),
                "match": rule.match.describe(),
                "action": rule.action.describe(),
            }
            for rule in policy.rules
        ],
        "notes": [{"line": note.line, "key": note.key, "message": note.message} for note in notes],
    }


def _tell(policy: Policy, counts: Mapping[str, int], notes: list[Problem]) -> None:
    datapath = policy.datapath
    print(f"{policy.file}: valid")
    print(f"  default      {_default(policy)}")
    for what in ("fragments", "malformed"):
        print(f"  {what:11}  {getattr(datapath, what)}")
    for prefix in datapath.never_block:
        print(f"  never block  {prefix}")
    if policy.sets:
        print()
        rows = ((name, counts[name], _sources(spec)) for name, spec in policy.sets.items())
        show.table(("set", "prefixes", "from"), rows)
    if policy.rules:
        print()
        steps = enumerate(policy.rules, 1)
        hooks = show.hooks([rule.hooks for rule in policy.rules])
        show.table(
            ("#", "rule", *hooks.title, "action", "match"),
            (
                (n, r.name, *hooks.cell(r.hooks), r.action.describe(), r.match.describe())
                for n, r in steps
            ),
        )
    if notes:
        print()
    for note in notes:
        print(f"note: {note}")


def _default(policy: Policy) -> str:
    if not policy.datapath.defaults:
        return policy.datapath.default
    return ", ".join(f"{policy.at(hook).datapath.default} at {hook}" for hook in HOOKS)


def _sources(spec: SetSpec) -> str:
    own = [f"{show.count(len(spec.prefixes), 'prefix')} of its own"] if spec.prefixes else []
    return ", ".join([*(path.name for path in spec.files), *own]) or "nothing"
