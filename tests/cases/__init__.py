"""One table of cases for every executor: a policy, a frame, and the expected verdict.

The model runs it in tests/unit, the programs in tests/kernel. ``CASES`` has all cases; cases of
one policy are adjacent, so that an executor loads each policy only once.
"""

from cases import (
    addresses,
    cut,
    fragments,
    guard,
    headers,
    icmp,
    malformed,
    numbers,
    ports,
    states,
    walk,
)
from cases.case import Case

__all__ = ["CASES", "Case"]

CASES: list[Case] = [
    case
    for module in (
        headers,
        malformed,
        cut,
        addresses,
        ports,
        icmp,
        numbers,
        fragments,
        states,
        guard,
        walk,
    )
    for case in module.CASES
]
