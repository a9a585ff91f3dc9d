"""The namespaces of this process, compared with the home namespaces.

``ip netns exec`` gives a command its own mount namespace with a fresh /sys: mounts and pins made
there end with the command. Home are the namespaces of pid 1. Where a container hides them, the
oldest ancestor whose namespaces can be read stands in for pid 1.
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
    """Move to the home mount namespace for good; the working directory keeps its path.

    Raises:
        KernelError: the kernel refuses, for example because the process has threads (EINVAL).
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
    """Give the cookie of this network namespace: a number that is unique until the next boot."""
    return checked(lib.wp_network_cookie(), "tell the network namespace")


# The pid whose namespaces are home.
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


# Fields after the command's name, which may contain anything: state, parent. Source: proc(5).
def _parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])
