"""What a rule does with the packets that it matches.

One file an action: what the operator writes, how it lowers, how the model decides.  The kernel's
half of each has the same stem, where it has one: ``bpf/actions/X.h``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from wirepath.actions import challenge, count, dscp, limit, mirror, reject, verdict, wireguard
from wirepath.actions.action import Action, Counting
from wirepath.actions.cookie import Cookie
from wirepath.document import Table

__all__ = ["Action", "counting", "kinds", "read"]


class _Key(NamedTuple):
    # What a key of a rule asks for: how it is read, and the actions that come of it.
    read: Callable[[Table], Action | None]
    kinds: tuple[type[Action], ...]


_KEYS: Final[Mapping[str, _Key]] = {
    "action": _Key(lambda rule: rule.one("action", verdict.read, None), (verdict.Decide,)),
    "challenge": _Key(challenge.read, (challenge.Challenge, Cookie)),
    "dscp": _Key(lambda rule: rule.one("dscp", dscp.read, None), (dscp.Dscp,)),
    "limit": _Key(limit.read, (limit.Limit,)),
    "wireguard": _Key(wireguard.read, (wireguard.WireGuard, wireguard.Learn)),
    "reject": _Key(reject.read, (reject.Reject,)),
    "mirror": _Key(mirror.read, (mirror.Mirror,)),
}


def read(rule: Table) -> Action:
    """Take the action's key from *rule*; without any, the rule counts."""
    asked = [key for key in _KEYS if rule.take(key) is not None]
    found = [(key, action) for key in asked if (action := _KEYS[key].read(rule))]
    for key, _ in found[1:]:
        rule.wrong(key, f"a second action (one a rule: `{found[0][0]}` is there; write two rules)")
    return found[0][1] if found else count.Count()


def kinds() -> Iterator[type[Action]]:
    """Give every action there is, but for the one that only counts."""
    return (kind for key in _KEYS.values() for kind in key.kinds)


def counting(rule: Mapping[str, Any]) -> Counting:
    """Say what *rule* counts, a rule as `Policy.document` has it."""
    asked = (key for name, key in _KEYS.items() if name in rule)
    return next((key.kinds[0].counting for key in asked), count.Count.counting)
