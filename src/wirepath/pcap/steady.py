"""The clock of a replay: the times of a capture, made never to run backwards.

The clocks by which the data plane judges never do, but captures have frames out of order, frames
without a time, and clocks that were set.
"""

from __future__ import annotations

from array import array
from typing import Final

_OUT_OF_ORDER_NS: Final = 1_000_000_000  # a frame that is earlier by more: the clock was set back
_LATEST_NS: Final = 1 << 62  # the year 2116: up to this, times are taken as they are
_LEAP_NS: Final = 1 << 58  # nine years: what a step ahead counts at most
_END_NS: Final = (1 << 63) - 1


def steady(times_ns: array[int]) -> array[int]:
    """Give the time of each frame on a clock that never runs backwards.

    A step ahead is time that passes. No time passes at a frame without a time, which is one of 0,
    and at one that is out of order: that is earlier than one before it, by a second at most. At a
    frame that is earlier by more the clock was set back: it goes on from there.
    """
    import numpy as np

    times = np.asarray(times_ns)
    if not len(times) or (times[-1] <= _LATEST_NS and (times[:-1] <= times[1:]).all()):
        return times_ns
    seen = times_ns[0]
    now = seen if seen <= _LATEST_NS else 0
    clock = array("Q")
    for time_ns in times_ns:
        if time_ns >= seen:
            now = min(now + min(time_ns - seen, _LEAP_NS), _END_NS)
            seen = time_ns
        elif time_ns and seen - time_ns > _OUT_OF_ORDER_NS:
            seen = time_ns
        clock.append(now)
    return clock
