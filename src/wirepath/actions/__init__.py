"""What a rule does with the packets that it matches.

One file an action: what the operator writes, how it lowers, how the model decides.  The kernel's
half of each has the same stem, where it has one: ``bpf/actions/X.h``.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from wirepath.actions.action import Action, Counting, Key
from wirepath.actions.count import Count
from wirepath.document import Table

__all__ = ["Action", "counting", "keys", "kinds", "read"]


# An action is there by its file alone: every module that has `RULE_KEYS` is asked.
def _found() -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for module in iter_modules(__path__):
        keys |= getattr(import_module(f"{__name__}.{module.name}"), "RULE_KEYS", {})
    return keys


_KEYS: Final[Mapping[str, Key]] = _found()


def read(rule: Table) -> Action:
    """Take the action's key from *rule*; without any, the rule counts."""
    there = rule.present(_KEYS)
    found = [(key, action) for key in rule if key in there and (action := _KEYS[key].read(rule))]
    for key, _ in found[1:]:
        rule.wrong(key, f"a second action (one a rule: `{found[0][0]}` is there; write two rules)")
    return found[0][1] if found else Count()


def keys() -> Collection[str]:
    """Name the keys of a rule that ask for an action."""
    return _KEYS.keys()


def kinds() -> Iterator[type[Action]]:
    """Give every action there is, but for the one that only counts."""
    return (kind for key in _KEYS.values() for kind in key.kinds)


def counting(rule: Mapping[str, Any]) -> Counting:
    """Say what *rule* counts, a rule as `Policy.document` has it."""
    asked = (key for name, key in _KEYS.items() if name in rule)
    return next((key.kinds[0].counting for key in asked), Count.counting)
