"""The policies whose programs are held to a budget: every example, and everything together."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, get_args

import rulesets
from rulesets import Kind
from wirepath.datapath.generation.load import Generation
from wirepath.net import HOOKS, Hook
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

_BENCH: Final = Path(__file__).parent
_EXAMPLES: Final = _BENCH.parent / "examples"
_RULES: Final = 100  # of each kind, at each hook: some are filed away and some are not


def policies() -> Iterator[tuple[str, Policy]]:
    """Give each policy with its name; the worst come last."""
    for file in sorted(_EXAMPLES.glob("*.toml")):
        yield file.stem, Policy.load(file)
    everything = (_BENCH / "everything.toml").read_text()
    yield "everything", Policy.parse(everything)
    yield "everything-and-many-rules", Policy.parse(everything + _rules())


def loaded(policy: Policy, hooks: Collection[Hook] | None = None) -> Generation:
    """Load the programs of *policy* as for an interface; leaving its context unloads them.

    Those of *hooks*, of all that it has rules at if none are given.
    """
    members = read_contents(policy).members
    return Generation.load(policy, members, sizes={"bans": 16}, hooks=hooks, mac=bytes(6))


def _rules() -> str:
    parts = [_rules_at(hook, kind) for hook in HOOKS for kind in get_args(Kind)]
    return "\n".join(parts)


def _rules_at(hook: Hook, kind: Kind) -> str:
    _, _, rules = rulesets.wirepath_policy(rulesets.draw(kind, _RULES), hook=hook).partition("\n\n")
    return rules.replace('name = "', f'name = "{hook}-{kind}-')
