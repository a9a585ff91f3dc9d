"""How much stack is left on this kernel: the worst policy, with frames larger than they have to be.

A program's own frame grows until the kernel refuses it.  To be run in a guest, see ``run.py``.
"""

import platform
import sys
import tempfile
from pathlib import Path
from typing import Final
from unittest.mock import patch

from budget import TO_SPARE
from mixtures import loaded, policies
from stack import ROUNDED_TO, STACK_MAX, Compiled
from wirepath.datapath.generation import hook as loading
from wirepath.errors import VerifierError
from wirepath.kernel.object_file import object_file
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

_REFUSED: Final = "combined stack size"


def main() -> int:
    """Print what is left at each hook; returns 1 if it is too little anywhere."""
    print(f"kernel {platform.release()}")
    *_, (_, worst) = policies()
    short = 0
    for hook in HOOKS:
        expected = STACK_MAX - Compiled.read(object_file()).deepest(hook).bytes
        left = _left(worst, hook, expected)
        short += left < TO_SPARE
        print(f"{hook:10} {left} of {STACK_MAX} bytes are left, {expected} expected", flush=True)
    return 1 if short else 0


# 0 if it is less than *expected*.
def _left(policy: Policy, hook: Hook, expected: int) -> int:
    if not _fits(policy, hook, expected):
        return 0
    while _fits(policy, hook, expected + ROUNDED_TO):
        expected += ROUNDED_TO
    return expected


def _fits(policy: Policy, hook: Hook, more: int) -> bool:
    with tempfile.NamedTemporaryFile(suffix=".bpf.o") as file:
        file.write(Compiled.read(object_file()).padded(hook, more))
        file.flush()
        with patch.object(loading, "object_file", return_value=Path(file.name)):
            try:
                loaded(policy, [hook]).close()
            except VerifierError as error:
                if _REFUSED not in error.log:
                    raise
                return False
    return True


if __name__ == "__main__":
    sys.exit(main())
