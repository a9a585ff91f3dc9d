"""The command line: ``wirepath COMMAND ...``.

Each command, or family of commands, is a module that is imported only when it is chosen, so that
``wirepath ban`` does not load what ``wirepath check`` needs. A command is a function that adds its
arguments to a parser and sets ``run``, which takes the options and returns the exit code, or None
for 0.

Exit codes: 0 done, 1 the kernel or the system refused, 2 the request or the policy is wrong.
"""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from errno import EACCES, EPERM
from importlib import import_module
from typing import Final, NamedTuple

import wirepath
from wirepath.cli.parser import Parser, RawHelpFormatter, nearest
from wirepath.errors import KernelError, PolicyError, RequestError, WirepathError, printable

INTERRUPTED: Final = 130
"""The exit code that a shell gives a command ended by SIGINT."""
_BROKEN_PIPE: Final = 141  # the one for SIGPIPE
_PROBLEMS_SHOWN: Final = 20

_PRINTING: Final = "write to standard output"
_ELSEWHERE: Final = "redirect it to a file with room, or to /dev/null"


class Command(NamedTuple):
    """The function of a command, as ``module:function``, and what the command does."""

    place: str
    summary: str


COMMANDS: Final = {
    "check": Command("check:check", "validate a policy and show what it will do"),
    "replay": Command("replay:replay", "judge a capture by a policy, attached to nothing"),
    "up": Command("life:up", "put a policy on an interface"),
    "apply": Command("life:apply", "swap the policy of an interface without losing a packet"),
    "down": Command("life:down", "take the policy off an interface"),
    "status": Command("status:status", "show what is attached where"),
    "stats": Command("stats:stats", "show counters by verdict, reason and rule"),
    "top": Command("top:top", "show current rates, rules and bans on one screen"),
    "rules": Command("stats:rules", "show the rules in order, with their counters"),
    "test": Command("test:test", "say what would happen to an address, and why"),
    "set": Command("sets:sets", "add to, delete from, load, dump or list the live sets"),
    "ban": Command("bans:ban", "drop everything from an address or prefix"),
    "unban": Command("bans:unban", "lift a ban"),
    "bans": Command("bans:bans", "list the bans in force"),
    "doctor": Command("doctor:doctor", "say what works here, what does not, and what to do"),
    "bench": Command("bench:bench", "measure what packets cost here, next to other filters"),
    "lab": Command("lab:lab", "build a network in namespaces to try things in"),
}
"""Every command, in the order of ``wirepath --help``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, that of the process if None; return the exit code."""
    try:
        _check_streams()
        code = _run(sys.argv[1:] if argv is None else argv)
        print(end="", flush=True)  # so that a failed write raises here
    except WirepathError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        _tell(str(interrupt))  # empty, unless a change has something to say
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()
        return _BROKEN_PIPE
    except OSError as error:
        # Commands say themselves what is wrong with their files; what is left is what they print.
        _give_up_stdout()
        file = error.filename
        doing, cure = (f"use {file}", "look at it") if file else (_PRINTING, _ELSEWHERE)
        complain(KernelError(doing, error.errno or 0, cure=cure))
        return KernelError.exit_code
    except MemoryError:
        _tell("out of memory (free some, or use smaller files)")
        return KernelError.exit_code
    return code


def complain(error: WirepathError) -> None:
    """Print *error* on stderr, one line per problem; of many only the first ones."""
    if isinstance(error, PolicyError):
        for line in error.lines(_PROBLEMS_SHOWN):
            _tell(line)
        return
    text = str(error)
    refused = isinstance(error, KernelError) and error.errno in (EPERM, EACCES)
    if refused and os.geteuid() != 0 and "root" not in text:
        text += " (run it as root)"
    _tell(text)


def _tell(text: str) -> None:
    # If stderr is full or closed, only the exit code can tell.
    if text and sys.stderr:
        with suppress(OSError):
            print(f"wirepath: {printable(text)}", file=sys.stderr, flush=True)


# A descriptor that is closed would be given to the next file that is opened, and what is printed
# would go there.
def _check_streams() -> None:
    for fd in range(3):
        with suppress(OSError):
            os.fstat(fd)
            continue
        os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        raise KernelError(_PRINTING, what="it is closed", cure=_ELSEWHERE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # signs that its encoding lacks


# What is still buffered must not fail again when Python exits.
def _give_up_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: Sequence[str]) -> int:
    top = _top()
    chosen = top.parse_args(argv)
    if not chosen.command:
        top.print_help()
        return 0
    if chosen.command not in COMMANDS:
        cure = nearest(chosen.command, COMMANDS) or "`wirepath --help` lists them"
        raise RequestError(f"{chosen.command}: no such command ({cure})")
    command = COMMANDS[chosen.command]
    module, _, function = command.place.partition(":")
    parser = Parser(prog=f"wirepath {chosen.command}", description=_sentence(command.summary))
    getattr(import_module(f"wirepath.cli.{module}"), function)(parser)
    options = parser.parse_args(chosen.arguments)
    _log(sum(vars(each).get("verbose", 0) for each in (chosen, options)))
    return options.run(options) or 0


def _top() -> Parser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {c.summary}" for name, c in COMMANDS.items())
    top = Parser(
        prog="wirepath",
        usage="wirepath [-v] COMMAND ...",
        description="One policy file in, one verified eBPF datapath out.",
        epilog=f"commands:\n{listed}\n\n`wirepath COMMAND --help` shows its arguments.",
        formatter_class=RawHelpFormatter,
    )
    version = f"wirepath {wirepath.__version__}"
    top.add_argument("--version", action="version", version=version)
    top.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    top.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _log(verbosity: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(_OneLine("wirepath: %(message)s"))
    logging.basicConfig(level=level, handlers=[to_stderr])


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
