"""The picture of ``wirepath bench --svg``: cost by the number of addresses."""

import time
from collections.abc import Iterator

from wirepath.bench.contenders import SIZES
from wirepath.bench.outcome import Outcome, here
from wirepath.bench.plot import Series, Words, chart


def picture(outcome: Outcome) -> str:
    """Draw what packets from all listed addresses in turn cost.

    A contender without a list is drawn where the most addresses are, since its figure was measured
    with packets from as many.
    """
    place = here()
    when = time.strftime("%Y-%m")
    words = Words(
        title="What dropping a packet costs, by the number of listed addresses",
        key="Packets from all listed addresses in turn. A point alone: a program without a list.",
        x="listed addresses",
        y="CPU ns a packet, the generator's share included",
        foot=f"Linux {place['kernel']}, {when}; wirepath bench{' --quick' * outcome.quick}",
        unit=" ns",
    )
    return chart([*_series(outcome)], words)


def _series(outcome: Outcome) -> Iterator[Series]:
    for name in outcome.contenders:
        largest = outcome.largest(name)
        points = {}
        for size in SIZES if largest else SIZES[-1:]:
            if found := outcome.find(name, size, "drop_all"):
                points[size] = found.ns
        if points:
            yield Series(name, points)
