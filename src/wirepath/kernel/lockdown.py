"""The kernel's lockdown, which may keep programs from reading the kernel's memory."""

from pathlib import Path
from typing import Final

_STATE: Final = Path("/sys/kernel/security/lockdown")


def is_confidential() -> bool:
    """Tell whether helpers that read the kernel's memory are refused: kernel_lockdown(7)."""
    return _STATE.exists() and "[confidentiality]" in _STATE.read_text()
