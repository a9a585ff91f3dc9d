"""Programs in the kernel, and running them on frames of one's own."""

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

    from wirepath.native import Readable, Writable

METADATA_MAX: Final = 32
"""Bytes that may lie before a frame on every kernel; xdp_metalen_invalid in net/xdp.h."""

# How much longer a program may make a frame in a test run.
_GROWTH: Final = 256


class XdpAction(IntEnum):
    """What an XDP program returns; enum xdp_action of linux/bpf.h."""

    ABORTED, DROP, PASS, TX, REDIRECT = range(5)


class Run(NamedTuple):
    """What a program made of one frame.

    Attributes:
        retval: what it returned, for XDP an ``XdpAction``.
        metadata: the bytes before the frame.
        frame: the frame, changed or not.
    """

    retval: int
    metadata: bytes
    frame: bytes


class SkbRun(NamedTuple):
    """What a TC program made of one frame.

    Attributes:
        retval: what it returned.
        tstamp: when the frame may leave, ns.
        mark, priority: ``skb->mark`` and ``skb->priority``.
        cb: what it left in ``skb->cb``.
        frame: the frame, changed or not.
    """

    retval: int
    tstamp: int
    mark: int
    priority: int
    cb: tuple[int, ...]
    frame: bytes


def skb_dtype() -> dict[str, Any]:
    """Give what ``numpy.dtype()`` takes for ``struct wp_skb`` of ``native/runs.h``."""
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
        name: of the C function, cut to 15 characters.
        tag: hash of its instructions, hexadecimal.
        verified_instructions: how many the verifier walked, all paths together.
        jited_bytes: of machine code; 0 without JIT.
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
            PinError: there is none at *pin*.
        """
        return cls(open_pin(pin, "bpf-prog"))

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Open whichever program has this id; it may be anybody's.

        Raises:
            KernelError: none has, or this process may not look.
        """
        return cls(checked(lib.bpf_prog_get_fd_by_id(number), f"open program {number}"))

    def test_run(self, frame: Readable, *, metadata: Readable = b"") -> Run:
        """Run once on a copy of *frame*, attached to nothing.

        Args:
            frame: 14 bytes to some 64 KB; what does not fit a page lies in several buffers.
            metadata: up to ``METADATA_MAX`` bytes, a multiple of 4, laid before the frame.

        Raises:
            KernelError: EINVAL if a length is outside these bounds.
        """
        run, out = self._run(frame, metadata, 1)
        left = bytes(ffi.buffer(out, run.out_size))
        return Run(run.retval, left[: run.metadata], left[run.metadata :])

    def nanoseconds(self, frame: Readable, *, repeat: int) -> int:
        """Measure one run on *frame*: the mean of *repeat* runs.

        The frame is not restored in between: what one run writes, the next one reads.

        Raises:
            KernelError: as ``test_run``.
        """
        return int(self._run(frame, b"", repeat)[0].nanoseconds)

    def _run(self, frame: Readable, metadata: Readable, repeat: int) -> tuple[Any, Any]:
        before = bytes(metadata)
        data = before + bytes(frame)
        out = ffi.new("uint8_t[]", len(data) + _GROWTH)
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
    ) -> array[int]:
        """Run once on each of many frames, in order, in one call, without copies in Python.

        Cannot be interrupted: a second is some 500,000 frames.

        Args:
            data: what the frames lie in.
            offsets: where each begins in it, 64-bit numbers: ``array("Q")``, numpy's uint64.
            lengths: how many bytes each has, 32-bit numbers; what is under 14 is filled
                up to it with 0xff, which is no EtherType.
            metadata: the same number of bytes a frame, see ``test_run``; what the program
                leaves there is written over it.

        Returns:
            What the program returned for each.

        Raises:
            ValueError: the buffers do not fit each other, or a frame leaves *data*.
            KernelError: a run failed; the metadata of those before it is written.
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
        )
        frames = ffi.new(
            "struct wp_frames *",
            [source, len(source), held[0], held[1], count, held[2], each, held[3]],
        )
        done = lib.wp_test_runs(self.fd, frames)
        if done < count:
            raise self._failure(done)
        return retvals

    def skb_run(self, frame: Readable, **known: int) -> SkbRun:
        """Run a TC program once on a copy of *frame*, attached to nothing.

        Args:
            frame: up to 3,072 bytes; what is under 14 is filled up with 0xff.
            known: beside it: ``tstamp``, ``mark``, ``priority`` or ``gso_segs``.

        Raises:
            KernelError: EINVAL if a length or an argument is outside these bounds.
        """
        data = ffi.from_buffer("uint8_t[]", frame)
        found = ffi.new("struct wp_skb *", known)
        out = ffi.new("uint8_t[]", len(data) + _GROWTH)
        size = ffi.new("uint32_t *", len(out))
        result = lib.wp_skb_run(self.fd, data, len(data), found, out, size)
        checked(result, f"run {self.name}")
        left = bytes(ffi.buffer(out, size[0]))
        return SkbRun(found.retval, found.tstamp, found.mark, found.priority, tuple(found.cb), left)

    def skb_runs(
        self, data: Readable, offsets: Readable, lengths: Readable, skbs: Writable
    ) -> None:
        """Run a TC program once on each of many frames, as ``test_runs`` does.

        Args:
            data: what the frames lie in.
            offsets: where each begins in it.
            lengths: how many bytes each has, of which the first 3,072 are given.
            skbs: one of `skb_dtype` a frame; what comes out is written there.

        Raises:
            ValueError, KernelError: as ``test_runs``.
        """
        count = len(memoryview(offsets))
        if {count} != {len(memoryview(lengths)), len(memoryview(skbs))}:
            raise ValueError(f"{count} offsets, {len(memoryview(lengths))} lengths")
        source = ffi.from_buffer("uint8_t[]", data)
        unused = (ffi.NULL, 0, ffi.from_buffer("uint32_t[]", array("I", bytes(4 * count))))
        held = (_numbers("uint64_t[]", offsets), _numbers("uint32_t[]", lengths))
        frames = ffi.new("struct wp_frames *", [source, len(source), *held, count, *unused])
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
        """Send copies of *frame* for real: what the program returns takes effect.

        Blocks until all are sent; a signal ends it early with EINTR, which may lose a batch.
        The program finds a frame as its predecessor left it, not restored.

        Args:
            frame: up to about 3,400 bytes.
            count: of frames, 1 to 2^32 - 1.
            batch: frames handed on together, up to 256; 0 leaves it to the kernel (64).
            ifindex: of the interface that the program believes it sees them on, which must
                have XDP; 0 is loopback.

        Raises:
            KernelError: EINVAL if the frame is too large or *ifindex* unfit.
        """
        data = ffi.from_buffer("uint8_t[]", frame)
        checked(
            lib.wp_live_frames(self.fd, data, len(data), count, batch, ifindex),
            f"send frames through {self.name}",
        )


# A C array over a buffer whose items must have that C type's size.
def _numbers(ctype: str, buffer: Readable) -> Any:
    size = ffi.sizeof(ctype.removesuffix("[]"))
    if (have := memoryview(buffer).itemsize) != size:
        raise ValueError(f"items of {have} bytes, not {size}")
    return ffi.from_buffer(ctype, buffer)
