"""Test that this kernel loads every example policy; run in a guest by ``run.py``."""

import platform
import sys
import time
from pathlib import Path

from wirepath.datapath.generation.load import Generation
from wirepath.errors import KernelError
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

_EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> int:
    """Print the result for each example; return 1 if one is refused."""
    refused = 0
    print(f"kernel {platform.release()}")
    for file in sorted(_EXAMPLES.glob("*.toml")):
        policy = Policy.load(file)
        begun = time.monotonic()
        try:
            members = read_contents(policy).members
            Generation.load(policy, members, sizes={"bans": 16}, mac=bytes(6)).close()
            result = "loaded"
        except KernelError as error:
            refused += 1
            result = str(error)
        print(f"{file.stem:20} {time.monotonic() - begun:5.1f} s  {result}", flush=True)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
