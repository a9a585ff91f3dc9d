"""The bytes of a capture: a file that is mapped, a pipe, standard input, any of them gzipped."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import stat
import zlib
from pathlib import Path
from typing import IO, Any, Final

from wirepath.errors import CaptureError, errno_name

STANDARD_INPUT: Final = Path("-")
_GZIP: Final = b"\x1f\x8b"
_IN_MEMORY_MAX: Final = 1 << 30  # bytes of a capture that cannot be mapped
_CHUNK_BYTES: Final = 1 << 20


def name(path: Path) -> str:
    """Name the capture *path* in a message."""
    return "standard input" if path == STANDARD_INPUT else str(path)


def read(path: Path) -> bytes | mmap.mmap:
    """Map or read the capture *path*; ``-`` is standard input.

    Raises:
        CaptureError: it cannot be read, or needs too much memory.
    """
    try:
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                data: bytes | mmap.mmap = _whole(file, path, "it is no file that can be mapped")
            elif status.st_size:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            else:
                return b""
    except OSError as error:
        why = f"{error.strerror} [{errno_name(error.errno or 0)}]"
        raise CaptureError(f"read {name(path)}: {why} (name a pcap or pcapng file)") from error
    return _unpacked(data, path) if data[: len(_GZIP)] == _GZIP else data


def _opened(path: Path) -> IO[bytes]:
    if path == STANDARD_INPUT:
        return open(0, "rb", closefd=False)
    return path.open("rb")


def _whole(file: IO[bytes] | gzip.GzipFile, path: Path, why: str) -> bytes:
    data = bytearray()
    while chunk := file.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > _IN_MEMORY_MAX:
            most = f"{_IN_MEMORY_MAX >> 20:,} MiB"
            raise CaptureError(
                f"read {name(path)}: {why}, and has more than {most} (write it to a file, unpacked)"
            )
    return bytes(data)


def _unpacked(data: bytes | mmap.mmap, path: Path) -> bytes:
    try:
        source: Any = data if isinstance(data, mmap.mmap) else io.BytesIO(data)
        with gzip.GzipFile(fileobj=source) as file:
            return _whole(file, path, "it is compressed")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CaptureError(
            f"read {name(path)}: the compressed data is damaged or ends early (copy it again)"
        ) from error
    finally:
        if isinstance(data, mmap.mmap):
            data.close()
