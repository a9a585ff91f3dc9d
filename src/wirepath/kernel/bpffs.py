"""The pins that let links and maps outlive the process: one bpffs directory per interface.

    /sys/fs/bpf/wirepath/eth0/7/            generation 7, complete
    /sys/fs/bpf/wirepath/eth0/serving       symbolic link: ``7``, the generation that serves
    /sys/fs/bpf/wirepath/eth0/changing      symbolic link: ``7-8``, the change in progress;
                                            ``-`` if all is being removed, damaged pins included

An interface is up if ``serving`` exists. One rename replaces it, so a reader always finds one
whole generation. Interface names repeat in other network namespaces, so theirs are under
``wirepath:COOKIE`` instead of ``wirepath``.

Source: kernel/bpf/inode.c (a bpffs holds pins, directories and symbolic links; names have no dot).
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import threading
from contextlib import contextmanager, suppress
from errno import ENOENT, EPERM
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.errors import KernelError
from wirepath.kernel.flock import flock
from wirepath.kernel.handle import checked, telling
from wirepath.kernel.namespaces import at_home, enter_home_mounts, network_cookie, network_inode
from wirepath.native import lib

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_USUAL: Final = "/sys/fs/bpf"
_ROOT: Final = "run it as root"
_PATIENCE_S: Final = 10.0  # an apply takes well under a second
_SERVING: Final = "serving"
_CHANGING: Final = "changing"
_NEXT: Final = "next"  # the next `serving`, before it is renamed


class _Held(threading.local):
    # The directories whose lock this thread holds exclusively.
    def __init__(self) -> None:
        self.roots: set[Path] = set()


_held: Final = _Held()


def bpffs() -> Path:
    """Find the bpffs at ``$WIREPATH_BPFFS`` or /sys/fs/bpf; mount one if there is none.

    A command under ``ip netns exec`` runs in a mount namespace that ends with the command. In that
    case this process first moves to the home mount namespace, and stays there.

    Raises:
        KernelError: it cannot be mounted, or the home mount namespace cannot be entered.
    """
    path = place()
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


def place() -> Path:
    """Give the place of the bpffs, whether one is mounted there or not."""
    return Path(os.environ.get("WIREPATH_BPFFS", _USUAL))


class Transition(NamedTuple):
    """The generations before and after a change; None where wirepath is not up."""

    before: int | None
    after: int | None

    def __str__(self) -> str:
        return "-".join("" if number is None else str(number) for number in self)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read a transition from the text that ``str`` gives; None if it is another text."""
        before, dash, after = text.partition("-")
        if not dash or not {before, after} <= {"", *filter(str.isdecimal, (before, after))}:
            return None
        return cls(*(int(number) if number else None for number in (before, after)))


REMOVAL: Final = Transition(None, None)
"""The transition of pins that are being removed whatever is left of them."""


class Pins:
    """The pins of every interface of this network namespace.

    ``locked`` takes the lock: shared to read more than one pin, exclusive to change any. The other
    methods rely on the caller to hold it.

    Args:
        root: a bpffs.
    """

    def __init__(self, root: Path) -> None:
        own = "wirepath" if at_home("net") else f"wirepath:{network_cookie()}"
        self._root = root / own
        self.older_staging = root / f"{own}:new"  # of versions before numbered generations

    @classmethod
    def find(cls) -> Self:
        """Find the pins in this machine's bpffs; see ``bpffs``."""
        return cls(bpffs())

    @contextmanager
    def locked(self, *, shared: bool = False, patience_s: float = _PATIENCE_S) -> Iterator[None]:
        """Hold the lock while the body runs; the kernel releases it if the process dies.

        Empty directories are removed on the way out. A thread that holds the lock exclusively may
        take it again, shared or exclusive.

        Raises:
            KernelError: another process held the lock for *patience_s* seconds (EAGAIN), or the
                directory cannot be opened (EACCES and the like).
        """
        held = _held.roots
        if self._root in held:
            yield
            return
        fd = self._lock(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience_s)
        try:
            if not shared:
                held.add(self._root)
            yield
        finally:
            held.discard(self._root)
            for directory in (self._root, self.older_staging):
                with suppress(OSError):  # it is not empty, or not there
                    directory.rmdir()
            os.close(fd)

    # The directory may be removed while we wait for its lock; then we lock the one made after it.
    def _lock(self, how: int, patience_s: float) -> int:
        doing = f"lock {self._root}"
        while True:
            _make_own(self._root)
            try:
                fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise KernelError(doing, error.errno or 0, cure=_ROOT) from error
            try:
                flock(fd, how, patience_s, doing)
                if self._root.stat().st_ino == os.fstat(fd).st_ino:
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def names(self) -> list[str]:
        """Name the interfaces where wirepath is up, sorted.

        Raises:
            KernelError: this process is not root (EACCES).
        """
        return [name for name in self._all() if self.serving(name) is not None]

    def _all(self) -> list[str]:
        return interface_names(self._root)

    def directory(self, name: str) -> Path:
        """Give the directory of interface *name*, whether it exists or not."""
        return self._root / _to_pin(name)

    def generation(self, name: str, number: int) -> Path:
        """Give the directory of one generation of *name*, whether it exists or not."""
        return self.directory(name) / str(number)

    def serving(self, name: str) -> int | None:
        """Return the number of the generation that serves; None if wirepath is not up on *name*."""
        text = _link(self.directory(name) / _SERVING)
        return int(text) if text and text.isdecimal() else None

    def changing(self, name: str) -> Transition | None:
        """Return the change of *name* that is in progress, or was when its process died."""
        text = _link(self.directory(name) / _CHANGING)
        return Transition.read(text) if text else None

    def unsettled(self) -> list[str]:
        """Name the interfaces with a change in progress or left unfinished, sorted.

        Interfaces that an older version of wirepath brought up are included.
        """
        odd = [name for name in self._all() if not self.is_settled(name)]
        return sorted({*odd, *interface_names(self.older_staging)})

    def generations(self, name: str) -> list[int]:
        """Return the numbers of the pinned generations of *name*, ascending."""
        with telling(f"look at {self.directory(name)}", cure=_ROOT), suppress(FileNotFoundError):
            entries = (entry.name for entry in self.directory(name).iterdir())
            return sorted(int(entry) for entry in entries if entry.isdigit())
        return []

    def is_settled(self, name: str) -> bool:
        """Tell whether *name* is up and no change of it is in progress."""
        return self.serving(name) is not None and _link(self.directory(name) / _CHANGING) is None

    def owner(self, name: str) -> dict[str, str | int]:
        """Tell the pins of *name* from those of every other network namespace and bpffs."""
        with telling(f"look at {self._root.parent}", cure=_ROOT):
            device = self._root.parent.stat().st_dev
        namespace = {"namespace": network_cookie(), "inode": network_inode()}
        return {"iface": name, **namespace, "bpffs": device}

    # Changes

    def begin(self, name: str, transition: Transition) -> Path | None:
        """Record that *transition* begins, and make an empty directory for the next generation.

        Returns:
            That directory; None if the transition has no next generation.

        Raises:
            KernelError: another change was left unfinished and must be recovered first (EEXIST).
        """
        place = self.directory(name)
        _make_own(place)
        with telling(f"change {name}"):
            (place / _CHANGING).symlink_to(str(transition))
            if transition.after is None:
                return None
            staged = self.generation(name, transition.after)
            staged.mkdir(mode=0o700)
            return staged

    def condemn(self, name: str) -> Path:
        """Record that all pins of *name* will be removed, damaged or not; give their directory.

        Raises:
            KernelError: the directory cannot be made or written to.
        """
        place = self.directory(name)
        _make_own(place)
        self._point(name, _CHANGING, str(REMOVAL))
        return place

    def publish(self, name: str, number: int) -> None:
        """Let generation *number* serve, by one rename.

        Raises:
            KernelError: the rename failed; nothing has changed.
        """
        self._point(name, _SERVING, str(number))

    def _point(self, name: str, link: str, to: str) -> None:
        place = self.directory(name)
        with telling(f"change {name}"):
            _unlink(place / _NEXT)
            (place / _NEXT).symlink_to(to)
            if (place / link).is_dir() and not (place / link).is_symlink():
                remove_tree(place / link)
            (place / _NEXT).rename(place / link)

    def withdraw(self, name: str) -> None:
        """Let no generation of *name* serve; the pins stay."""
        with telling(f"withdraw {name}"):
            (self.directory(name) / _SERVING).unlink(missing_ok=True)

    def discard(self, name: str, number: int) -> None:
        """Remove the pins of a generation, if there are any."""
        with telling(f"remove generation {number} of {name}"):
            remove_tree(self.generation(name, number))

    def retire(self, name: str, *, keep: int = 0) -> None:
        """Remove all generations older than the one that serves, except the newest *keep*."""
        serving = self.serving(name)
        older = [n for n in self.generations(name) if serving is None or n < serving]
        for number in older[: len(older) - keep]:
            self.discard(name, number)

    def end(self, name: str) -> None:
        """Record that the change is over. A directory that holds no generation is removed."""
        place = self.directory(name)
        with telling(f"settle {name}"):
            (place / _NEXT).unlink(missing_ok=True)
            (place / _CHANGING).unlink(missing_ok=True)
        with suppress(OSError):  # it still holds generations
            place.rmdir()

    def remove(self, name: str) -> None:
        """Remove all pins of *name*, if there are any; the note of a change goes last."""
        place = self.directory(name)
        with telling(f"remove pins of {name}"):
            for entry in [*place.iterdir()] if place.exists() else []:
                if entry.name != _CHANGING:
                    _unlink(entry)
            remove_tree(place)

    def remove_all(self) -> None:
        """Remove all pins of this network namespace."""
        for directory in (self._root, self.older_staging):
            for name in interface_names(directory):
                remove_tree(directory / _to_pin(name))


def _mounted(path: Path) -> bool:
    result = lib.wp_is_bpffs(os.fsencode(path))
    return result != -ENOENT and bool(checked(result, f"look at {path}", cure=_ROOT))


def _make_own(directory: Path) -> None:
    with telling(f"make {directory}", cure=_ROOT), suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    _check_own(directory)


# Where any user may write to the bpffs, another one could have made our directory first, or put a
# link in its place that leads elsewhere. Below a directory that only root may write to, none can.
def _check_own(directory: Path) -> None:
    with telling(f"look at {directory}", cure=_ROOT):
        found = directory.lstat()
    what, cure = "", f"`rmdir {directory}`"
    if stat.S_ISLNK(found.st_mode):
        what, cure = "is a symbolic link", f"`rm {directory}`"
    elif not stat.S_ISDIR(found.st_mode):
        what, cure = "is no directory", f"`rm {directory}`"
    elif found.st_uid != os.geteuid():
        what = f"belongs to user {found.st_uid}"
    elif found.st_mode & 0o022:
        what, cure = "may be written by other users", f"`chmod 700 {directory}`"
    if what:
        raise KernelError(
            f"use {directory}", EPERM, what=what, cure=cure if not os.geteuid() else _ROOT
        )


# A bpffs name has no dot, an interface name no colon (dev_valid_name in net/core/dev.c).
def _to_pin(interface: str) -> str:
    return interface.replace(".", ":")


def interface_names(directory: Path) -> list[str]:
    """Name the interfaces that have an entry in *directory*, sorted; none if it does not exist."""
    with suppress(FileNotFoundError):
        directory.lstat()
        _check_own(directory)
    with telling(f"look at {directory}", cure=_ROOT), suppress(FileNotFoundError):
        return sorted(entry.name.replace(":", ".") for entry in directory.iterdir())
    return []


# Where a symbolic link leads; "" if something else is there, None if nothing is.
def _link(path: Path) -> str | None:
    with telling(f"look at {path}", cure=_ROOT), suppress(FileNotFoundError, NotADirectoryError):
        return str(path.readlink()) if stat.S_ISLNK(path.lstat().st_mode) else ""
    return None


def remove_tree(directory: Path) -> None:
    """Remove *directory* and all pins in it, if it exists."""
    with telling(f"remove {directory}", cure=_ROOT):
        if not directory.exists():
            return
        for entry in directory.iterdir():
            _unlink(entry)
        directory.rmdir()


def _unlink(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        remove_tree(entry)
    else:
        entry.unlink(missing_ok=True)
