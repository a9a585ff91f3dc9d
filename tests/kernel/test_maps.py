"""Maps: entries, batches, totals, memory."""

import gc
import json
import os
import subprocess
from array import array
from collections.abc import Callable, Iterator
from errno import E2BIG, ENOMEM, EPERM
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wirepath.errors import KernelError
from wirepath.kernel import maps
from wirepath.kernel.object import Object
from wirepath.native import lib

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]
FRAME = bytes(60)
CPUS = os.cpu_count()


@pytest.fixture
def loaded(compiled: Compile) -> Iterator[Object]:
    with Object.load(compiled("sample")) as loaded:
        yield loaded


def entry(number: int) -> dict[str, object]:
    return {
        "name": str(number),
        "address": bytes(6),
        "on": False,
        "pair": [{"port": 0, "delta": 0}] * 2,
        "colour": "red",
        "word": {"whole": 0},
        "network": 0,
        "wide": number,
        "unnamed": 0,
    }


def test_entries(loaded: Object) -> None:
    table = loaded.maps["entries"]
    table[5] = entry(5)
    assert 5 in table
    assert table[5]["name"] == "5"
    assert table.get(6) is None
    with pytest.raises(KeyError):
        table[6]
    del table[5]
    with pytest.raises(KeyError):
        del table[5]
    assert list(table.items()) == []


def test_batches(loaded: Object) -> None:
    table = loaded.maps["entries"]
    keys = array("I", range(1000))
    values = b"".join(table.value.pack(entry(n)) for n in keys)
    assert table.raw_update_batch(keys, values) == 1000
    assert {key: value["wide"] for key, value in table.items()} == {n: n for n in keys}
    # A batch smaller than the longest chain of a bucket has to be enlarged.
    assert sum(len(keys) for keys, _ in table.raw_batches(1)) == 4000
    gone = array("I", [1, 5000, 2, 5001, 5002, 3])
    assert table.raw_delete_batch(gone) == 3
    assert len(list(table.items())) == 997
    assert table.raw_update_batch(b"", b"") == 0


def test_a_full_map_says_so(loaded: Object) -> None:
    table = loaded.maps["entries"]
    keys = array("I", range(1001))
    with pytest.raises(KernelError, match=r"1000 of 1001 entries.*it is full") as caught:
        table.raw_update_batch(keys, bytes(1001 * table.value_size))
    assert caught.value.errno == E2BIG
    with pytest.raises(
        KernelError, match=r"write map entries: .*\[E2BIG\] \(it is full, with 1000"
    ):
        table[5555] = entry(1)
    with pytest.raises(ValueError, match=r"keys of map entries have 4 bytes"):
        table.raw_update_batch(b"123", b"")
    with pytest.raises(ValueError, match=r"1 keys, 1 bytes of values"):
        table.raw_update_batch(b"1234", b"5")


@pytest.mark.parametrize("stalls", [1, 3, 1000])
def test_memory_for_entries_may_come_later(
    loaded: Object, monkeypatch: pytest.MonkeyPatch, stalls: int
) -> None:
    """The kernel gives a hash that is not preallocated memory for entries in the background."""
    left, write = [stalls], lib.wp_map_update_batch

    def short(fd: int, keys: object, values: object, count: Any) -> int:
        if not left[0]:
            return int(write(fd, keys, values, count))
        left[0] -= 1
        asked, count[0] = count[0], min(count[0], 100)
        if stalls == 1000:
            count[0] = 0
        elif left[0] == 1:
            count[0] = asked  # kernels before 6.7, if they could not even read the first entry
        else:
            assert write(fd, keys, values, count) == 0
        return -ENOMEM

    monkeypatch.setattr(maps, "lib", SimpleNamespace(wp_map_update_batch=short))
    table, keys = loaded.maps["entries"], array("I", range(1000))
    values = b"".join(table.value.pack(entry(n)) for n in keys)
    if stalls == 1000:
        with pytest.raises(KernelError, match="0 of 1000 entries written") as caught:
            table.raw_update_batch(keys, values)
        assert caught.value.errno == ENOMEM
        return
    assert table.raw_update_batch(keys, values) == 1000
    monkeypatch.undo()
    assert {key: value["wide"] for key, value in table.items()} == {n: n for n in keys}


def test_counters_of_every_cpu(loaded: Object) -> None:
    counters = loaded.maps["counters"]
    for cpu in sorted(os.sched_getaffinity(0)):
        old = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
        loaded.programs["sample"].test_run(FRAME)
        os.sched_setaffinity(0, old)
    cpus = len(os.sched_getaffinity(0))
    totals = counters.totals()
    assert len(totals) == 2 * 5000
    assert list(totals[14:16]) == [cpus, 60 * cpus]
    assert sum(totals) == 61 * cpus
    assert sum(one["packets"] for one in counters[7]) == cpus

    counters[4999] = {"packets": 3, "bytes": 1 << 40}
    assert list(counters.totals()[-2:]) == [3, 1 << 40]
    assert counters[4999][1:] == [{"packets": 0, "bytes": 0}] * (len(counters[4999]) - 1)
    assert len(list(counters.items())) == 5000
    with pytest.raises(ValueError, match=r"does not hold 64-bit counters"):
        loaded.maps["plain"].totals()


def test_per_cpu_values_move_whole(loaded: Object, compiled: Compile) -> None:
    counters = loaded.maps["counters"]
    loaded.programs["sample"].test_run(FRAME)
    with Object.load(compiled("sample")) as after:
        for keys, values in counters.raw_batches():
            after.maps["counters"].raw_update_batch(keys, values)
        assert after.maps["counters"].totals() == counters.totals()


def test_memory_is_what_packets_see(loaded: Object) -> None:
    plain = loaded.maps["plain"]
    memory = plain.memory()
    assert len(memory) == 3 * 8
    memory[16:20] = (1).to_bytes(4, "little")
    assert plain[2] != 0
    assert loaded.programs["sample"].test_run(FRAME).retval == 3
    plain.close()
    gc.collect()
    memory[16:20] = bytes(4)
    assert loaded.programs["sample"].test_run(FRAME).retval == 2


def test_frozen_maps(loaded: Object) -> None:
    plain = loaded.maps["plain"]
    plain.freeze()
    with pytest.raises(KernelError) as caught:
        plain[0] = 1
    assert caught.value.errno == EPERM
    with pytest.raises(KernelError, match=r"share memory of map plain"):
        plain.memory()
    assert bytes(plain.memory(writable=False)) == bytes(24)


def test_memory_of_a_map_that_has_none(loaded: Object) -> None:
    with pytest.raises(KernelError, match=r"share memory of map entries"):
        loaded.maps["entries"].memory()


def test_bpftool_shows_names(loaded: Object) -> None:
    loaded.maps["entries"][1] = entry(1)
    shown = subprocess.run(
        ["bpftool", "-j", "map", "dump", "id", str(loaded.maps["entries"].id)],
        check=True,
        capture_output=True,
    )
    assert json.loads(shown.stdout)[0]["formatted"]["value"]["wide"] == 1
