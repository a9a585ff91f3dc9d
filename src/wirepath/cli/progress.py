"""A progress bar on a terminal, for work that takes over a second."""

import sys
import threading
from collections.abc import Callable, Iterator
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


@contextmanager
def advancing(title: str) -> Iterator[Callable[[str, float], None]]:
    """Show a progress bar on stderr, only on a terminal.

    Yields:
        What to call with the work in hand and the part of all work that is done, from 0 to 1.
    """
    if not sys.stderr.isatty():
        yield lambda _doing, _part: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=1.0)
        yield lambda doing, part: shown.update(
            task, description=f"{title}: {printable(doing)}", completed=part
        )
