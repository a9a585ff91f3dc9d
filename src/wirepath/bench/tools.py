"""The commands of other packet filters, which a machine may lack."""

import shutil
import subprocess
from collections.abc import Sequence

from wirepath.errors import KernelError


class Lacking(KernelError):  # noqa: N818 - reads as what it says
    """This machine lacks what a subject needs; a comparison goes on without it."""


def run(argv: Sequence[str], text: str = "") -> str:
    """Run a command with *text* as its input; return what it prints.

    Raises:
        Lacking: the command is not installed, or it refuses, such as for want of a kernel module.
    """
    tool = argv[0]
    if not shutil.which(tool):
        raise Lacking(tool, what="not installed")
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).partition("\n")[0]
        said = said.removeprefix("Error: ").removesuffix(".")
        raise Lacking(tool, what=said or f"exit code {done.returncode}")
    return done.stdout
