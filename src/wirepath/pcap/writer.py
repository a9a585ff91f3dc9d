"""Writing captures with nanoseconds, as pcapng (by the suffix ``.pcapng``) or pcap."""

import struct
from pathlib import Path
from typing import Final, Self

from wirepath.errors import CaptureError, errno_name

_BUFFER_BYTES: Final = 1 << 20
_SNAP_BYTES: Final = 262_144  # the largest that readers accept; only a hint to them
_ETHERNET: Final = 1
_NS_PER_SEC: Final = 1_000_000_000

# draft-ietf-opsawg-pcap: nanosecond magic, version 2.4, two unused fields, snap length, link type.
_PCAP_HEADER: Final = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, _SNAP_BYTES, _ETHERNET)
_PCAP_RECORD: Final = struct.Struct("<IIII")

# draft-ietf-opsawg-pcapng: a section of unknown length, one interface with if_tsresol 9.
_SECTION: Final = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_INTERFACE: Final = struct.pack(
    "<IIHHIHHB3xHHI", 1, 32, _ETHERNET, 0, _SNAP_BYTES, 9, 1, 9, 0, 0, 32
)
_PACKET: Final = struct.Struct("<IIIIIII")
_PACKET_BYTES: Final = _PACKET.size + 4


class CaptureWriter:
    """A capture being written; complete after the context is left.

    Args:
        path: overwritten; the suffix ``.pcapng`` selects that format.

    Raises:
        CaptureError: the file cannot be written; `write` and `close` raise it too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pcapng = path.suffix == ".pcapng"
        try:
            self._file = path.open("wb", buffering=_BUFFER_BYTES)
            self._file.write(_SECTION + _INTERFACE if self._pcapng else _PCAP_HEADER)
        except OSError as error:
            raise self._refused(error) from error

    def write(self, time_ns: int, data: bytes, wire_bytes: int | None = None) -> None:
        """Append a frame.

        Args:
            time_ns: since 1970.
            data: from the Ethernet header on.
            wire_bytes: length on the wire; ``len(data)`` if None.
        """
        wire = len(data) if wire_bytes is None else wire_bytes
        record = self._enhanced if self._pcapng else self._classic
        try:
            self._file.write(record(time_ns, data, wire))
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

    def _classic(self, time_ns: int, data: bytes, wire: int) -> bytes:
        seconds, rest = divmod(time_ns, _NS_PER_SEC)
        return _PCAP_RECORD.pack(seconds & 0xFFFFFFFF, rest, len(data), wire) + data

    def _enhanced(self, time_ns: int, data: bytes, wire: int) -> bytes:
        padding = -len(data) % 4
        size = _PACKET_BYTES + len(data) + padding
        head = _PACKET.pack(6, size, 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), wire)
        return b"".join((head, data, bytes(padding), size.to_bytes(4, "little")))

    def _refused(self, error: OSError) -> CaptureError:
        why = f"{error.strerror} [{errno_name(error.errno or 0)}]"
        return CaptureError(f"write {self.path}: {why} (name a file that can be written)")
