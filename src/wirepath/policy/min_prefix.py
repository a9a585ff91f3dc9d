"""The key ``min_prefix`` of a set, which guards against feeds that list half of the Internet."""

from functools import partial
from typing import Any, Final

from wirepath.document import Table
from wirepath.errors import RequestError, shown

_IPV4_LENGTH: Final = 32
_IPV6_LENGTH: Final = 128


def read_min_prefix(entry: Table) -> tuple[int, int]:
    """Read the shortest lengths that a set allows, of IPv4 and IPv6; 0 stands for any.

    The operator writes one number for both families, or a table with one for each.
    """
    if not isinstance(entry.take("min_prefix"), dict):
        both = entry.one("min_prefix", partial(_length, most=_IPV4_LENGTH), 0)
        return both, both
    table = entry.table("min_prefix", "min_prefix = { ipv4 = 16, ipv6 = 32 }")
    ipv4 = table.one("ipv4", partial(_length, most=_IPV4_LENGTH), 0)
    ipv6 = table.one("ipv6", partial(_length, most=_IPV6_LENGTH), 0)
    table.done()
    return ipv4, ipv6


def _length(value: Any, *, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RequestError(f"{shown(value)}: not a prefix length (they go from 0 to {most})")
