"""The bytes of a capture: a file that is mapped, a pipe, standard input, any of them gzipped."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import stat
import zlib
from pathlib import Path
from typing import Any, Final

from wirepath.errors import CaptureError, errno_name
from wirepath.inputs import PIPED_BYTES_MAX, open_input, read_open, read_stream

STANDARD_INPUT: Final = Path("-")
_GZIP: Final = b"\x1f\x8b"


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
            if stat.S_ISREG(status.st_mode) and status.st_size:
                data: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            else:
                data = read_open(file, PIPED_BYTES_MAX)
    except OSError as error:
        why = f"{error.strerror} [{errno_name(error.errno or 0)}]"
        raise CaptureError(f"read {name(path)}: {why} (name a pcap or pcapng file)") from error
    return _unpacked(data, path) if data[: len(_GZIP)] == _GZIP else data


def _opened(path: Path) -> io.FileIO:
    return io.FileIO(0, closefd=False) if path == STANDARD_INPUT else open_input(path)


def _unpacked(data: bytes | mmap.mmap, path: Path) -> bytes:
    try:
        source: Any = data if isinstance(data, mmap.mmap) else io.BytesIO(data)
        with gzip.GzipFile(fileobj=source) as file:
            return read_stream(file, PIPED_BYTES_MAX)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CaptureError(
            f"read {name(path)}: the compressed data is damaged or ends early (copy it again)"
        ) from error
    except OSError as error:
        raise CaptureError(
            f"read {name(path)}: unpacked, it is {error.strerror} (unpack it into a file)"
        ) from error
    finally:
        if isinstance(data, mmap.mmap):
            data.close()
