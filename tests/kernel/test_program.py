"""Test runs: one frame, many frames, live frames."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from wirepath.errors import KernelError
from wirepath.kernel.object import Object
from wirepath.kernel.program import METADATA_MAX, Program, XdpAction

if TYPE_CHECKING:
    from wirepath.kernel.interface import Interface

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]


@pytest.fixture(scope="module")
def program(compiled: Compile) -> Iterator[Program]:
    with Object.load(compiled("sample")) as loaded:
        yield loaded.programs["sample"]


@pytest.mark.parametrize("size", [14, 60, 1514, 3400, 4096, 9014, 60_000])
@pytest.mark.parametrize("metadata", [0, 4, METADATA_MAX])
def test_one_frame(program: Program, size: int, metadata: int) -> None:
    frame = bytes(n % 251 for n in range(size))
    before = array("I", range(5, 5 + metadata // 4)).tobytes()
    run = program.test_run(frame, metadata=before)
    after = array("I", [10, *range(6, 5 + metadata // 4)]).tobytes() if metadata else b""
    assert run == (XdpAction.PASS, after, frame)


@pytest.mark.parametrize(("size", "metadata"), [(13, 0), (60, 256), (60, 3)])
def test_lengths_the_kernel_refuses(program: Program, size: int, metadata: int) -> None:
    with pytest.raises(KernelError, match=r"run sample: Invalid argument") as caught:
        program.test_run(bytes(size), metadata=bytes(metadata))
    assert caught.value.errno == EINVAL


def frames(sizes: list[int]) -> tuple[bytes, array[int], array[int]]:
    lengths = array("I", sizes)
    offsets = array("Q", (sum(lengths[:n]) for n in range(len(lengths))))
    return bytes(sum(lengths)), offsets, lengths


@pytest.mark.parametrize("each", [0, 4, METADATA_MAX])
def test_many_frames(program: Program, each: int) -> None:
    data, offsets, lengths = frames([60, 0, 13, 14, 9014, 1514, 2048, 3400, 64_000, 60])
    metadata = bytearray(b"".join(n.to_bytes(4, "little") * (each // 4) for n in range(10)))
    retvals = program.test_runs(data, offsets, lengths, metadata)
    assert list(retvals) == [XdpAction.PASS] * 10
    assert [metadata[n * each] for n in range(10) if each] == [n * 2 for n in range(10) if each]


def test_many_frames_of_numpy(program: Program) -> None:
    metadata = np.ones((3, 2), np.uint32)
    data = np.zeros(100, np.uint8)
    offsets, lengths = np.array([0, 10, 40], np.uint64), np.array([60, 60, 60], np.uint32)
    assert len(program.test_runs(data, offsets, lengths, metadata)) == 3
    assert metadata.tolist() == [[2, 1]] * 3
    assert program.test_runs(b"", array("Q"), array("I"), bytearray()) == array("I")


@pytest.mark.parametrize(
    ("offsets", "lengths", "metadata", "message"),
    [
        ([0], [61], 32, "a frame leaves the data"),
        ([61], [0], 32, "a frame leaves the data"),
        ([1 << 63], [60], 32, "a frame leaves the data"),
        ([0, 0], [60], 64, "2 offsets, 1 lengths"),
        ([0, 0], [60, 60], 33, "1 bytes too many"),
    ],
)
def test_many_frames_that_do_not_fit(
    program: Program, offsets: list[int], lengths: list[int], metadata: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        program.test_runs(bytes(60), array("Q", offsets), array("I", lengths), bytearray(metadata))


def test_numbers_of_the_wrong_width(program: Program) -> None:
    with pytest.raises(ValueError, match=r"items of 4 bytes, not 8"):
        program.test_runs(bytes(60), array("I", [0]), array("I", [60]), bytearray(32))


def test_a_run_that_fails_is_named(program: Program) -> None:
    data, offsets, lengths = frames([60, 60, 1 << 20])
    metadata = bytearray(b"\1\0\0\0" * 3)
    with pytest.raises(KernelError, match=r"run sample on frame 2"):
        program.test_runs(data, offsets, lengths, metadata)
    assert metadata == b"\2\0\0\0\2\0\0\0\1\0\0\0"


def test_time(program: Program) -> None:
    assert 0 < program.nanoseconds(bytes(60), repeat=10_000) < 100_000


def test_by_id(program: Program) -> None:
    with Program.by_id(program.id) as same:
        assert (same.tag, same.name) == (program.tag, "sample")
    with pytest.raises(KernelError, match=r"open program 4294967295: .*\[ENOENT\]"):
        Program.by_id(0xFFFFFFFF)


def test_live_frames_leave_through_the_stack(
    program: Program, compiled: Compile, veth: Interface
) -> None:
    with Object.load(compiled("sample")) as fresh:
        sender = fresh.programs["sample"]
        sender.live_frames(bytes(60), count=1000)
        assert fresh.maps["counters"].totals()[14] == 1000
        with pytest.raises(KernelError, match=r"send frames through sample"):
            sender.live_frames(bytes(9000), count=1)
