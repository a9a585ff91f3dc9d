"""Functions of this kernel that programs may call (kfuncs), by the types that it publishes."""

from pathlib import Path
from typing import Final

_TYPES: Final = Path("/sys/kernel/btf")


def has_function(name: str, *modules: str) -> bool:
    """Tell whether this kernel, or one of the loaded *modules*, has the function *name*."""
    word = b"\0" + name.encode() + b"\0"
    types = (_TYPES / each for each in ("vmlinux", *modules))
    return any(path.exists() and word in path.read_bytes() for path in types)
