"""Which namespaces this process is in, and the way home.

``ip netns exec`` gives a command a mount namespace of its own with a fresh /sys: what it mounts
or pins there dies with it. The namespaces of pid 1 are home; where a container hides those, the
oldest ancestor that may be looked at stands in for pid 1.
"""

import os
from contextlib import suppress
from errno import EINVAL
from pathlib import Path

from wirepath.errors import KernelError
from wirepath.kernel.handle import checked
from wirepath.native import lib


def at_home(kind: str) -> bool:
    """Tell whether this process is in the home namespace of *kind*: ``mnt`` or ``net``."""
    return _namespace("self", kind) == _namespace(_home(), kind)


def enter_home_mounts() -> None:
    """Go to the home mount namespace for good; the working directory stays by name.

    Raises:
        KernelError: the kernel refuses, to a process with threads for one (EINVAL).
    """
    here = Path.cwd()
    with Path(f"/proc/{_home()}/ns/mnt").open("rb") as namespace:
        result = lib.wp_enter(namespace.fileno())
    if result < 0:
        cure = "do it before any thread starts" if result == -EINVAL else "run it as root"
        raise KernelError("enter the mount namespace of pid 1", -result, cure=cure)
    with suppress(FileNotFoundError):
        os.chdir(here)


def network_cookie() -> int:
    """Give the number of this network namespace, never used twice until the machine restarts."""
    return checked(lib.wp_network_cookie(), "tell the network namespace")


# The pid that stands for home.
def _home() -> str:
    pid, oldest = os.getpid(), "self"
    while pid:
        with suppress(PermissionError):
            _namespace(str(pid), "mnt")
            oldest = str(pid)
        pid = _parent(pid)
    return oldest


def _namespace(pid: str, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


# After the command's name, which may hold anything: state, parent. Source: proc(5).
def _parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])
