"""Writing captures with nanoseconds, as pcapng (by the suffix ``.pcapng``) or pcap."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from wirepath.errors import CaptureError, errno_name
from wirepath.outputs import open_output
from wirepath.pcap.link import ETHERNET

_BUFFER_BYTES: Final = 1 << 20
_SNAP_BYTES: Final = 262_144  # the largest that readers accept; only a hint to them
_NS_PER_SEC: Final = 1_000_000_000

# draft-ietf-opsawg-pcap: nanosecond magic, version 2.4, two unused fields, snap length, link type.
_PCAP_HEADER: Final = struct.Struct("<IHHiIII")
_PCAP_FIELDS: Final = (0xA1B23C4D, 2, 4, 0, 0, _SNAP_BYTES)
_PCAP_RECORD: Final = struct.Struct("<IIII")

# draft-ietf-opsawg-pcapng: a section of unknown length, an interface a link with if_tsresol 9.
_SECTION: Final = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_INTERFACE: Final = struct.Struct("<IIHHIHHB3xHHI")
_INTERFACE_FIELDS: Final = (0, _SNAP_BYTES, 9, 1, 9, 0, 0, 32)  # after type, length and link
_PACKET: Final = struct.Struct("<IIIIIII")
_PACKET_BYTES: Final = _PACKET.size + 4


class CaptureWriter:
    """A capture being written; complete after the context is left.

    Args:
        path: overwritten; the suffix ``.pcapng`` selects that format.
        links: the link types of its frames; only pcapng holds more than one.

    Raises:
        CaptureError: the file cannot be written; `write` and `close` raise it too.
    """

    def __init__(self, path: Path, links: Sequence[int] = (ETHERNET,)) -> None:
        self.path = path
        self._pcapng = path.suffix == ".pcapng"
        self._interfaces = {link: number for number, link in enumerate(links)}
        if len(links) != 1 and not self._pcapng:
            raise CaptureError(
                f"write {path}: pcap holds frames of one link type (name a .pcapng file)"
            )
        try:
            self._file = io.BufferedWriter(open_output(path), _BUFFER_BYTES)
            self._file.write(self._head())
        except OSError as error:
            raise self._refused(error) from error

    def write(
        self, time_ns: int, data: bytes, wire_bytes: int | None = None, link: int | None = None
    ) -> None:
        """Append a frame.

        Args:
            time_ns: since 1970.
            data: from the header of the link on.
            wire_bytes: length on the wire; ``len(data)`` if None.
            link: its link type, one of those of the capture; the first if None.
        """
        wire = len(data) if wire_bytes is None else wire_bytes
        number = 0 if link is None else self._interfaces[link]
        try:
            if self._pcapng:
                self._file.write(self._enhanced(number, time_ns, data, wire))
            else:
                self._file.write(self._classic(time_ns, data, wire))
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write buffered frames and close the file."""
        try:
            self._file.close()
        except OSError as error:
            raise self._refused(error) from error

    def _head(self) -> bytes:
        if not self._pcapng:
            [link] = self._interfaces
            return _PCAP_HEADER.pack(*_PCAP_FIELDS, link)
        interfaces = (_INTERFACE.pack(1, 32, link, *_INTERFACE_FIELDS) for link in self._interfaces)
        return _SECTION + b"".join(interfaces)

    def _classic(self, time_ns: int, data: bytes, wire: int) -> bytes:
        seconds, rest = divmod(time_ns, _NS_PER_SEC)
        return _PCAP_RECORD.pack(seconds & 0xFFFFFFFF, rest, len(data), wire) + data

    def _enhanced(self, number: int, time_ns: int, data: bytes, wire: int) -> bytes:
        padding = -len(data) % 4
        size = _PACKET_BYTES + len(data) + padding
        head = _PACKET.pack(6, size, number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), wire)
        return b"".join((head, data, bytes(padding), size.to_bytes(4, "little")))

    def _refused(self, error: OSError) -> CaptureError:
        why = f"{error.strerror} [{errno_name(error.errno or 0)}]"
        return CaptureError(f"write {self.path}: {why} (name a file that can be written)")
