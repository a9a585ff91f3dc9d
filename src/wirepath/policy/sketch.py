"""Packets of which only some fields are known, for ``wirepath test ADDRESS``."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from wirepath.net import Ct, Fragment


class Unknown(Enum):
    """The type of UNKNOWN, the value of a field that may have any value."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """The fields of :class:`wirepath.net.Packet` that rules compare; None means absent."""

    family: Literal[4, 6]
    source: int | Unknown = UNKNOWN
    destination: int | Unknown = UNKNOWN
    proto: int | Unknown = UNKNOWN
    sport: int | Unknown | None = UNKNOWN
    dport: int | Unknown | None = UNKNOWN
    tcp_flags: int | Unknown | None = UNKNOWN
    icmp_type: int | Unknown | None = UNKNOWN
    vlan: int | Unknown | None = UNKNOWN
    length: int | Unknown = UNKNOWN
    ttl: int | Unknown = UNKNOWN
    dscp: int | Unknown = UNKNOWN
    fragment: Fragment | Unknown = UNKNOWN
    ct: Ct | Unknown = UNKNOWN
