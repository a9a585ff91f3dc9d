"""Files that an operator names to be written: opened without waiting for a reader for ever.

Everything here raises OSError, whose text says what is wrong with the file in the operator's words.
"""

import io
import os
import stat
import time
from errno import EINVAL, ENXIO
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 10.0  # for the reader of a FIFO, which may have none at all
_PAUSE_S: Final = 0.05


def open_output(path: Path) -> io.FileIO:
    """Open *path* for writing; a regular file is created or emptied.

    Raises:
        OSError: it cannot be opened, or is a FIFO that no process reads from.
    """
    give_up = time.monotonic() + _PATIENCE_S
    while (fd := _opened(path)) is None:
        if time.monotonic() > give_up:
            raise OSError(ENXIO, f"a FIFO that nothing has read from for {_PATIENCE_S:g} s")
        time.sleep(_PAUSE_S)
    os.set_blocking(fd, True)
    return io.FileIO(fd, "w")


# None while *path* is a FIFO without a reader: see fifo(7).
def _opened(path: Path) -> int | None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except ValueError as error:
        raise OSError(EINVAL, f"not a name for a file ({error})") from error
    except OSError as error:
        if error.errno != ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
            raise
        return None
