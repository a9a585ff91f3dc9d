"""Every exception wirepath raises on purpose.

    WirepathError
    ├── PolicyError        the operator's document is wrong; nothing was touched
    ├── RequestError       the command asks for what cannot be: a name, an address, a file
    │   └── CaptureError   ... a capture that cannot be read
    ├── LayoutError        Python and the compiled object disagree: a bug, rebuild
    └── KernelError        the kernel said no; carries errno
        ├── VerifierError  ... to a program; carries the whole log
        ├── NotSupported   ... because it is too old or lacks an option
        ├── FullError      ... because a table is full; carries what went in before
        ├── AttachError    ... because the interface is taken, gone or unfit
        └── PinError       ... pins are missing, damaged or of another version

A message reads ``<doing>: <what went wrong> (<what to do>)``: one line, lower case, no full stop,
the operator's own names first.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from errno import E2BIG, EOPNOTSUPP, errorcode
from typing import Any

# What errno.errorcode gets wrong: its ENOTSUP is an alias on Linux, and the kernel's own ENOTSUPP
# (include/linux/errno.h) leaks to user space without a name.
_NAMES = {EOPNOTSUPP: "EOPNOTSUPP", 524: "ENOTSUPP"}


class WirepathError(Exception):
    """The root: catch it to catch everything that wirepath raises on purpose.

    Attributes:
        exit_code: what the command line exits with: 1 the system said no, 2 the asker was wrong.
    """

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a policy that the operator should fix.

    Attributes:
        file: as the operator named it.
        line: counted from 1; 0 if the problem is of the whole file.
        key: the path to it, such as ``rule.ssh.match.dport``; may be empty.
        message: what is wrong and, in parentheses, what would be right.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return printable(": ".join(part for part in (where, self.key, self.message) if part))


class PolicyError(WirepathError):
    """The policy is wrong. Raised before any system call, with every problem at once.

    Its text has a line a problem.

    Attributes:
        problems: at least one, in file order.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class RequestError(WirepathError):
    """The command asks for what cannot be: an unknown set, rule or interface, a bad address."""

    exit_code = 2


class CaptureError(RequestError):
    """A capture is missing, truncated, or of a kind that cannot be judged."""


class LayoutError(WirepathError):
    """A value does not fit the C type of that name: Python and the object were built apart."""


class KernelError(WirepathError):
    """The kernel, or another part of the system, said no.

    Args:
        doing: what was tried, with the operator's names: ``attach eth0``.
        errno: positive; 0 if no system call failed, and then *what* must say what did.
        what: what went wrong; the C library's text for *errno* if empty.
        cure: what to do about it.

    Attributes:
        errno: as given.
    """

    def __init__(self, doing: str, errno: int = 0, *, what: str = "", cure: str = "") -> None:
        self.errno = errno
        reason = what or os.strerror(errno)
        code = f" [{errno_name(errno)}]" if errno else ""
        super().__init__(f"{doing}: {reason}{code}" + (f" ({cure})" if cure else ""))


class VerifierError(KernelError):
    """The kernel refused to run a program.

    Attributes:
        log: everything that the verifier and libbpf said, in lines; may be empty.
    """

    def __init__(
        self, doing: str, errno: int, *, what: str = "", cure: str = "", log: str = ""
    ) -> None:
        self.log = log
        super().__init__(doing, errno, what=what, cure=cure)


class NotSupported(KernelError):  # noqa: N818 - reads as what it says
    """This kernel is too old for something, or was built without it.

    Attributes:
        needs: what would do: ``Linux 5.18`` or ``CONFIG_XDP_SOCKETS``.
    """

    def __init__(self, doing: str, errno: int = EOPNOTSUPP, *, needs: str) -> None:
        self.needs = needs
        super().__init__(doing, errno, what="not supported by this kernel", cure=f"needs {needs}")


class FullError(KernelError):
    """A table has no room for all that was to go in.

    Attributes:
        written: how many entries went in before; they stay.
    """

    def __init__(self, doing: str, written: int, *, what: str = "", cure: str = "") -> None:
        self.written = written
        super().__init__(doing, E2BIG, what=what, cure=cure)


class AttachError(KernelError):
    """A program cannot be attached: the interface is taken, gone or unfit."""


class PinError(KernelError):
    """What should be pinned under the bpffs is missing, damaged or of another version."""


def errno_name(errno: int) -> str:
    """Give the symbolic name of *errno*, such as ``EPERM``; the number if it has none."""
    return _NAMES.get(errno) or errorcode.get(errno, str(errno))


def shown(value: Any) -> str:
    """Write *value* as the operator wrote it, or nearly, in at most 40 characters."""
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 40 else text[:37] + "..."  # noqa: PLR2004 - said above


def printable(text: str) -> str:
    r"""Escape what would move the cursor, end the line or turn the reading direction.

    Text from outside goes through this wherever it is printed: names of files, lines of lists, what
    a policy says. Control characters, separators of lines, marks of direction and bytes that are no
    text become ``\n``, ``\x1b``, ``\u202e`` or ``\xff``; everything else stays.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - how Python carries a byte that is no text
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:  # noqa: PLR2004 - ASCII
        return ascii(character)[1:-1]
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
