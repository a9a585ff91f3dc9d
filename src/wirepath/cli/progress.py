"""A progress bar on a terminal, for work that takes over a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from wirepath.errors import printable

_PATIENCE_S: Final = 1.0


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show *doing* with a progress bar on stderr, after a second and only on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    shower = threading.Thread(target=_show, args=(doing, done))
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()


def _show(doing: str, done: threading.Event) -> None:
    if done.wait(_PATIENCE_S):
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        shown.add_task(printable(doing), total=None)
        done.wait()
