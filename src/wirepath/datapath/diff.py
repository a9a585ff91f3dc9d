"""The difference between a running datapath and a new policy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from wirepath.datapath.live.set_view import SetView
from wirepath.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.handles import Handles
    from wirepath.plan.set_files import Contents
    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True)
class SetChange:
    """A set that is added or removed, or whose contents change.

    Attributes:
        name: the name of the set.
        before, after: how many prefixes it has; None if it does not exist.
        added, removed: how many prefixes are added and removed.
    """

    name: str
    before: int | None
    after: int | None
    added: int
    removed: int


@dataclass(frozen=True, slots=True, repr=False)
class Difference:
    """The changes that a new policy makes, by name.

    Attributes:
        rules_added, rules_removed, rules_changed: names of rules; a changed rule keeps its
            counters.
        rules_moved: whether the rules that stay are walked in another order.
        hooks_added, hooks_removed: hooks at which a program is attached or detached.
        datapath: keys of ``[datapath]`` that change.
        sets: sets whose contents change; live changes count.
        counting: sets that stay, and start or stop counting by prefix.
        skipped: by file, how many bad lines were skipped.
    """

    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    rules_changed: tuple[str, ...]
    rules_moved: bool
    hooks_added: tuple[str, ...]
    hooks_removed: tuple[str, ...]
    datapath: tuple[str, ...]
    sets: tuple[SetChange, ...]
    counting: tuple[str, ...]
    skipped: dict[str, int]

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (
            self.rules_added
            or self.rules_removed
            or self.rules_changed
            or self.rules_moved
            or self.datapath
            or self.sets
            or self.counting
        )

    def document(self) -> dict[str, Any]:
        """Give the difference as plain values, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        changes = [f"{name}={value!r}" for name, value in values if value]
        return f"Difference({', '.join(changes)})"


def difference(handles: Handles, policy: Policy, contents: Contents) -> Difference:
    """Compare the generation of *handles* with *policy* and the *contents* of its sets."""
    before, after = handles.manifest.policy, policy.document()
    old = {rule["name"]: rule for rule in before["rule"]}
    new = {rule["name"]: rule for rule in after["rule"]}
    return Difference(
        rules_added=tuple(name for name in new if name not in old),
        rules_removed=tuple(name for name in old if name not in new),
        rules_changed=tuple(n for n, rule in new.items() if n in old and old[n] != rule),
        rules_moved=[n for n in old if n in new] != [n for n in new if n in old],
        hooks_added=tuple(hook for hook in policy.hooks if hook not in handles.manifest.rows),
        hooks_removed=tuple(hook for hook in handles.manifest.rows if hook not in policy.hooks),
        datapath=_changed(before["datapath"], after["datapath"]),
        sets=tuple(_sets(handles, policy, contents)),
        counting=tuple(
            name
            for name, spec in after["set"].items()
            if name in before["set"] and before["set"][name]["counters"] != spec["counters"]
        ),
        skipped=dict(contents.skipped),
    )


def check_feeds(policy: Policy, changes: Difference) -> None:
    """Refuse *changes* that empty a set by its files.

    A feed that comes empty is broken more often than the world has become good.

    Raises:
        PolicyError: names each set that would be emptied.
    """
    emptied = [
        policy.problem(
            f"its files have become empty, and the set has {change.before:,} prefixes"
            " (--allow-empty empties it)",
            "set",
            change.name,
        )
        for change in changes.sets
        if change.before and change.after == 0 and policy.sets[change.name].files
    ]
    if emptied:
        raise PolicyError(emptied)


# An optional key may be missing on either side.
def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(key for key in {**after, **before} if before.get(key) != after.get(key))


def _sets(handles: Handles, policy: Policy, contents: Contents) -> list[SetChange]:
    view, new = SetView(handles), contents.members
    old = view.all_members()
    old_ids = {name: number for number, name in enumerate(view.names())}
    new_ids = {name: number for number, name in enumerate(policy.sets)}
    old_sizes, new_sizes = old.counts(), new.counts()
    changes = []
    for name in dict.fromkeys((*old_ids, *new_ids)):
        was, now = old_ids.get(name), new_ids.get(name)
        before = None if was is None else old_sizes[was]
        after = None if now is None else new_sizes[now]
        both = 0 if was is None or now is None else old.common(was, new, now)
        added, removed = (after or 0) - both, (before or 0) - both
        if before is None or after is None or added or removed:
            changes.append(SetChange(name, before, after, added, removed))
    return changes
