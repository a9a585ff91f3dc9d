"""How long a fuzz test goes on, and on what seeds."""

import os
import time
from collections.abc import Iterator

_SECONDS = float(os.environ.get("WIREPATH_FUZZ_S", "2"))


def seeds() -> Iterator[int]:
    """As many as there is time for, at least one; new ones if time was asked for.

    A test prints those it failed on, since it prints each before it is used.
    """
    seed = time.time_ns() if "WIREPATH_FUZZ_S" in os.environ else 0
    end = time.monotonic() + _SECONDS
    while True:
        print(f"seed {seed}")
        yield seed
        seed += 1
        if time.monotonic() > end:
            return
