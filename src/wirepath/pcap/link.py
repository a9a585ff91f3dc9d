"""Links of captures: their names, and their packets as Ethernet frames.

Programs and model parse Ethernet. A packet of another link (IP alone, loopback, Linux cooked) is
judged after an Ethernet header with its protocol, which counts for no length.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

ETHERNET: Final = 1

# https://www.tcpdump.org/linktypes.html
_NAMES: Final = {
    0: "BSD loopback",
    101: "raw IP",
    105: "802.11",
    108: "OpenBSD loopback",
    113: "Linux cooked, as from the interface `any`",
    127: "802.11 with radiotap",
    228: "raw IPv4",
    229: "raw IPv6",
    276: "Linux cooked v2, as from the interface `any`",
}
HEADER_BYTES: Final = 14


def kind(link: int) -> str:
    """Name a link type in a message."""
    name = _NAMES.get(link)
    return f"link type {link}" + (f" ({name})" if name else "")


@dataclass(frozen=True, slots=True)
class Packets:
    """The frames of a capture as Ethernet frames: bytes of the file after headers of ours.

    The arrays have one entry per frame, in file order.

    Attributes:
        data: the whole file.
        offsets: of each frame's first byte after its link header in *data*; Ethernet headers stay.
        captured: bytes of each in *data* from there on.
        wire: bytes of each on the wire from there on.
        headers: 14 bytes each to put in front of those; empty if all frames are Ethernet.
        added: how many of the 14 are needed: all, or none of a frame that is Ethernet.
    """

    data: bytes | mmap.mmap
    offsets: array[int]
    captured: array[int]
    wire: array[int]
    headers: bytearray
    added: array[int]

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[bytes]:
        """Yield every frame, with the header that was put in front."""
        for n, (offset, captured) in enumerate(zip(self.offsets, self.captured, strict=True)):
            at = n * HEADER_BYTES
            header = self.headers[at : at + self.added[n]]
            yield bytes(header) + self.data[offset : offset + captured]


def packets(
    data: bytes | mmap.mmap,
    offsets: array[int],
    captured: array[int],
    wire: array[int],
    links: array[int],
) -> Packets:
    """Give the frames of a capture as Ethernet frames; *links* are their link types."""
    from wirepath.native import ffi, lib

    count = len(links)
    if links.count(ETHERNET) == count:
        return Packets(data, offsets, captured, wire, bytearray(), array("B", bytes(count)))
    found = Packets(
        data,
        offsets[:],
        captured[:],
        wire[:],
        bytearray(HEADER_BYTES * count),
        array("B", bytes(count)),
    )
    buffers = [
        ffi.from_buffer("uint16_t[]", links),
        ffi.from_buffer("uint64_t[]", found.offsets, require_writable=True),
        ffi.from_buffer("uint32_t[]", found.captured, require_writable=True),
        ffi.from_buffer("uint32_t[]", found.wire, require_writable=True),
        ffi.from_buffer("uint8_t[]", found.headers, require_writable=True),
        ffi.from_buffer("uint8_t[]", found.added, require_writable=True),
    ]
    with ffi.from_buffer("uint8_t[]", data) as bytes_of:
        lib.wp_capture_packets(bytes_of, ffi.new("struct capture_packets *", [count, *buffers]))
    for buffer in buffers:
        ffi.release(buffer)
    return found
