"""The cells of limits whose rate or burst has changed, converted right before they serve.

Without this, a key would have to wait for the time that it had outstanding at the old rate, which
may be a day. Cells are written without a lock: packets that the serving generation judges
meanwhile may not be counted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from wirepath.kernel import clock
from wirepath.plan.limits import conversion, limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.actions.limit import Limit
    from wirepath.kernel.maps import Map
    from wirepath.plan.limits import Conversion
    from wirepath.plan.slots import Slots
    from wirepath.policy import Policy

_BUCKETS: Final = "limit_buckets"
_EXACT: Final = "limit_exact_cells"
CELL_BITS: Final = 48  # of time: CELL_BITS of bpf/actions/limit_bucket.h
ERA_BITS: Final = 46  # ERA_BITS there
_WORDS: Final = 8  # a bucket: its era and seven cells
_CHUNK: Final = 65_536  # buckets at a time
_TIME: Final = (1 << CELL_BITS) - 1


def convert(
    maps: Mapping[str, Map], before: Policy, then: Slots, after: Policy, now: Slots
) -> None:
    """Convert the cells that the limits of *after* have taken over from those of *before*.

    Args:
        maps: the maps of the next generation.
        before: the policy that serves.
        then: its places.
        after: the policy that is to serve.
        now: its places.

    Raises:
        KernelError: the cells cannot be read or written.
    """
    old, new = limits_of(before), limits_of(after)
    found = {
        name: how for name in old.keys() & new.keys() if (how := conversion(old[name], new[name]))
    }
    for name, how in found.items():
        if name in now.ranges and then.ranges.get(name) == now.ranges[name]:
            _convert_range(maps[_BUCKETS], now.ranges[name].first, now.ranges[name].buckets, how)
    kept = {
        now.counters[name]: found.get(name)
        for name, limit in new.items()
        if _is_kept(name, old, limit) and then.counters.get(name) == now.counters[name]
    }
    gone = {now.counters[name] for name, limit in new.items() if limit.exact} - kept.keys()
    conversions = {slot: how for slot, how in kept.items() if how}
    if conversions or gone:
        _convert_exact(maps[_EXACT], conversions, gone)


# Whether an exact limit goes on with the cells of the limit of that name.
def _is_kept(name: str, old: Mapping[str, Limit], limit: Limit) -> bool:
    return limit.exact and name in old and old[name].exact and old[name].per == limit.per


def _convert_range(buckets: Map, first: int, count: int, how: Conversion) -> None:
    import numpy as np

    now = clock.monotonic_ns()
    with buckets.memory() as memory:
        for start in range(first, first + count, _CHUNK):
            end = min(start + _CHUNK, first + count)
            part = memory[start * buckets.value_size : end * buckets.value_size]
            _convert_buckets(np.frombuffer(part, dtype=np.uint64).reshape(-1, _WORDS), now, how)


def _convert_buckets(buckets: Any, now: int, how: Conversion) -> None:
    import numpy as np

    eras, cells = buckets[:, :1], buckets[:, 1:]
    time, clock_ns = np.uint64(_TIME), np.uint64(now)
    begins = (eras - np.uint64(2)) << np.uint64(ERA_BITS)
    rest = (begins + ((cells - begins) & time) - clock_ns).view(np.int64)
    rest[(cells == 0) | (rest < 0)] = 0
    left = np.minimum(rest * how.factor, how.most_ns).astype(np.uint64)
    converted = np.where(rest > 0, (cells & ~time) | ((clock_ns + left) & time), np.uint64(0))
    used = rest.any(axis=1)
    buckets[used, 0] = (now >> ERA_BITS) + 1
    buckets[used, 1:] = converted[used]


def _convert_exact(cells: Map, how: Mapping[int, Conversion], gone: set[int]) -> None:
    record = cells.btf.record("struct limit_key")
    now = clock.monotonic_ns()
    for keys, values in list(cells.raw_batches()):
        slots = record.column(keys, "rule").tolist()
        ends = memoryview(values).cast("Q").tolist()
        changed, written, removed = bytearray(), bytearray(), bytearray()
        for n, (slot, end) in enumerate(zip(slots, ends, strict=True)):
            key = keys[n * cells.key_size : (n + 1) * cells.key_size]
            if slot in gone:
                removed += key
            elif slot in how and end > now:
                rest = min(int((end - now) * how[slot].factor), how[slot].most_ns)
                changed += key
                written += struct.pack("=Q", now + rest)
        cells.raw_update_batch(changed, written)
        cells.raw_delete_batch(removed)
