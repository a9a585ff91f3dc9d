"""One table for every executor: a policy, a frame, and what must become of it.

The model runs it in tests/unit, XDP by test run in tests/kernel.  ``CASES`` has them all; cases of
one policy stand together, so that an executor need load each only once.
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
