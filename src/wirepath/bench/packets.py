"""The addresses that ``wirepath bench`` lists, and the packets that it sends."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wirepath.bench.wire import BEYOND, MAC
from wirepath.lab.traffic import Traffic, addresses, from_sources, random_sources, udp, written_out

OTHERS: Final = 10_000
"""From how many addresses that are not listed packets are forwarded."""
_ADDED: Final = 3
_LOOPBACK: Final = 127  # 127.0.0.0/8: routers drop it
_FURTHER: Final = 2  # the seed of addresses that are not listed


class Packets:
    """Addresses by number, and packets from them; each time the same.

    Args:
        sizes: how many addresses are listed.

    Attributes:
        listed: the most addresses that are listed; shorter lists are its beginning.
        added: addresses that are listed later.
        others: packets from addresses that are never listed, to be routed on.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._rows = _sources(max(sizes), 1)
        self.listed = addresses(self._rows)
        further = _sources(_ADDED + OTHERS, _FURTHER, but=self._rows)
        self.added = addresses(further[:_ADDED])
        self._template = udp(BEYOND, 9, mac=MAC)
        self.others: Traffic = written_out(self._template, further[_ADDED:])

    def one(self, size: int) -> Traffic:
        """Give packets from the address in the middle of a list."""
        return from_sources(self._template, self._rows[size // 2 :][:1])

    def all(self, size: int) -> Traffic:
        """Give packets from all addresses of a list in turn."""
        return from_sources(self._template, self._rows[:size])


# Addresses that a router takes packets from, none of them in *but*.
def _sources(count: int, seed: int, but: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    rows = random_sources(count + count // 50 + 64, seed=seed)
    keep = rows[:, 0] != _LOOPBACK
    if but is not None:
        keep &= ~np.isin(_numbers(rows), _numbers(but))
    return np.ascontiguousarray(rows[keep][:count])


def _numbers(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(rows).view(np.uint32).reshape(-1)
