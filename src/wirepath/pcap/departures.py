"""Frames of a capture as they leave: rewritten by a program, or turned into answers by it.

Changed frames wait in a temporary file, since a capture may be larger than memory.
"""

from __future__ import annotations

import os
from array import array
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final, Self

from wirepath.errors import CaptureError, errno_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wirepath.pcap.reader import Capture

_OUTGOING: Final = 4  # PACKET_OUTGOING of linux/if_packet.h
# Cooked headers by link type: where the packet's type, and where the sender's address begins.
_COOKED: Final = {113: (1, 4), 276: (10, 11)}
_ADDRESS_BYTES: Final = {113: 10, 276: 9}  # its length, and room for it


class Departures:
    """The changed frames of an open *capture*; closed by `close`, or by leaving the context.

    Raises:
        CaptureError: the temporary file cannot be written; `take` and `put` raise it too.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._packets = capture.packets()
        self._at = array("Q", bytes(8 * len(capture)))  # in the file, from 1; 0: not changed
        self._sizes = array("I", bytes(4 * len(capture)))
        self._tails = array("I", bytes(4 * len(capture)))  # captured bytes that were not judged
        self._end = 0
        with _telling():
            self._file = TemporaryFile()  # noqa: SIM115 - `close` does

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def take(
        self, first: int, data: bytes | bytearray, sizes: Sequence[int], judged: Sequence[int]
    ) -> None:
        """Keep changed frames.

        Args:
            first: the number of the first frame, from 0.
            data: the changed frames, one after the other, as Ethernet frames.
            sizes: bytes of each frame there; 0 if it has not changed.
            judged: how many captured bytes the program was given of each.
        """
        for n, (size, given) in enumerate(zip(sizes, judged, strict=True), first):
            if size:
                self._note(n, size)
                self._tails[n] = self._packets.captured[n] - int(given)
        with _telling():
            self._file.write(memoryview(data)[: sum(sizes)])

    def put(self, n: int, frame: bytes) -> None:
        """Keep frame *n*, from 0, as it leaves: an Ethernet frame."""
        self._note(n, len(frame))
        with _telling():
            self._file.write(frame)

    def passed(self, n: int) -> bytes:
        """Return frame *n*, from 0, as it leaves, with the header of its link."""
        changed = self._read(n)
        frame = self._capture.frame(n)
        if changed is None:
            return frame
        tail = frame[len(frame) - self._tails[n] :]
        return self._link_header(n) + changed[self._packets.added[n] :] + tail

    def answer(self, n: int) -> bytes | None:
        """Return the answer to frame *n*, from 0, with a header of its link.

        None if the program has made none, because the capture cut the frame.
        """
        changed = self._read(n)
        if changed is None:
            return None
        header = bytearray(self._link_header(n))
        link = self._capture.links[n]
        if link in _COOKED:
            kind, address = _COOKED[link]
            header[kind] = _OUTGOING
            header[address : address + _ADDRESS_BYTES[link]] = bytes(_ADDRESS_BYTES[link])
        return bytes(header) + changed[self._packets.added[n] :]

    def _note(self, n: int, size: int) -> None:
        self._at[n], self._sizes[n] = self._end + 1, size
        self._end += size

    def _read(self, n: int) -> bytes | None:
        if not self._at[n]:
            return None
        with _telling():
            self._file.flush()
            return os.pread(self._file.fileno(), self._sizes[n], self._at[n] - 1)

    # Empty for Ethernet, whose header is part of the frame.
    def _link_header(self, n: int) -> bytes:
        if not self._packets.added[n]:
            return b""
        return self._capture.data[self._capture.offsets[n] : self._packets.offsets[n]]


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"{error.strerror} [{errno_name(error.errno or 0)}]"
        cure = "name another directory: TMPDIR=DIRECTORY"
        raise CaptureError(f"keep changed frames in a temporary file: {why} ({cure})") from error
