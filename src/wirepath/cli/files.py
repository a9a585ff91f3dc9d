"""Reading and writing the files that are arguments of commands."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path

from wirepath.errors import RequestError, errno_name
from wirepath.inputs import LIST_BYTES_MAX, read_input, read_stream
from wirepath.outputs import open_output


def read(file: Path) -> bytes:
    """Read a whole list, or stdin if *file* is ``-``.

    Raises:
        RequestError: the file cannot be read.
    """
    if str(file) == "-" and sys.stdin is None:
        raise RequestError(f"read {file}: standard input is closed (name a file)")
    try:
        if str(file) == "-":
            return read_stream(sys.stdin.buffer, LIST_BYTES_MAX)
        return read_input(file, LIST_BYTES_MAX)
    except OSError as error:
        raise _refused(f"read {file}", error, "name a file that can be read") from error


def write(file: Path, parts: Iterable[bytes]) -> None:
    """Replace the contents of a file by *parts*, joined; if that fails, the file stays as it was.

    Raises:
        RequestError: the file cannot be written.
    """
    with _writing(file):
        if _is_stream(file):
            with io.BufferedWriter(open_output(file)) as to:
                to.writelines(parts)
            return
        with _next_to(file) as fresh:
            with fresh.open("xb") as to:
                to.writelines(parts)
                to.flush()
                os.fsync(to.fileno())
            fresh.replace(file.resolve())


def check_writable(file: Path) -> None:
    """Check that :func:`write` could write a file, before work whose result goes there.

    Raises:
        RequestError: the file cannot be written.
    """
    with _writing(file):
        if file.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if not _is_stream(file):
            with _next_to(file) as fresh:
                fresh.touch(exist_ok=False)


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refused(f"write {file}", error, "name a file that can be written") from error


def _is_stream(file: Path) -> bool:
    return file.exists() and not file.is_file()  # a pipe or a terminal


# A file for what is to replace *file*; gone afterwards.
@contextmanager
def _next_to(file: Path) -> Iterator[Path]:
    place = file.resolve()
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _refused(doing: str, error: OSError, cure: str) -> RequestError:
    return RequestError(f"{doing}: {error.strerror} [{errno_name(error.errno or 0)}] ({cure})")
