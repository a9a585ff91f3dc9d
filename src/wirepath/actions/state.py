"""What rules remember in the kernel: maps that go on when another policy serves."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMap:
    """A map in which packets leave something for later packets.

    The next generation takes the map itself over if it has room enough.  A policy that needs none
    of it has one entry.

    Attributes:
        name: in C.
        summed: whether each rule needs entries of its own; if not, all share as many as the rule
            that needs most.
        reserve: more entries for each CPU, if there are any.
        moves: what goes on when the map has too little room: nothing, its entries, or the ranges
            of entries that `wirepath.plan.slots` has given to each limit.
    """

    name: str
    summed: bool = False
    reserve: int = 0
    moves: Literal["nothing", "entries", "ranges"] = "nothing"
