"""The seeds of a fuzz test, and how long it runs."""

import os
import time
from collections.abc import Iterator

_SECONDS = float(os.environ.get("WIREPATH_FUZZ_S", "2"))


def seeds() -> Iterator[int]:
    """Yield as many seeds as there is time for, at least one; new ones if a time was given.

    Each seed is printed before it is used, so a failing test shows its seed.
    """
    seed = time.time_ns() if "WIREPATH_FUZZ_S" in os.environ else 0
    end = time.monotonic() + _SECONDS
    while True:
        print(f"seed {seed}")
        yield seed
        seed += 1
        if time.monotonic() > end:
            return
