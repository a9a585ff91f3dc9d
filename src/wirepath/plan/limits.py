"""The limits of a policy, and what becomes of their cells under another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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


class Conversion(NamedTuple):
    """How the cells of a limit are carried over to another rate or burst.

    What a key has used of its burst stays used: as many packets or bits as before. If the unit
    changes, as large a share of the burst.

    Attributes:
        factor: what the time that a cell has outstanding is multiplied by.
        most_ns: the time that it has outstanding at most afterwards.
    """

    factor: float
    most_ns: int


def conversion(before: Limit, after: Limit) -> Conversion | None:
    """Give the conversion of the cells of *before*; None if they mean the same to *after*."""
    if before.rate.bits != after.rate.bits:
        factor = after.burst_ns / before.burst_ns
    elif after.rate.bits:
        factor = after.byte_cost / before.byte_cost
    else:
        factor = after.packet_ns / before.packet_ns
    if factor == 1 and after.most_ns >= before.most_ns:
        return None
    return Conversion(factor, after.most_ns)
