"""What a rule's struct has to say besides what the operator wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

NO_SLOT: Final = (1 << 32) - 1
"""RULE_NONE of bpf/packet/pkt.h, of a rule that does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a rule has its place on this host.

    Attributes:
        slot: of its counters.
        first_bucket, buckets: the range of ``limit_buckets`` that a limit has to itself.
        learned_ns: when it knows what it has to learn from packets first; 0: it learns nothing.
        devices: the ifindex of each device that copies go to, by `Target.words`; those that are
            missing are not there.
    """

    slot: int = NO_SLOT
    first_bucket: int = 0
    buckets: int = 1
    learned_ns: int = 0
    devices: Mapping[str, int] = field(default_factory=dict)
