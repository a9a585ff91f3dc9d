"""The argument parser, which reports errors as wirepath does, and arguments commands share."""

import argparse
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NoReturn

from wirepath.errors import RequestError
from wirepath.net import Prefix

_COLUMNS: Final = 80  # where there is no terminal
_INTERVAL_LEAST_S: Final = 0.1


class HelpFormatter(argparse.HelpFormatter):
    """Formats help for the width of the terminal.

    Parsers make one for each argument, and to find the width it would import modules of archives.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class RawHelpFormatter(HelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The same, but lines of descriptions stay as they are."""


# As `shutil.get_terminal_size` finds it.
def _columns() -> int:
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    if sys.__stdout__:
        with suppress(OSError, ValueError):
            return os.get_terminal_size(sys.__stdout__.fileno()).columns or _COLUMNS
    return _COLUMNS


class Parser(argparse.ArgumentParser):
    """A parser that raises RequestError instead of ending the process, and has ``-v``.

    Options cannot be abbreviated: an abbreviation would change its meaning with a new option.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": HelpFormatter, **options})
        self.add_argument(
            "-v",
            dest="verbose",
            action="count",
            default=argparse.SUPPRESS,  # a parser inside another must not reset it
            help="log changes to stderr; -vv: also how they are made",
        )

    def error(self, message: str) -> NoReturn:
        """Raise *message* of argparse as a RequestError."""
        command = self.prog.removeprefix("wirepath").strip()
        where = f"{command}: " if command else ""
        cure = "" if message.endswith(")") else f" (see `{self.prog} --help`)"
        raise RequestError(f"{where}{message}{cure}")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to *parser*."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes`` to *parser*."""
    parser.add_argument(
        "--yes", action="store_true", help="allow prefixes of all addresses, such as 0.0.0.0/0"
    )


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command on a running datapath has to *parser*."""
    parser.add_argument("--iface", metavar="IFACE", help="interface; optional while only one is up")
    add_json(parser)


def prefix(text: str) -> Prefix:
    """Parse an address or prefix; a ``type`` for argparse.

    Raises:
        RequestError: *text* is neither; says what would be right.
    """
    return Prefix.parse(text)


def interval(text: str) -> float:
    """Parse an interval in seconds; a ``type`` for argparse.

    Raises:
        RequestError: *text* is not a number, or too short.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _INTERVAL_LEAST_S <= seconds < float("inf"):
        raise RequestError(f"{text}: not an interval (write seconds, {_INTERVAL_LEAST_S} or more)")
    return seconds


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean X?`` if one of *known* resembles *word*, otherwise ``""``."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {found[0]}?" if found else ""
