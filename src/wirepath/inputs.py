"""Files that an operator names, read whole: only kinds that end, and only up to a size.

Everything here raises OSError, whose text says what is wrong with the file in the operator's words.
"""

import io
import os
import select
import stat
from errno import EAGAIN, EFBIG, EINVAL, EISDIR, ETIMEDOUT
from pathlib import Path
from typing import Final, Protocol

POLICY_BYTES_MAX: Final = 16 << 20
LIST_BYTES_MAX: Final = 256 << 20
PIPED_BYTES_MAX: Final = 1 << 30
"""The size of a capture that comes through a pipe; one in a file is mapped, and has no limit."""

_CHUNK_BYTES: Final = 1 << 20
_PATIENCE_S: Final = 10.0  # for the first byte of a FIFO, which may have no writer at all
_NULL: Final = os.makedev(1, 3)  # /dev/null, which is a good way to say "nothing"


class Stream(Protocol):
    """What gives bytes until it ends, and None where it would have to wait for them."""

    def read(self, size: int, /) -> bytes | None:
        """Give up to *size* bytes."""


def open_input(path: Path) -> io.FileIO:
    """Open *path* if it is a regular file, a pipe or ``/dev/null``; never wait for a writer.

    Raises:
        OSError: it cannot be opened, or is of another kind.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(EINVAL, f"not a name for a file ({error})") from error
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode) or status.st_rdev == _NULL:
        return io.FileIO(fd)
    os.close(fd)
    if stat.S_ISDIR(status.st_mode):
        raise OSError(EISDIR, os.strerror(EISDIR))
    raise OSError(EINVAL, "a device, neither a file nor a pipe")


def read_input(path: Path, most: int) -> bytes:
    """Read all of *path*.

    Raises:
        OSError: it cannot be read, or has more than *most* bytes.
    """
    with open_input(path) as file:
        return read_open(file, most)


def read_open(file: io.FileIO, most: int) -> bytes:
    """Read all of *file*, which `open_input` opened.

    Raises:
        OSError: it cannot be read, or has more than *most* bytes.
    """
    status = os.fstat(file.fileno())
    if status.st_size > most:
        raise too_large(most)
    if stat.S_ISFIFO(status.st_mode):
        _wait(file.fileno())
    return read_stream(file, most)


def read_stream(stream: Stream, most: int) -> bytes:
    """Read *stream* to its end.

    Raises:
        OSError: it cannot be read, or has more than *most* bytes.
    """
    into = io.BytesIO()
    while chunk := stream.read(_CHUNK_BYTES):
        if into.tell() + len(chunk) > most:
            raise too_large(most)
        into.write(chunk)
    if chunk is None:  # a file of the kernel that would have us wait, such as /proc/kmsg
        raise BlockingIOError(EAGAIN, os.strerror(EAGAIN))
    return into.getvalue()


def too_large(most: int) -> OSError:
    """Say that there are more than *most* bytes."""
    return OSError(EFBIG, f"larger than {most >> 20} MiB")


# The other end of an anonymous pipe belongs to some process; a FIFO may have none, for ever.
def _wait(fd: int) -> None:
    if not str(Path(f"/proc/self/fd/{fd}").readlink()).startswith("pipe:"):
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        if not waiting.poll(_PATIENCE_S * 1000):
            why = f"a FIFO to which nothing was written for {_PATIENCE_S:g} s"
            raise OSError(ETIMEDOUT, why)
    os.set_blocking(fd, True)
