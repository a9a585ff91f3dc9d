"""Conversion of limit cells to another rate or burst, bucket by bucket."""

import numpy as np
import pytest

from wirepath.datapath.generation.cells import CELL_BITS, ERA_BITS, _convert_buckets
from wirepath.plan.limits import Conversion, conversion, limits_of
from wirepath.policy import Policy

S = 1_000_000_000
HOUR = 3600 * S
_TIME = (1 << CELL_BITS) - 1


def bucket(written: int, *ends: int) -> list[int]:
    """Make a bucket whose cells, tagged from 1, end at *ends*; it was last used at *written*."""
    cells = [tag << CELL_BITS | end & _TIME for tag, end in enumerate(ends, 1)]
    return [(written >> ERA_BITS) + 1, *cells, *[0] * (7 - len(ends))]


@pytest.mark.parametrize("age", [0, 1, 19, 23])
@pytest.mark.parametrize("now", [24 * HOUR, 77 * HOUR, 78 * HOUR, 10_000 * HOUR + 7])
def test_times_are_converted_from_any_era(now: int, age: int) -> None:
    written = now - age * HOUR
    old = np.array([bucket(written, written + 24 * HOUR, written + HOUR)], dtype=np.uint64)
    _convert_buckets(old, now, Conversion(0.5, 11 * HOUR))
    ends = [now + min(max(written + of * HOUR - now, 0) // 2, 11 * HOUR) for of in (24, 1)]
    want = bucket(now, *ends)
    if age >= 1:
        want[2] = 0  # its time had passed
    assert old[0].tolist() == want


def test_buckets_without_anything_outstanding_stay_as_they_are() -> None:
    buckets = [bucket(0), bucket(0, HOUR), [0] * 8]
    array = np.array(buckets, dtype=np.uint64)
    _convert_buckets(array, 200 * HOUR, Conversion(2, HOUR))
    assert array.tolist() == buckets


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('rate = "3/s"', 'rate = "3/s"', None),
        ('rate = "3/s"', 'rate = "3/s", burst = 6', None),
        ('rate = "3/s", burst = 6', 'rate = "3/s"', (1, S)),
        ('rate = "1/h"', 'rate = "2/h"', (0.5, HOUR)),
        ('rate = "8mbit"', 'rate = "4mbit"', (2, S)),
        ('rate = "1/h"', 'rate = "8mbit"', (S / HOUR, S)),
    ],
)
def test_conversion(before: str, after: str, said: tuple[float, int] | None) -> None:
    [old], [new] = (
        limits_of(
            Policy.parse(f'[[rule]]\nname = "slow"\nlimit = {{ {text}, per = "src" }}\n')
        ).values()
        for text in (before, after)
    )
    found = conversion(old, new)
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert found.factor == pytest.approx(said[0])
        assert found.most_ns == pytest.approx(said[1])
