"""The kernel's clocks, as programs read them.

In a time namespace the clocks of Python have an offset that programs do not see.
"""

from __future__ import annotations

from typing import Any

from wirepath.kernel.handle import checked
from wirepath.native import ffi, lib


def monotonic_ns() -> int:
    """Read CLOCK_MONOTONIC, which stands still while the host is suspended.

    Raises:
        KernelError: this process may not load programs (EPERM).
    """
    return int(_clocks().monotonic_ns)


def boot_ns() -> int:
    """Read CLOCK_BOOTTIME, which goes on while the host is suspended.

    Raises:
        KernelError: this process may not load programs (EPERM).
    """
    return int(_clocks().boot_ns)


def _clocks() -> Any:
    now = ffi.new("struct wp_clocks *")
    checked(lib.wp_clocks(now), "read the clock of the kernel")
    return now
