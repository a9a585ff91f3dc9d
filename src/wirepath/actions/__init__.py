"""The actions of rules: what a rule does with the packets that it matches.

One file an action: what the operator writes, how it is lowered, how the model decides.  Its half in
the kernel, if it has one, has the same stem: ``bpf/actions/X.h``.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from wirepath.actions.action import Action, Counting, Key
from wirepath.actions.count import Count
from wirepath.document import Table

__all__ = ["Action", "counting", "keys", "kinds", "read"]


# A module with `RULE_KEYS` is an action; no list names them.
def _found() -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for module in iter_modules(__path__):
        keys |= getattr(import_module(f"{__name__}.{module.name}"), "RULE_KEYS", {})
    return keys


_KEYS: Final[Mapping[str, Key]] = _found()


def read(rule: Table) -> Action:
    """Take the key of an action from *rule*; a rule without one counts."""
    there = rule.present(_KEYS)
    found = [(key, action) for key in rule if key in there and (action := _KEYS[key].read(rule))]
    for key, _ in found[1:]:
        rule.wrong(key, f"a second action (one a rule: `{found[0][0]}` is there; write two rules)")
    return found[0][1] if found else Count()


def keys() -> Collection[str]:
    """Name the keys of a rule that ask for an action."""
    return _KEYS.keys()


def kinds() -> Iterator[type[Action]]:
    """Give every kind of action except `Count`."""
    return (kind for key in _KEYS.values() for kind in key.kinds)


def counting(rule: Mapping[str, Any]) -> Counting:
    """Say what *rule* counts; *rule* is as in `Policy.document`."""
    asked = (key for name, key in _KEYS.items() if name in rule)
    return next((key.kinds[0].counting for key in asked), Count.counting)
