"""Descriptors of kernel objects: their ownership, and failed calls as exceptions."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from wirepath.errors import KernelError, PinError
from wirepath.native import lib


def checked(result: int, doing: str, *, cure: str = "") -> int:
    """Return *result* of a native call; raise KernelError if it is a negative errno."""
    if result < 0:
        raise KernelError(doing, -result, cure=cure)
    return result


@contextmanager
def telling(doing: str, *, cure: str = "") -> Iterator[None]:
    """Turn an OSError of the body into a KernelError that says what was being done."""
    try:
        yield
    except OSError as error:
        raise KernelError(doing, error.errno or 0, cure=cure) from error


class Handle:
    """One open kernel object, closed by ``close`` or by leaving its context.

    A handle that is never closed leaks until the garbage collector closes it, with a
    ResourceWarning. Closing never removes an object from the kernel that is pinned or in use.

    Args:
        fd: a descriptor that this handle owns from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def fd(self) -> int:
        """The descriptor, owned by this handle.

        Raises:
            ValueError: the handle is closed.
        """
        if self._fd < 0:
            raise ValueError(f"{type(self).__name__.lower()} is closed")
        return self._fd

    def close(self) -> None:
        """Close the descriptor. Closing twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def pin(self, path: Path) -> None:
        """Give the object a name in a bpffs, where it outlives this process.

        Raises:
            PinError: *path* exists already, or is not in a bpffs.
        """
        result = lib.bpf_obj_pin(self.fd, os.fsencode(path))
        if result < 0:
            raise PinError(f"pin {path}", -result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)


def open_pin(path: Path, kind: str) -> int:
    """Open the object that is pinned at *path*.

    Args:
        path: a name in a bpffs.
        kind: its required kind: ``bpf-map``, ``bpf-prog`` or ``bpf-link``, the kernel's name of the
            file (kernel/bpf/syscall.c, anon_inode_getfd).

    Returns:
        A descriptor that the caller owns.

    Raises:
        PinError: there is no such pin, or it is of another kind.
    """
    fd: int = lib.bpf_obj_get(os.fsencode(path))
    if fd < 0:
        raise PinError(f"open pin {path}", -fd)
    # Links are named bpf_link or bpf-link, depending on how they were made.
    is_a = str(Path(f"/proc/self/fd/{fd}").readlink()).partition(":")[2].replace("_", "-")
    if is_a != kind:
        os.close(fd)
        raise PinError(f"open pin {path}", what=f"is a {is_a}, not a {kind}")
    return fd
