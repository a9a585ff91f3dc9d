"""What the struct of a rule needs besides what the operator wrote: its place on this host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

NO_SLOT: Final = (1 << 32) - 1
"""The slot of a rule that does not count: RULE_NONE of bpf/packet/pkt.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The place of a rule on this host.

    Attributes:
        slot: the slot of its counters.
        first_bucket, buckets: the range of ``limit_buckets`` that a limit has to itself.
        learned_ns: the time from which it has learned enough from packets; 0: it does not learn.
        devices: the ifindex of each existing device that copies go to, by `Target.words`.
    """

    slot: int = NO_SLOT
    first_bucket: int = 0
    buckets: int = 1
    learned_ns: int = 0
    devices: Mapping[str, int] = field(default_factory=dict)
