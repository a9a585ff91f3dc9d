"""Every exception wirepath raises on purpose.

    WirepathError
    ├── PolicyError        the policy is wrong; nothing was touched
    ├── RequestError       the request cannot be met: an unknown name, a bad address or file
    │   └── CaptureError   ... a capture that cannot be read
    ├── LayoutError        Python and the compiled object disagree: a bug, rebuild
    └── KernelError        the kernel or the system refused; carries errno
        ├── VerifierError  ... a program; carries the whole log
        ├── NotSupported   ... because the kernel is too old or lacks an option
        ├── FullError      ... because a table is full; says how many entries went in before
        ├── AttachError    ... because the interface is taken, gone or unfit
        └── PinError       ... because pins are missing, damaged or of another version
            └── DamageError    ... missing or damaged, of an interface where wirepath is up

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
    """The base class of every exception that wirepath raises on purpose.

    Attributes:
        exit_code: the exit code of the command line: 1 the kernel or the system refused, 2 the
            request or the policy is wrong.
    """

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a policy that the operator should fix.

    Attributes:
        file: the file, as the operator named it.
        line: counted from 1; 0 if the problem has no line, such as one of the whole file.
        key: the path of the key, such as ``rule.ssh.match.dport``; may be empty.
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
    """The policy is wrong; raised before any system call, with every problem at once.

    Its text has one line per problem.

    Args:
        problems: the problems, at least one, in file order.
        more: how many were found besides.
        ended: whether reading ended early, so that there may be others.

    Attributes:
        problems: the first 1,000 or so.
        more: how many were found besides.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, more: int = 0, ended: bool = False) -> None:
        self.problems = list(problems)
        self.more = more
        self._ended = ended
        super().__init__("\n".join(self.lines(len(self.problems))))

    def lines(self, most: int) -> list[str]:
        """Give up to *most* problems, one a line, and a line that counts the rest, if any."""
        if self.more == 0 and len(self.problems) == most + 1:
            most += 1  # a line that counts one is no shorter
        found = [str(problem) for problem in self.problems[:most]]
        if rest := self.more + len(self.problems) - len(found):
            least = "at least " if self._ended else ""
            last = self.problems[len(found) - 1]
            found.append(str(Problem(last.file, 0, "", f"... and {least}{rest:,} more")))
        return found


class RequestError(WirepathError):
    """The request cannot be met: it names an unknown set, rule or interface, or a bad address."""

    exit_code = 2


class CaptureError(RequestError):
    """A capture is missing, truncated, or of a link type that cannot be judged."""


class LayoutError(WirepathError):
    """A value does not fit its C type: Python and the compiled object are of different versions."""


class KernelError(WirepathError):
    """The kernel, or another part of the system, refused.

    Args:
        doing: what was attempted, with the operator's names: ``attach eth0``.
        errno: positive; 0 if no system call failed, and then *what* is required.
        what: what went wrong; if empty, the C library's text for *errno*.
        cure: what to do about it.

    Attributes:
        errno: the error number; 0 if no system call failed.
    """

    def __init__(self, doing: str, errno: int = 0, *, what: str = "", cure: str = "") -> None:
        self.errno = errno
        reason = what or os.strerror(errno)
        code = f" [{errno_name(errno)}]" if errno else ""
        super().__init__(f"{doing}: {reason}{code}" + (f" ({cure})" if cure else ""))


class VerifierError(KernelError):
    """The kernel refused to load a program.

    Attributes:
        log: the messages of the verifier and libbpf, in lines; may be empty.
    """

    def __init__(
        self, doing: str, errno: int, *, what: str = "", cure: str = "", log: str = ""
    ) -> None:
        self.log = log
        super().__init__(doing, errno, what=what, cure=cure)


class NotSupported(KernelError):  # noqa: N818 - reads as what it says
    """This kernel is too old for a feature, or was built without it.

    Attributes:
        needs: what the feature needs: ``Linux 5.18`` or ``CONFIG_XDP_SOCKETS``.
    """

    def __init__(self, doing: str, errno: int = EOPNOTSUPP, *, needs: str) -> None:
        self.needs = needs
        super().__init__(doing, errno, what="not supported by this kernel", cure=f"needs {needs}")


class FullError(KernelError):
    """A table has no room for all entries.

    Attributes:
        written: how many entries were written before; they stay.
    """

    def __init__(self, doing: str, written: int, *, what: str = "", cure: str = "") -> None:
        self.written = written
        super().__init__(doing, E2BIG, what=what, cure=cure)


class AttachError(KernelError):
    """A program cannot be attached: the interface is taken, gone or unfit."""


class PinError(KernelError):
    """A pin under the bpffs is missing, damaged or of another version."""


class DamageError(PinError):
    """Pins of an interface are missing or damaged; the programs that are attached still serve.

    Attributes:
        iface: the interface.
        damage: the file that is damaged, and how.
    """

    def __init__(self, iface: str, damage: str) -> None:
        self.iface = iface
        self.damage = damage
        cure = f"`wirepath down {iface}`, then `wirepath up {iface} POLICY`"
        super().__init__(iface, what=f"its pins are damaged: {damage}", cure=cure)


def errno_name(errno: int) -> str:
    """Return the symbolic name of *errno*, such as ``EPERM``; the number if it has none."""
    return _NAMES.get(errno) or errorcode.get(errno, str(errno))


def shown(value: Any) -> str:
    """Format *value* much as the operator wrote it, in at most 40 characters."""
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
