"""The report of ``wirepath check`` on a valid policy: what it will do, and probable mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.errors import Problem
    from wirepath.net import Hook
    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A report on a policy: what it will do, and notes on probable mistakes.

    Attributes:
        policy: the policy.
        sets: how many prefixes each set has, by name, including those of its files.
        notes: what is valid but probably a mistake, in file order.
    """

    policy: Policy
    sets: Mapping[str, int]
    notes: tuple[Problem, ...]

    @property
    def essentials(self) -> tuple[Hook, ...]:
        """The hooks at which `wirepath.essentials` pass."""
        at = {hook: self.policy.at(hook).datapath for hook in self.policy.hooks}
        return tuple(hook for hook in at if at[hook].passes_essentials)

    def document(self) -> dict[str, Any]:
        """Give the report as plain values, for JSON."""
        return {
            "file": self.policy.file,
            "datapath": self.policy.document()["datapath"],
            **({"essentials": list(self.essentials)} if self.essentials else {}),
            "sets": {
                name: {"prefixes": self.sets[name], "files": list(map(str, spec.files))}
                for name, spec in self.policy.sets.items()
            },
            "rules": [rule.in_words() for rule in self.policy.rules],
            "notes": [
                {"line": note.line, "key": note.key, "message": note.message} for note in self.notes
            ],
        }

    def __repr__(self) -> str:
        notes = len(self.notes)
        return f"<report on {self.policy.file}: {notes} note{'s' * (notes != 1)}>"


def check(policy: Policy, *, skip_bad: bool = False, yes: bool = False) -> Report:
    """Check *policy* as far as `Datapath.up` does before it needs the kernel, and report on it.

    A policy that is not valid does not get this far: `Policy.load`, `parse` and `of` raise
    PolicyError, whose ``problems`` ``wirepath check`` prints.

    Args:
        policy: the policy; the files of its sets are read.
        skip_bad: whether to skip bad lines of set files.
        yes: whether lists may have prefixes of all addresses, such as 0.0.0.0/0.

    Raises:
        PolicyError: a set file has bad lines, or the policy asks for more than the tables hold.
    """
    from wirepath.plan import fit
    from wirepath.plan.set_files import read_contents
    from wirepath.plan.slots import SECRETS, Slots
    from wirepath.policy.notes import notes
    from wirepath.prefixes.offline import offline

    slots = Slots.first(policy, secret=[1] * SECRETS, now_ns=0)
    contents = read_contents(policy, skip_bad=skip_bad, yes=yes)
    with offline(fit(policy, contents.members, slots)) as sets:
        counts = dict(zip(policy.sets, sets.counts(), strict=False))
    return Report(policy, counts, (*notes(policy, counts), *contents.notes))
