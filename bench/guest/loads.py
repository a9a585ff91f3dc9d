"""Test that this kernel loads every example, for native and generic mode; run by ``run.py``."""

import platform
import sys
import time
from pathlib import Path

from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.loading import Loading
from wirepath.errors import KernelError
from wirepath.kernel.functions import has_function
from wirepath.net import Prefix
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy
from wirepath.prefixes import Members

# As many of each family as have a table of their own.
_HOSTS = [Prefix((0x20010DB8 << 96) + 2 * number, 128) for number in range(1_000)]
_HOSTS += [Prefix((0xFFFF0A << 24) + 2 * number, 128) for number in range(40_000)]
_EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> int:
    """Print the result for each example; return 1 if one is refused."""
    refused = 0
    print(f"kernel {platform.release()}")
    generic = Loading(frags=False, merged=True, told=has_function("bpf_rdonly_cast"))
    for file in sorted(_EXAMPLES.glob("*.toml")):
        for mode, loading in {"native": Loading(), "generic": generic}.items():
            begun = time.monotonic()
            result = _load(Policy.load(file), loading)
            refused += bool(result)
            took = time.monotonic() - begun
            print(f"{file.stem:20} {mode:8} {took:5.1f} s  {result or 'loaded'}", flush=True)
    return 1 if refused else 0


def _load(policy: Policy, loading: Loading) -> str:
    members = read_contents(policy).members
    if policy.sets:
        members = Members.join([members, Members.of(_HOSTS)])
    try:
        Generation.load(policy, members, sizes={"bans": 16}, loading=loading, mac=bytes(6)).close()
    except KernelError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
