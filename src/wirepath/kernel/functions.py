"""Functions of this kernel that programs may call (kfuncs), by the types that it publishes."""

from functools import cache
from pathlib import Path
from typing import Final

_TYPES: Final = Path("/sys/kernel/btf")


def has_function(name: str, *modules: str) -> bool:
    """Tell whether this kernel, or one of the loaded *modules*, has the function *name*."""
    types = (_TYPES / each for each in (*modules, "vmlinux"))
    return any(path.exists() and _names(path, name) for path in types)


# The kernel's own types are 5 MB; neither they nor those of a module of some name change.
@cache
def _names(path: Path, name: str) -> bool:
    return b"\0" + name.encode() + b"\0" in path.read_bytes()
