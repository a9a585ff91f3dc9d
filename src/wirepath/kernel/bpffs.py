"""Where links and maps outlive the process: a directory an interface, under the bpffs.

    /sys/fs/bpf/wirepath/eth0/7/            generation 7, complete
    /sys/fs/bpf/wirepath/eth0/serving       symbolic link: ``7``, the generation that serves
    /sys/fs/bpf/wirepath/eth0/changing      symbolic link: ``7-8``, the change that is under way

An interface is up if ``serving`` is there. The name changes what it points to by one rename, so a
reader finds one whole generation. Interfaces of another network namespace than the machine's own
have ``wirepath:COOKIE`` instead of ``wirepath``, since interface names repeat there.

Source: kernel/bpf/inode.c: a bpffs holds pins, directories and symbolic links; no name has a dot.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from contextlib import contextmanager, suppress
from errno import EAGAIN, ENOENT, EPERM
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from wirepath.errors import KernelError
from wirepath.kernel.handle import checked, telling
from wirepath.kernel.namespaces import at_home, enter_home_mounts, network_cookie
from wirepath.native import lib

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_USUAL: Final = "/sys/fs/bpf"
_ROOT: Final = "run it as root"
_PATIENCE_S: Final = 10.0  # an apply takes well under one
_POLL_S: Final = 0.02
_SERVING: Final = "serving"
_CHANGING: Final = "changing"
_NEXT: Final = "next"  # what `serving` is about to be, for as long as a rename takes


class _Held(threading.local):
    # The directories whose lock this thread holds alone.
    def __init__(self) -> None:
        self.roots: set[Path] = set()


_held: Final = _Held()


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


class Transition(NamedTuple):
    """From which generation to which a change goes; None: wirepath is not up there."""

    before: int | None
    after: int | None

    def __str__(self) -> str:
        return "-".join("" if number is None else str(number) for number in self)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what ``str`` writes."""
        return cls(*(int(number) if number else None for number in text.split("-")))


class Pins:
    """The pins of every interface of this network namespace.

    A process that reads several of them holds the lock shared, one that changes them holds it
    alone; ``locked`` gives it, the other methods rely on it.

    Args:
        root: a bpffs.
    """

    def __init__(self, root: Path) -> None:
        own = "wirepath" if at_home("net") else f"wirepath:{network_cookie()}"
        self._root = root / own
        self.older_staging = root / f"{own}:new"  # of versions that did not number generations

    @classmethod
    def find(cls) -> Self:
        """Find those of this machine; see ``bpffs``."""
        return cls(bpffs())

    @contextmanager
    def locked(self, *, shared: bool = False, patience_s: float = _PATIENCE_S) -> Iterator[None]:
        """Hold the lock; the kernel releases it when the process ends. An empty directory goes.

        A thread that holds it alone may ask for it again, in either way, and has it at once.

        Raises:
            KernelError: EAGAIN, another process held it for *patience_s*; or EACCES and the like.
        """
        if self._root in _held.roots:
            yield
            return
        fd = self._lock(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience_s)
        try:
            if not shared:
                _held.roots.add(self._root)
            yield
        finally:
            _held.roots.discard(self._root)
            for directory in (self._root, self.older_staging):
                with suppress(OSError):  # it is not empty, or not there
                    directory.rmdir()
            os.close(fd)

    # A directory that is removed while a process waits for its lock has a successor to wait for.
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
                _flock(fd, how, patience_s, doing)
                if self._root.stat().st_ino == os.fstat(fd).st_ino:
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def names(self) -> list[str]:
        """Name the interfaces where a generation serves, sorted.

        Raises:
            KernelError: EACCES, this process is not root.
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
        """Tell which generation of *name* serves; None if wirepath is not up there."""
        text = _link(self.directory(name) / _SERVING)
        return None if text is None else int(text)

    def changing(self, name: str) -> Transition | None:
        """Tell which change of *name* is under way, or was when its process died."""
        text = _link(self.directory(name) / _CHANGING)
        return None if text is None else Transition.read(text)

    def unsettled(self) -> list[str]:
        """Name the interfaces that a process is changing, or was when it died.

        Those that an older version of wirepath put up are among them.
        """
        odd = [name for name in self._all() if not self.is_settled(name)]
        return sorted({*odd, *interface_names(self.older_staging)})

    def generations(self, name: str) -> list[int]:
        """Number the generations of *name* that are pinned, ascending."""
        with telling(f"look at {self.directory(name)}", cure=_ROOT), suppress(FileNotFoundError):
            entries = (entry.name for entry in self.directory(name).iterdir())
            return sorted(int(entry) for entry in entries if entry.isdigit())
        return []

    def is_settled(self, name: str) -> bool:
        """Tell whether a generation of *name* serves and no change is under way."""
        return self.serving(name) is not None and self.changing(name) is None

    # Changing them

    def begin(self, name: str, transition: Transition) -> Path | None:
        """Note that *transition* begins, and make an empty directory for the next generation.

        Returns:
            That directory; None if no generation comes next.

        Raises:
            KernelError: EEXIST, another change was left half done; it has to be recovered first.
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

    def publish(self, name: str, number: int) -> None:
        """Let generation *number* be the one that serves, by one rename.

        Raises:
            KernelError: nothing has changed.
        """
        place = self.directory(name)
        with telling(f"publish {name}"):
            (place / _NEXT).unlink(missing_ok=True)
            (place / _NEXT).symlink_to(str(number))
            (place / _NEXT).rename(place / _SERVING)

    def withdraw(self, name: str) -> None:
        """Let no generation of *name* be the one that serves; what is pinned stays."""
        with telling(f"withdraw {name}"):
            (self.directory(name) / _SERVING).unlink(missing_ok=True)

    def discard(self, name: str, number: int) -> None:
        """Remove what is pinned of a generation; none is no error."""
        with telling(f"remove generation {number} of {name}"):
            remove_tree(self.generation(name, number))

    def retire(self, name: str, *, keep: int = 0) -> None:
        """Remove all generations before the one that serves, but for the last *keep* of them."""
        serving = self.serving(name)
        older = [n for n in self.generations(name) if serving is None or n < serving]
        for number in older[: len(older) - keep]:
            self.discard(name, number)

    def end(self, name: str) -> None:
        """Note that the change is over. A directory without any generation goes with the note."""
        place = self.directory(name)
        with telling(f"settle {name}"):
            (place / _NEXT).unlink(missing_ok=True)
            (place / _CHANGING).unlink(missing_ok=True)
        with suppress(OSError):  # generations are there
            place.rmdir()

    def remove(self, name: str) -> None:
        """Remove all that is pinned of *name*; nothing is no error."""
        with telling(f"remove pins of {name}"):
            remove_tree(self.directory(name))

    def remove_all(self) -> None:
        """Remove all that is pinned in this network namespace, once nothing of it is needed."""
        for directory in (self._root, self.older_staging):
            for name in interface_names(directory):
                remove_tree(directory / _to_pin(name))


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


# A bpffs may be open to everybody, and then anyone could make our directory first.
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


def interface_names(directory: Path) -> list[str]:
    """Name the interfaces that have an entry in *directory*, sorted; none if it is not there."""
    with telling(f"look at {directory}", cure=_ROOT), suppress(FileNotFoundError):
        return sorted(entry.name.replace(":", ".") for entry in directory.iterdir())
    return []


def _link(path: Path) -> str | None:
    with telling(f"look at {path}", cure=_ROOT), suppress(FileNotFoundError):
        return str(path.readlink())
    return None


def remove_tree(directory: Path) -> None:
    """Remove *directory* and all that is pinned in it; nothing is done if it is not there."""
    with telling(f"remove {directory}", cure=_ROOT):
        if not directory.exists():
            return
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                remove_tree(entry)
            else:
                entry.unlink()
        directory.rmdir()
