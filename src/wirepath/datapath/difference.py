"""What a new policy would change on a running datapath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wirepath.datapath import Datapath
    from wirepath.datapath.contents import Contents
    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True)
class SetChange:
    """A set that comes, goes, or changes its contents.

    Attributes:
        name: of the set.
        before, after: how many prefixes it has; None if it does not exist.
        added, removed: how many prefixes come and go.
    """

    name: str
    before: int | None
    after: int | None
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes, by name.

    Attributes:
        rules_added, rules_removed, rules_changed: rules; a changed one keeps its counters.
        rules_moved: whether those that stay are walked in another order.
        datapath: keys of ``[datapath]`` that change.
        sets: whose contents change, live changes included.
        skipped: by file, how many bad lines were passed over.
    """

    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    rules_changed: tuple[str, ...]
    rules_moved: bool
    datapath: tuple[str, ...]
    sets: tuple[SetChange, ...]
    skipped: dict[str, int]

    @property
    def empty(self) -> bool:
        """Whether everything stays as it is."""
        return not (
            self.rules_added
            or self.rules_removed
            or self.rules_changed
            or self.rules_moved
            or self.datapath
            or self.sets
        )


def difference(datapath: Datapath, policy: Policy, contents: Contents) -> Difference:
    """Compare what serves with *policy* and the *contents* of its sets."""
    before, after = datapath.manifest.policy, policy.document()
    old = {rule["name"]: rule for rule in before["rule"]}
    new = {rule["name"]: rule for rule in after["rule"]}
    return Difference(
        rules_added=tuple(name for name in new if name not in old),
        rules_removed=tuple(name for name in old if name not in new),
        rules_changed=tuple(n for n, rule in new.items() if n in old and old[n] != rule),
        rules_moved=[n for n in old if n in new] != [n for n in new if n in old],
        datapath=tuple(k for k, v in after["datapath"].items() if before["datapath"][k] != v),
        sets=tuple(_sets(datapath, policy, contents)),
        skipped=dict(contents.skipped),
    )


def _sets(datapath: Datapath, policy: Policy, contents: Contents) -> list[SetChange]:
    old = _by_set(datapath.sets.all_members(), datapath.sets.names())
    new = _by_set(contents.members, list(policy.sets))
    changes = []
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name), new.get(name)
        added, removed = _compare(was, now)
        if was is None or now is None or added or removed:
            sizes = (None if each is None else len(each) for each in (was, now))
            changes.append(SetChange(name, *sizes, added, removed))
    return changes


# By set, its prefixes as rows of bytes, sorted and without repeats.
def _by_set(members: Any, names: list[str]) -> dict[str, Any]:
    import numpy as np

    words = np.frombuffer(members.memory, dtype=np.uint64).reshape(-1, 3)
    numbers = (words[:, 2] >> np.uint64(8)) & np.uint64(0xFF)
    sets = {}
    for number, name in enumerate(names):
        rows = words[numbers == number].copy()
        rows[:, 2] &= np.uint64(0xFF)
        sets[name] = np.unique(rows, axis=0)
    return sets


def _compare(was: Any, now: Any) -> tuple[int, int]:
    import numpy as np

    if was is None or now is None:
        return (0 if now is None else len(now)), (0 if was is None else len(was))
    both = len(np.unique(np.concatenate((was, now)), axis=0))
    return both - len(was), both - len(now)
