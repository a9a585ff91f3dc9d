"""Errors from the messages of libbpf and the verifier: one line that says where and why.

Source: kernel/bpf/log.c and verifier.c write the log; libbpf wraps it in BEGIN and END lines.
"""

import os
import re
from errno import EPERM
from typing import Final

from wirepath.errors import KernelError, VerifierError

_LOG: Final = re.compile(r"-- BEGIN PROG LOAD LOG --\n(.*?)-- END PROG LOAD LOG --", re.DOTALL)
# "; return p[12]; @ parse.h:31": the source of the next steps. Linux 6.8 and newer give the place.
_SOURCE: Final = re.compile(r"; (?P<text>.*?)(?: @ (?P<place>\S+:\d+))?")
# "12: (71) r0 = *(u8 *)(r1 +12)": one step of the walk.
_STEP: Final = re.compile(r"\d+: ")
# Lines about registers and the verifier's own work, not about the fault.
_ASIDE: Final = re.compile(
    r"(; |processed |verification time|stack depth|cur state|old state|\s*R\d+\w*=|from \d|$)"
)
_LIBBPF_ERRNO: Final = 4000  # LIBBPF_ERRNO__START of bpf/libbpf.h
_WORDS: Final = 3  # at most so many of the verifier's lines make one message


def rejection(doing: str, errno: int, said: str) -> KernelError:
    """Make the error for an object that did not load.

    Args:
        doing: ``load datapath.bpf.o``.
        errno: positive.
        said: libbpf's warnings, including the verifier's log.

    Returns:
        VerifierError if a program was rejected, otherwise KernelError with libbpf's words.
    """
    if found := _LOG.search(said):
        return _rejected(doing, errno, found[1])
    if errno == EPERM:
        return KernelError(doing, errno, cure="run it as root, or with CAP_BPF and CAP_NET_ADMIN")
    lines = [line.removeprefix("libbpf: ") for line in said.splitlines()]
    telling = [line for line in lines if "failed to create" in line] or lines or [""]
    # The message ends in an errno, which KernelError names; libbpf's own codes add nothing to it.
    what = re.sub(r"\(-\d+\)$", "", telling[0])
    return KernelError(doing, 0 if errno >= _LIBBPF_ERRNO else errno, what=what)


def _rejected(doing: str, errno: int, log: str) -> VerifierError:
    lines = log.splitlines()
    steps = [number for number, line in enumerate(lines) if _STEP.match(line)]
    after = lines[steps[-1] + 1 :] if steps else lines
    words = [line.strip() for line in after if not _ASIDE.match(line)][:_WORDS]
    return VerifierError(
        doing,
        errno,
        what=": ".join([*_place(lines), *words, os.strerror(errno)]),
        cure=f"{len(lines)} log lines in .log",
        log=log,
    )


# Where the walk ended: "parse.h:31", or the source line if the kernel does not give the place.
def _place(lines: list[str]) -> list[str]:
    for line in reversed(lines):
        if found := _SOURCE.fullmatch(line):
            return [found["place"] or f"`{found['text']}`"]
    return []
