"""The maps that rules remember things in, which outlive the policy that serves."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMap:
    """A map in which packets leave something for later packets.

    The next generation takes the map over if it has enough room.  A policy that does not use the
    map has one of a single entry.

    Attributes:
        name: its name in C.
        summed: whether each rule needs entries of its own; if not, all rules share as many as the
            rule that needs most.
        reserve: entries to add for each CPU, if the map is used.
        moves: what is copied to the next generation's map if this one has too little room: nothing,
            its entries, or the range of entries that `wirepath.plan.slots` gives to each limit.
    """

    name: str
    summed: bool = False
    reserve: int = 0
    moves: Literal["nothing", "entries", "ranges"] = "nothing"
