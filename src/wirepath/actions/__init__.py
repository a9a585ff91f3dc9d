"""What a rule does with the packets that it matches.

One file an action: what the operator writes, how it lowers, how the model decides.  The kernel's
half of each has the same stem, where it has one: ``bpf/actions/X.h``.
"""

from collections.abc import Callable, Mapping
from typing import Final

from wirepath.actions import challenge, count, dscp, limit, mirror, reject, verdict, wireguard
from wirepath.actions.action import Action
from wirepath.document import Table

__all__ = ["Action", "read"]

_READ: Final[Mapping[str, Callable[[Table], Action | None]]] = {
    "action": lambda rule: rule.one("action", verdict.read, None),
    "challenge": challenge.read,
    "dscp": lambda rule: rule.one("dscp", dscp.read, None),
    "limit": limit.read,
    "wireguard": wireguard.read,
    "reject": reject.read,
    "mirror": mirror.read,
}


def read(rule: Table) -> Action:
    """Take the action's key from *rule*; without any, the rule counts."""
    asked = [key for key in _READ if rule.take(key) is not None]
    found = [(key, action) for key in asked if (action := _READ[key](rule))]
    for key, _ in found[1:]:
        rule.wrong(key, f"a second action (one a rule: `{found[0][0]}` is there; write two rules)")
    return found[0][1] if found else count.Count()
