"""Locks of files that are waited for, but not for ever."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from errno import EAGAIN
from typing import Final

from wirepath.errors import KernelError

_POLL_S: Final = 0.02


def flock(fd: int, how: int, patience_s: float, doing: str) -> None:
    """Lock the file of *fd*, shared or alone, as soon as no other process prevents it.

    Args:
        fd: an open file; the lock ends when it is closed.
        how: LOCK_SH or LOCK_EX.
        patience_s: for how long to wait.
        doing: what the lock is for, for the error.

    Raises:
        KernelError: EAGAIN, another process has held it for so long.
    """
    deadline = time.monotonic() + patience_s
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(fd, how | fcntl.LOCK_NB)
        if time.monotonic() > deadline:
            raise KernelError(
                doing,
                EAGAIN,
                what=f"another wirepath has held it for {patience_s:g} s",
                cure="wait for it, or look for it with `fuser -v` on that directory",
            )
        time.sleep(_POLL_S)
