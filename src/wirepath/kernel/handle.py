"""Descriptors of kernel objects: who owns them, and what a failed call becomes."""

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
    """Return what a native call returned, or raise KernelError if that is a negative errno."""
    if result < 0:
        raise KernelError(doing, -result, cure=cure)
    return result


@contextmanager
def telling(doing: str, *, cure: str = "") -> Iterator[None]:
    """Raise KernelError where the body raises OSError."""
    try:
        yield
    except OSError as error:
        raise KernelError(doing, error.errno or 0, cure=cure) from error


class Handle:
    """One open kernel object, closed by ``close``, by leaving its context, or when forgotten.

    To forget one is a leak until the collector comes by, and says so with a ResourceWarning.
    Closing a handle never takes the object away from the kernel while it is pinned or in use.

    Args:
        fd: a descriptor that this handle owns from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def fd(self) -> int:
        """The descriptor, owned by this handle.

        Raises:
            ValueError: it is closed.
        """
        if self._fd < 0:
            raise ValueError(f"{type(self).__name__.lower()} is closed")
        return self._fd

    def close(self) -> None:
        """Give the descriptor back. Closing twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def pin(self, path: Path) -> None:
        """Give the object a name in a bpffs, where it outlives this process.

        Raises:
            PinError: there is such a name already, or *path* lies in no bpffs.
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
    """Open what is pinned at *path*.

    Args:
        path: a name in a bpffs.
        kind: what it has to be: ``bpf-map``, ``bpf-prog`` or ``bpf-link``, as the kernel names
            the file (kernel/bpf/syscall.c, anon_inode_getfd).

    Returns:
        A descriptor that the caller owns.

    Raises:
        PinError: there is no such pin, or it is of another kind.
    """
    fd: int = lib.bpf_obj_get(os.fsencode(path))
    if fd < 0:
        raise PinError(f"open pin {path}", -fd)
    # Some ways to a link call it bpf_link.
    is_a = str(Path(f"/proc/self/fd/{fd}").readlink()).partition(":")[2].replace("_", "-")
    if is_a != kind:
        os.close(fd)
        raise PinError(f"open pin {path}", what=f"is a {is_a}, not a {kind}")
    return fd
