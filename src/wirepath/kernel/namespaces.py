"""The namespaces of this process, compared with the home namespaces.

``ip netns exec`` gives a command its own mount namespace with a fresh /sys: mounts and pins made
there end with the command. Home are the namespaces of pid 1. Where a container hides them, the
oldest ancestor whose namespaces can be read stands in for pid 1.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from errno import EINVAL
from pathlib import Path
from typing import Final

from wirepath.errors import KernelError
from wirepath.kernel.handle import checked
from wirepath.native import lib

_ALL_PROCESSES: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO of linux/proc_ns.h
_NS_GET_NSTYPE: Final = 0xB703  # linux/nsfs.h
_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


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


def live_networks() -> frozenset[int] | None:
    """List the cookies of the network namespaces that a process, descriptor or mount keeps.

    None if this process does not see all others, or cannot look at them: then there may be more.
    """
    if Path("/proc/self/ns/pid").stat().st_ino != _ALL_PROCESSES:
        return None
    fds: dict[int, int] = {}
    try:
        for path, inode in _keepers():
            with suppress(FileNotFoundError, ProcessLookupError):
                if not _open_namespace(path, inode, fds):
                    return None
        from concurrent.futures import ThreadPoolExecutor

        # A thread that enters other namespaces ends with them.
        with ThreadPoolExecutor(1) as thread:
            return frozenset(thread.submit(_cookies, [*fds.values()]).result())
    except (PermissionError, KernelError):
        return None
    finally:
        for fd in fds.values():
            os.close(fd)


# Opens *path* if it is a network namespace that is not among *fds* yet, by inode. Returns False if
# it is not the one with that inode, because another mount hides it; 0: any will do.
def _open_namespace(path: Path, inode: int, fds: dict[int, int]) -> bool:
    found = path.stat()
    if inode and found.st_ino != inode:
        return False
    if found.st_dev == Path("/proc/self/ns/net").stat().st_dev and found.st_ino not in fds:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET:
            fds[found.st_ino] = fd
        else:
            os.close(fd)
    return True


def _cookies(namespaces: list[int]) -> list[int]:
    found = []
    for namespace in namespaces:
        checked(lib.wp_enter(namespace), "enter a network namespace")
        found.append(network_cookie())
    return found


# Paths of everything that may keep a network namespace, each with its inode; 0 if unknown.
def _keepers() -> Iterator[tuple[Path, int]]:
    mounts: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in (process / "task").iterdir():
                yield task / "ns/net", 0
            for descriptor in (process / "fd").iterdir():
                yield descriptor, 0
            if (space := str((process / "ns/mnt").readlink())) not in mounts:
                mounts.add(space)
                yield from _mounted(process)


# Fields: ID, parent, device, root, mount point, ...; then " - ", type. Source: proc(5).
def _mounted(process: Path) -> Iterator[tuple[Path, int]]:
    for line in (process / "mountinfo").read_text(errors="surrogateescape").splitlines():
        if " - nsfs " in line and (fields := line.split())[3].startswith("net:["):
            point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4])
            yield process / "root" / point.removeprefix("/"), int(fields[3][len("net:[") : -1])


def network_inode() -> int:
    """Give the inode of this network namespace, which another one may have once it is gone."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def network_exists(cookie: int, inode: int) -> bool | None:
    """Tell whether the network namespace with *cookie* and *inode* exists.

    None if the kernel cannot tell, as before Linux 6.18.
    """
    result = lib.wp_network_exists(cookie, inode)
    return None if result < 0 else bool(result)


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
