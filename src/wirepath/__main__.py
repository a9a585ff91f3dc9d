"""``python -m wirepath``, and the ``wirepath`` command: a process that runs one command line."""

import gc
import os
import signal
import sys
from typing import Final

_SELDOM: Final = (100_000, 50, 100)


def main() -> int:
    """Run the command line of the process; return the exit code."""
    gc.set_threshold(*_SELDOM)  # what a command makes serves to its end: there is little to collect
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts twice as fast without threads
    try:
        from wirepath.cli import main as run

        return run()
    except KeyboardInterrupt:  # while it was being imported
        return 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: nothing to interrupt any more


if __name__ == "__main__":
    sys.exit(main())
