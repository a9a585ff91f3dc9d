"""The limits of a policy: those that are actions, and those that are parts of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wirepath.actions.limit import Limit
    from wirepath.policy import Policy


def limits_of(policy: Policy) -> dict[str, Limit]:
    """Give every limit of *policy*, by ``RULE``; by ``RULE:ROLE`` if it is part of an action."""
    return {
        f"{rule.name}:{role}" if role else rule.name: limit
        for rule in policy.rules
        for role, limit in rule.action.limits.items()
    }
