"""The whole of ``examples/edge.toml``: the cost of a packet that every rule lets pass."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from results import Table, costs
from wirepath.bench import subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.bench.wire import ADDRESS, MAC
from wirepath.lab.traffic import from_sources, random_sources, udp

_EDGE: Final = Path(__file__).parents[2] / "examples" / "edge.toml"
_SOURCES: Final = 100_000
_BOGON: Final = (10, 100, 127, 169, 172, 192, 198, 203)  # first bytes that edge.toml drops
_GOAL: Final = 2.5


def measure(directory: Path, repetitions: int) -> Iterator[Table]:  # noqa: ARG001 - the signature of all cases
    """Measure QUIC from many sources, which goes on to a closed port."""
    packets = from_sources(udp(ADDRESS, 443, sport=40_000, mac=MAC), _public(_SOURCES))
    subjects = [program(BARE, "bare_pass"), Subject("edge.toml", partial(subject.attach, _EDGE))]
    measured = compare(subjects, packets, repetitions=repetitions)
    title = f"edge.toml, QUIC from {_SOURCES:,} sources, on to a closed port"
    yield costs(title, measured, {"edge.toml": _GOAL})


def _public(count: int) -> NDArray[np.uint8]:
    sources = random_sources(count + count // 8)
    return sources[~np.isin(sources[:, 0], _BOGON)][:count]
