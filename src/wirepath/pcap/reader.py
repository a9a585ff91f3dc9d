"""Reading captures: a scan in C finds each frame, and frames are read when asked for.

Supports pcap (microseconds and nanoseconds) and pcapng (sections, several interfaces with clocks of
their own), in both byte orders, gzipped or not; of Ethernet, Linux cooked, IP alone and loopback.
"""

import mmap
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, SupportsBytes

from wirepath.errors import CaptureError
from wirepath.pcap import contents
from wirepath.pcap.link import ETHERNET, Packets, kind, packets

# The first bytes of compressed files, and the program that unpacks them.
_PACKED: Final = {b"\x28\xb5\x2f\xfd": "unzstd", b"\xfd7zXZ": "unxz"}


class Frame(NamedTuple):
    """One frame of a capture.

    Attributes:
        time_ns: since 1970; 0 if the capture does not say.
        wire_bytes: length on the wire; more than ``len(data)`` if the capture cut the frame.
        data: the captured bytes, from the header of the link on.
    """

    time_ns: int
    wire_bytes: int
    data: bytes


class Capture:
    """A capture file; `close`, or leaving the context, unmaps it.

    The arrays have one entry per frame, in file order, and outlive `close`.

    Attributes:
        path: as the operator named it.
        data: the whole file.
        offsets: of each frame's first byte in *data* (``Q``).
        captured: bytes of each frame in *data* (``I``).
        wire: bytes of each frame on the wire (``I``), at least *captured*.
        times_ns: time of each frame, since 1970 (``Q``).
        links: link type of each frame, a ``LINKTYPE_`` (``H``).
    """

    def __init__(self, path: Path, data: bytes | mmap.mmap, frames: int) -> None:
        self.path = path
        self.data = data
        self.offsets = array("Q", bytes(8 * frames))
        self.times_ns = array("Q", bytes(8 * frames))
        self.captured = array("I", bytes(4 * frames))
        self.wire = array("I", bytes(4 * frames))
        self.links = array("H", [ETHERNET]) * frames

    @classmethod
    def of(cls, frames: Iterable[SupportsBytes | Frame]) -> Self:
        """Make a capture of Ethernet frames; plain bytes are a whole frame at time 0."""
        known = [
            each if isinstance(each, Frame) else Frame(0, len(data := bytes(each)), data)
            for each in frames
        ]
        capture = cls(Path("frames"), b"".join(frame.data for frame in known), len(known))
        offset = 0
        for at, (time_ns, wire_bytes, data) in enumerate(known):
            capture.times_ns[at], capture.wire[at] = time_ns, wire_bytes
            capture.offsets[at], capture.captured[at] = offset, len(data)
            offset += len(data)
        return capture

    def __len__(self) -> int:
        return len(self.offsets)

    def __repr__(self) -> str:
        return f"<capture {self.path}: {len(self):,} frames>"

    def __iter__(self) -> Iterator[Frame]:
        for n, (time_ns, wire) in enumerate(zip(self.times_ns, self.wire, strict=True)):
            yield Frame(time_ns, wire, self.frame(n))

    def frame(self, n: int) -> bytes:
        """Return the captured bytes of frame *n*, from 0."""
        return self.data[self.offsets[n] : self.offsets[n] + self.captured[n]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def packets(self) -> Packets:
        """Give the frames as Ethernet frames, whatever their links are."""
        return packets(self.data, self.offsets, self.captured, self.wire, self.links)

    def close(self) -> None:
        """Unmap the file."""
        if isinstance(self.data, mmap.mmap):
            with suppress(BufferError):  # an error on its way still points into it, and frees it
                self.data.close()


def read_capture(path: str | Path) -> Capture:
    """Read the capture in the file or pipe *path*; ``-`` is standard input.

    Raises:
        CaptureError: the file cannot be opened, is not a capture, ends inside a frame, contradicts
            itself, or has a frame of a link that is not judged.
    """
    path = Path(path)
    data = contents.read(path)
    with ExitStack() as undo:
        if isinstance(data, mmap.mmap):
            undo.callback(data.close)
        counted = _scan(data, None)
        if problem := _problem(data, counted):
            raise CaptureError(f"read {contents.name(path)}: {problem}")
        capture = Capture(path, data, counted.frames)
        if _scan(data, capture).frames != counted.frames:
            raise CaptureError(
                f"read {contents.name(path)}: it changed meanwhile (wait until it is written)"
            )
        undo.pop_all()  # the capture owns the mapping now
        return capture


def _scan(data: bytes | mmap.mmap, into: Capture | None) -> Any:
    # Fills the arrays of *into*, or only counts frames if None; returns struct capture_scan.
    from wirepath.native import ffi, lib

    frames = ffi.new("struct capture_frames *")
    scan = ffi.new("struct capture_scan *")
    alive = []  # buffers that *frames* points into
    if into is not None and len(into):
        frames.room = len(into)
        for name, ctype in _ARRAYS.items():
            buffer = ffi.from_buffer(ctype, getattr(into, name), require_writable=True)
            alive.append(buffer)
            setattr(frames, name, buffer)
    with ffi.from_buffer("uint8_t[]", data) as bytes_of:
        lib.wp_scan_capture(bytes_of, len(data), frames, scan)
    for buffer in alive:
        ffi.release(buffer)
    return scan


_ARRAYS: Final = {
    "offsets": "uint64_t[]",
    "times_ns": "uint64_t[]",
    "captured": "uint32_t[]",
    "wire": "uint32_t[]",
    "links": "uint16_t[]",
}


def _problem(data: bytes | mmap.mmap, scan: Any) -> str:
    # Returns the fault and its cure; "" if there is none.
    from wirepath.native import lib

    frame = scan.frames + 1
    if scan.fault == lib.CAPTURE_FORMAT:
        return _format_problem(data)
    if scan.fault == lib.CAPTURE_TRUNCATED:
        return (
            f"the file ends inside frame {frame}, which begins at byte {scan.position} "
            "(copy it again, or keep the whole frames: `tcpdump -r OLD -w NEW`)"
        )
    if scan.fault == lib.CAPTURE_DAMAGED:
        return (
            f"frame {frame}: the record at byte {scan.position} contradicts itself "
            "(the file is damaged: copy it again)"
        )
    if scan.fault == lib.CAPTURE_LINK_TYPE:
        where = f"frame {frame}: " if scan.position else ""
        return (
            f"{where}{kind(scan.link_type)} is not judged "
            "(capture on an Ethernet interface: `tcpdump -i eth0`)"
        )
    if scan.fault == lib.CAPTURE_LINK_HEADER:
        return (
            f"frame {frame}: ends inside the header of {kind(scan.link_type)} "
            "(capture with a larger snap length: `tcpdump -s 0`)"
        )
    return ""


def _format_problem(data: bytes | mmap.mmap) -> str:
    if not len(data):
        return "the file is empty (capture again)"
    for magic, tool in _PACKED.items():
        if data[: len(magic)] == magic:
            return f"the file is compressed (run `{tool}` on it first)"
    return "neither pcap nor pcapng (convert it with `editcap -F pcapng`)"
