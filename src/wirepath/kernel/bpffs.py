"""Where links and maps outlive the process: one directory an interface, under the bpffs.

    /sys/fs/bpf/wirepath/eth0        what serves, complete
    /sys/fs/bpf/wirepath:new/eth0    what is being put together, or taken apart

A directory moves from one to the other by a single rename, so whoever looks into the first finds
one whole generation. Interfaces of another network namespace than the machine's own have
``wirepath:COOKIE`` instead of ``wirepath``, since names repeat there.

Source: kernel/bpf/inode.c: a bpffs holds pins and directories only, their names have no dots.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import contextmanager, suppress
from errno import EAGAIN, ENOENT, EPERM
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from wirepath.errors import KernelError
from wirepath.kernel.handle import checked, telling
from wirepath.kernel.namespaces import at_home, enter_home_mounts, network_cookie
from wirepath.native import lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_USUAL: Final = "/sys/fs/bpf"
_ROOT: Final = "run it as root"
_PATIENCE_S: Final = 10.0  # an apply takes well under one
_POLL_S: Final = 0.02


def bpffs() -> Path:
    """Find the bpffs: at ``$WIREPATH_BPFFS`` or /sys/fs/bpf; mount it if there is none.

    A command under ``ip netns exec`` is in a mount namespace that ends with it. Then this process
    moves to the home mount namespace first, for good.

    Raises:
        KernelError: it cannot be mounted, or the home mount namespace cannot be entered.
    """
    path = Path(os.environ.get("WIREPATH_BPFFS", _USUAL))
    if _mounted(path):
        return path
    if not at_home("mnt"):
        enter_home_mounts()
    if not _mounted(path):
        cure = "run it as root, or name another directory in WIREPATH_BPFFS"
        with telling(f"make {path}", cure=cure):
            path.mkdir(parents=True, exist_ok=True)
        checked(lib.wp_mount_bpffs(os.fsencode(path)), f"mount bpffs at {path}", cure=cure)
        log.info("mounted bpffs at %s", path)
    return path


class Pins:
    """The pins of every interface of this network namespace.

    Whoever reads several of them holds the lock shared, whoever changes them holds it alone;
    ``locked`` gives it, the other methods rely on it.

    Args:
        root: a bpffs.
    """

    def __init__(self, root: Path) -> None:
        own = "wirepath" if at_home("net") else f"wirepath:{network_cookie()}"
        self._serving = root / own
        self._staging = root / f"{own}:new"

    @classmethod
    def find(cls) -> Self:
        """Find those of this machine; see ``bpffs``."""
        return cls(bpffs())

    @contextmanager
    def locked(self, *, shared: bool = False, patience_s: float = _PATIENCE_S) -> Iterator[None]:
        """Hold the lock; it goes when the process goes. Directories that are empty then go too.

        Raises:
            KernelError: EAGAIN, somebody else held it for *patience_s*; or EACCES and the like.
        """
        fd = self._lock(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience_s)
        try:
            yield
        finally:
            for directory in (self._serving, self._staging):
                with suppress(OSError):  # it is not empty, or not there
                    directory.rmdir()
            os.close(fd)

    # Whoever waits for the lock of a directory that is removed meanwhile waits for the next one.
    def _lock(self, how: int, patience_s: float) -> int:
        doing = f"lock {self._serving}"
        while True:
            _make_own(self._serving)
            try:
                fd = os.open(self._serving, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise KernelError(doing, error.errno or 0, cure=_ROOT) from error
            try:
                _flock(fd, how, patience_s, doing)
                if self._serving.stat().st_ino == os.fstat(fd).st_ino:
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def names(self) -> list[str]:
        """Name the interfaces that have pins, sorted.

        Raises:
            KernelError: EACCES, this process is not root.
        """
        return _names(self._serving)

    def directory(self, name: str) -> Path:
        """Say where the pins of interface *name* are, or would be."""
        return self._serving / _to_pin(name)

    @contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """Give an empty directory for the next generation of interface *name*.

        Leaving the context removes it and all that was pinned in it, unless ``publish`` came
        first. Leftovers of a process that died are in the way: ``recover`` before.

        Raises:
            KernelError: EEXIST, there is a leftover.
        """
        path = self._staging / _to_pin(name)
        _make_own(self._staging)
        with telling(f"stage {name}"):
            path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            _remove(path)

    def publish(self, name: str) -> None:
        """Let the staged directory of *name* take the place of the one that serves.

        One rename: it happens or it does not. What served before is where the new one was staged
        and goes with it.

        Raises:
            KernelError: nothing has changed.
        """
        new, place = self._staging / _to_pin(name), self.directory(name)
        with telling(f"publish {name}"):
            if not place.exists():
                new.rename(place)
                return
        result = lib.wp_exchange(os.fsencode(new), os.fsencode(place))
        checked(result, f"publish {name}")

    @contextmanager
    def removing(self, name: str) -> Iterator[Path]:
        """Take the pins of *name* aside, in one step to any observer, and away at the end.

        If the context fails they are a leftover, and `recover` decides. Links that nothing else
        holds are detached at the end.

        Yields:
            The directory where they are meanwhile; nothing is there if there were none.
        """
        place, aside = self.directory(name), self._staging / _to_pin(name)
        _make_own(self._staging)
        with telling(f"remove pins of {name}"):
            if place.exists():
                place.rename(aside)
        yield aside
        with telling(f"remove pins of {name}"):
            _remove(aside)

    def remove(self, name: str) -> None:
        """Take the pins of *name* away, as `removing` does; none is no error."""
        with self.removing(name):
            pass

    def leftovers(self) -> list[str]:
        """Name the interfaces that somebody is changing, or was when he died."""
        return _names(self._staging)

    def recover(self, complete: Callable[[Path], bool]) -> list[str]:
        """Finish or undo what processes that died have left half done.

        Args:
            complete: told the directory of a leftover, says whether its generation is the one
                that serves already, so that it has to be published; otherwise it is removed.

        Returns:
            The interfaces that had leftovers.
        """
        left = self.leftovers()
        for name in left:
            path = self._staging / _to_pin(name)
            finish = complete(path)
            log.warning("%s leftover of %s", "published" if finish else "removed", name)
            if finish:
                self.publish(name)
            _remove(path)
        return left


def _mounted(path: Path) -> bool:
    result = lib.wp_is_bpffs(os.fsencode(path))
    return result != -ENOENT and bool(checked(result, f"look at {path}", cure=_ROOT))


def _flock(fd: int, how: int, patience_s: float, doing: str) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(fd, how | fcntl.LOCK_NB)
        if time.monotonic() > deadline:
            raise KernelError(
                doing,
                EAGAIN,
                what=f"another wirepath has held it for {patience_s:g} s",
                cure="wait for it, or look for it with `fuser -v` on that directory",
            )
        time.sleep(_POLL_S)


# Some mount the bpffs open to everybody: whoever makes a directory first could swap our pins.
def _make_own(directory: Path) -> None:
    with telling(f"make {directory}", cure=_ROOT):
        directory.mkdir(mode=0o700, exist_ok=True)
        owner = directory.stat().st_uid
    if owner != os.geteuid():
        cure = _ROOT if os.geteuid() else f"`rmdir {directory}`"
        raise KernelError(f"use {directory}", EPERM, what=f"belongs to user {owner}", cure=cure)


# A bpffs name has no dot, an interface name no colon (dev_valid_name in net/core/dev.c).
def _to_pin(interface: str) -> str:
    return interface.replace(".", ":")


def _names(directory: Path) -> list[str]:
    with telling(f"look at {directory}", cure=_ROOT), suppress(FileNotFoundError):
        return sorted(entry.name.replace(":", ".") for entry in directory.iterdir())
    return []


def _remove(directory: Path) -> None:
    if not directory.exists():
        return
    for entry in directory.iterdir():
        if entry.is_dir():
            _remove(entry)
        else:
            entry.unlink()
    directory.rmdir()
