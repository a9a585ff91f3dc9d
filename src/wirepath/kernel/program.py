"""Programs in the kernel, and test runs of them on frames from memory."""

from __future__ import annotations

from array import array
from enum import IntEnum
from errno import ERANGE
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from wirepath.errors import KernelError
from wirepath.kernel.handle import Handle, checked, open_pin
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from pathlib import Path

    from wirepath.kernel.maps import Map
    from wirepath.native import Readable, Writable

METADATA_MAX: Final = 32
"""Bytes of metadata before a frame that every kernel allows; xdp_metalen_invalid in net/xdp.h."""

_HEADER_BYTES: Final = 14

GROWTH: Final = int(lib.WP_GROWTH)
"""Bytes that a program may add to a frame in a test run."""


class XdpAction(IntEnum):
    """The return values of XDP programs; enum xdp_action of linux/bpf.h."""

    ABORTED, DROP, PASS, TX, REDIRECT = range(5)


class Run(NamedTuple):
    """The result of an XDP program's run on one frame.

    Attributes:
        retval: the return value, an ``XdpAction``.
        metadata: the bytes before the frame.
        frame: the frame as the program left it.
    """

    retval: int
    metadata: bytes
    frame: bytes


class SkbRun(NamedTuple):
    """The result of a TC program's run on one frame.

    Attributes:
        retval: the return value.
        tstamp: earliest departure time, ns.
        mark, priority: ``skb->mark`` and ``skb->priority``.
        cb: ``skb->cb`` as the program left it.
        frame: the frame as the program left it.
    """

    retval: int
    tstamp: int
    mark: int
    priority: int
    cb: tuple[int, ...]
    frame: bytes


class Headers(NamedTuple):
    """Headers that are put in front of frames in test runs.

    Attributes:
        data: 14 bytes for each frame.
        sizes: how many of them each frame gets, one byte for each.
    """

    data: Readable
    sizes: Readable


class Left(NamedTuple):
    """Where test runs put the frames that the program has changed, one after the other.

    Attributes:
        data: memory with room for all of them; a frame may become `GROWTH` bytes longer.
        sizes: bytes of each, 32-bit numbers; 0 if the program has not changed the frame.
    """

    data: Writable
    sizes: Writable


def skb_dtype() -> dict[str, Any]:
    """Give the argument of ``numpy.dtype()`` for ``struct wp_skb`` of ``native/bpf/runs.h``."""
    fields = ffi.typeof("struct wp_skb").fields
    formats = [_format(field.type) for _, field in fields]
    offsets = [field.offset for _, field in fields]
    return {
        "names": [name for name, _ in fields],
        "formats": formats,
        "offsets": offsets,
        "itemsize": ffi.sizeof("struct wp_skb"),
    }


def _format(ctype: Any) -> Any:
    if ctype.kind == "array":
        return (_format(ctype.item), (ctype.length,))
    return f"u{ffi.sizeof(ctype)}"


class Program(Handle):
    """One loaded program.

    Attributes:
        id: the kernel's number for it, never used twice.
        name: the name of the C function, cut to 15 characters.
        tag: hash of its instructions, in hexadecimal.
        verified_instructions: instructions that the verifier walked, summed over all paths.
        jited_bytes: size of the machine code; 0 without JIT.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        info = ffi.new("struct wp_prog_info *")
        checked(lib.wp_prog_info(fd, info), "read program")
        self.id: int = info.id
        self.name = ffi.string(info.name).decode()
        self.tag = bytes(info.tag).hex()
        self.verified_instructions: int = info.verified_insns
        self.jited_bytes: int = info.jited_bytes

    def __repr__(self) -> str:
        return f"<program {self.name} id={self.id} tag={self.tag}>"

    @classmethod
    def open(cls, pin: Path) -> Self:
        """Open a pinned program.

        Raises:
            PinError: no program is pinned at *pin*.
        """
        return cls(open_pin(pin, "bpf-prog"))

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Open the program with this ID, which may belong to any process.

        Raises:
            KernelError: there is no such program, or this process may not open it.
        """
        return cls(checked(lib.bpf_prog_get_fd_by_id(number), f"open program {number}"))

    def hold(self, each: Map) -> None:
        """Keep a map in the kernel for as long as this program is loaded, as if it used the map.

        Raises:
            KernelError: the kernel refuses.
        """
        checked(lib.wp_bind_map(self.fd, each.fd), f"bind map {each.name} to {self.name}")

    def test_run(self, frame: Readable, *, metadata: Readable = b"") -> Run:
        """Run the program once on a copy of *frame*, without an interface.

        Args:
            frame: 14 bytes to about 64 KB; a frame larger than a page is put into several buffers.
            metadata: up to ``METADATA_MAX`` bytes, a multiple of 4, put before the frame.

        Raises:
            KernelError: a length is outside these bounds (EINVAL).
        """
        run, out = self._run(frame, metadata, 1)
        left = bytes(ffi.buffer(out, run.out_size))
        return Run(run.retval, left[: run.metadata], left[run.metadata :])

    def nanoseconds(self, frame: Readable, *, repeat: int) -> int:
        """Return the mean duration of *repeat* runs on *frame*.

        The frame is not restored between runs: each run sees the changes of the one before.

        Raises:
            KernelError: as ``test_run``.
        """
        return int(self._run(frame, b"", repeat)[0].nanoseconds)

    def _run(self, frame: Readable, metadata: Readable, repeat: int) -> tuple[Any, Any]:
        before = bytes(metadata)
        data = before + bytes(frame)
        out = ffi.new("uint8_t[]", len(data) + GROWTH)
        run = ffi.new("struct wp_run *")
        source = ffi.from_buffer("uint8_t[]", data)
        run[0] = {
            "in": source, "out": out, "in_size": len(data), "out_size": len(out),
            "metadata": len(before), "repeat": repeat,
        }  # fmt: skip
        checked(lib.wp_test_run(self.fd, run), f"run {self.name}")
        return run, out

    def test_runs(
        self,
        data: Readable,
        offsets: Readable,
        lengths: Readable,
        metadata: Writable,
        headers: Headers | None = None,
        *,
        left: Left | None = None,
    ) -> array[int]:
        """Run the program once on each of many frames, in order and without copies in Python.

        The call cannot be interrupted; it runs about 500,000 frames per second.

        Args:
            data: the memory that holds the frames.
            offsets: of each frame in *data*, 64-bit numbers: ``array("Q")`` or numpy's uint64.
            lengths: bytes of each frame, 32-bit numbers; a frame under 14 bytes is filled up to
                that with 0xff, which is not an EtherType.
            metadata: the same number of bytes for each frame, see ``test_run``; overwritten with
                the bytes that the program leaves there.
            headers: of each frame.
            left: where to put changed frames, if they are wanted.

        Returns:
            The return value for each frame.

        Raises:
            ValueError: the buffers do not match, a frame exceeds *data*, or *left* is full.
            KernelError: a run failed; the metadata of the frames before it is written.
        """
        count, of_lengths = len(memoryview(offsets)), len(memoryview(lengths))
        each, rest = divmod(memoryview(metadata).nbytes, count or 1)
        if count != of_lengths or rest:
            raise ValueError(f"{count} offsets, {of_lengths} lengths, {rest} bytes too many")
        retvals = array("I", bytes(4 * count))
        source = ffi.from_buffer("uint8_t[]", data)
        held = (
            _numbers("uint64_t[]", offsets),
            _numbers("uint32_t[]", lengths),
            ffi.from_buffer("uint8_t[]", metadata, require_writable=True),
            ffi.from_buffer("uint32_t[]", retvals),
            *_headers(headers, count),
        )
        rest_of = [each, *held[4:], held[3], *_left(left, count)]
        frames = ffi.new(
            "struct wp_frames *",
            [source, len(source), held[0], held[1], count, held[2], *rest_of],
        )
        done = lib.wp_test_runs(self.fd, frames)
        if done < count:
            raise self._failure(done)
        return retvals

    def skb_run(self, frame: Readable, **known: int) -> SkbRun:
        """Run a TC program once on a copy of *frame*, without an interface.

        Args:
            frame: up to 3,072 bytes; a frame under 14 bytes is filled up to that with 0xff.
            known: fields of the skb: ``tstamp``, ``mark``, ``priority`` or ``gso_segs``.

        Raises:
            KernelError: the length or a field is out of bounds (EINVAL).
        """
        data = ffi.from_buffer("uint8_t[]", frame)
        found = ffi.new("struct wp_skb *", known)
        out = ffi.new("uint8_t[]", len(data) + GROWTH)
        size = ffi.new("uint32_t *", len(out))
        result = lib.wp_skb_run(self.fd, data, len(data), found, out, size)
        checked(result, f"run {self.name}")
        left = bytes(ffi.buffer(out, size[0]))
        return SkbRun(found.retval, found.tstamp, found.mark, found.priority, tuple(found.cb), left)

    def skb_runs(
        self,
        data: Readable,
        offsets: Readable,
        lengths: Readable,
        skbs: Writable,
        headers: Headers | None = None,
        *,
        left: Left | None = None,
    ) -> None:
        """Run a TC program once on each of many frames, as ``test_runs`` does.

        Args:
            data: the memory that holds the frames.
            offsets: of each frame in *data*.
            lengths: bytes of each frame, of which the program gets the first 3,072.
            skbs: one `skb_dtype` for each frame; results are written there.
            headers: of each frame.
            left: where to put changed frames, if they are wanted.

        Raises:
            ValueError, KernelError: as ``test_runs``.
        """
        count = len(memoryview(offsets))
        if {count} != {len(memoryview(lengths)), len(memoryview(skbs))}:
            raise ValueError(f"{count} offsets, {len(memoryview(lengths))} lengths")
        source = ffi.from_buffer("uint8_t[]", data)
        numbers = (_numbers("uint64_t[]", offsets), _numbers("uint32_t[]", lengths))
        before = _headers(headers, count)
        unused = ffi.from_buffer("uint32_t[]", array("I", bytes(4 * count)))
        kept = _left(left, count)
        frames = ffi.new(
            "struct wp_frames *",
            [source, len(source), *numbers, count, ffi.NULL, 0, *before, unused, *kept],
        )
        arguments = ffi.from_buffer("uint8_t[]", skbs, require_writable=True)
        done = lib.wp_skb_runs(self.fd, frames, ffi.cast("struct wp_skb *", arguments))
        if done < count:
            raise self._failure(done)

    def _failure(self, done: int) -> Exception:
        errno = ffi.errno
        if errno == ERANGE:
            return ValueError("a frame leaves the data")
        return KernelError(f"run {self.name} on frame {done}", errno)

    def live_frames(self, frame: Readable, *, count: int, batch: int = 0, ifindex: int = 0) -> None:
        """Run the program on copies of *frame*, and let its return values take effect.

        Blocks until all are sent; a signal ends it early with EINTR, which may lose a batch.
        Frames are not restored: the program may see changes that an earlier run made.

        Args:
            frame: up to about 3,400 bytes.
            count: number of frames, 1 to 2^32 - 1.
            batch: frames per batch, up to 256; 0 leaves it to the kernel (64).
            ifindex: the interface on which the frames seem to arrive, which must support XDP;
                0 is loopback.

        Raises:
            KernelError: the frame is too large, or *ifindex* does not support this (EINVAL).
        """
        data = ffi.from_buffer("uint8_t[]", frame)
        checked(
            lib.wp_live_frames(self.fd, data, len(data), count, batch, ifindex),
            f"send frames through {self.name}",
        )


def _headers(headers: Headers | None, count: int) -> tuple[Any, Any]:
    if headers is None:
        return ffi.NULL, ffi.NULL
    data, sizes = (ffi.from_buffer("uint8_t[]", buffer) for buffer in headers)
    if (len(data), len(sizes)) != (_HEADER_BYTES * count, count):
        raise ValueError(f"{count} frames, {len(data)} bytes of headers, {len(sizes)} sizes")
    return data, sizes


def _left(left: Left | None, count: int) -> tuple[Any, int, Any]:
    if left is None:
        return ffi.NULL, 0, ffi.NULL
    data = ffi.from_buffer("uint8_t[]", left.data, require_writable=True)
    sizes = ffi.from_buffer("uint32_t[]", left.sizes, require_writable=True)
    if len(sizes) != count:
        raise ValueError(f"{count} frames, {len(sizes)} sizes")
    return data, len(data), sizes


# A C array in the memory of *buffer*, whose items must have the size of the C type.
def _numbers(ctype: str, buffer: Readable) -> Any:
    size = ffi.sizeof(ctype.removesuffix("[]"))
    if (have := memoryview(buffer).itemsize) != size:
        raise ValueError(f"items of {have} bytes, not {size}")
    return ffi.from_buffer(ctype, buffer)
