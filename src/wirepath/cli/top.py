"""``wirepath top``: shows current rates, rules and bans on one screen."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wirepath.cli import show
from wirepath.cli.parser import add_live, interval
from wirepath.errors import RequestError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.live import Live

    from wirepath.datapath.live.rates import Look, View

    Pause = Callable[[float], bool]  # waits a number of seconds; true if `q` was pressed

_FIRST_S: Final = 0.2  # the first screen does not wait for a whole interval


def top(parser: ArgumentParser) -> None:
    """Add the arguments of ``wirepath top``."""
    parser.add_argument(
        "--interval",
        metavar="S",
        type=interval,
        default=1.0,
        help="update every S seconds; default: 1",
    )
    parser.add_argument(
        "--once", action="store_true", help="print one screen as plain text after an interval"
    )
    add_live(parser)
    parser.set_defaults(run=_top)


def _top(options: Namespace) -> None:
    if not (options.once or options.json or sys.stdout.isatty()):
        raise RequestError("top: stdout is no terminal (use --once or --json)")
    first = _look(options.iface)
    if not (options.once or options.json):
        _live(first, options.interval)
        return
    view = _next_view(first, options.interval)
    if options.json:
        show.document(view.document())
    else:
        _print(view)


def _look(name: str | None) -> Look:
    from wirepath.datapath import Datapath
    from wirepath.datapath.live.rates import Look

    with Datapath.open(name).reading() as handles:
        return Look.of(handles)


# Starts over if the datapath was taken down and brought up again: its counters start from 0 then.
def _next_view(before: Look, seconds: float) -> View:
    from wirepath.datapath.live.rates import View

    while True:
        time.sleep(seconds)
        now = _look(before.counted.iface)
        if now.link == before.link:
            return View(now, before)
        before = now


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, no_color=True)


def _print(view: View) -> None:
    from wirepath.cli.top_screen import screen

    console = _console()
    with console.capture() as printed:
        console.print(screen(view, *console.size), no_wrap=True)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _live(first: Look, seconds: float) -> None:
    from rich.live import Live

    from wirepath.lab.signals import ends_on_signals

    console = _console()
    try:
        with (
            ends_on_signals(),
            _keys() as pause,
            Live(console=console, screen=True, auto_refresh=False) as live,
        ):
            _watch(first, seconds, pause, live)
    except KeyboardInterrupt:
        pass


def _watch(first: Look, seconds: float, pause: Pause, live: Live) -> None:
    from wirepath.cli.top_screen import screen, waiting
    from wirepath.datapath.live.rates import View

    name, before = first.counted.iface, first
    foot = f"every {seconds:g} s; q ends"
    quit_now = pause(min(_FIRST_S, seconds))
    while not quit_now:
        try:
            now = _look(name)
        except RequestError:  # taken down
            live.update(waiting(name, foot), refresh=True)
        else:
            if now.link == before.link:
                live.update(screen(View(now, before), *live.console.size, foot), refresh=True)
            before = now
        quit_now = pause(seconds)


@contextmanager
def _keys() -> Iterator[Pause]:
    """Read single keys if stdin is a terminal; yield a function that waits and looks for `q`."""
    if not (sys.stdin and sys.stdin.isatty()):
        yield _asleep
        return
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield lambda seconds: _pressed(keyboard, seconds)
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _asleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _pressed(keyboard: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([keyboard], [], [], left)[0]:
            keys = os.read(keyboard, 64)
            if not keys or b"q" in keys.lower():
                return True
    return False
