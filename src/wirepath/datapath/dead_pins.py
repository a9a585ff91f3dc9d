"""Pins of network namespaces that are gone, which no command could reach any more.

A directory ``wirepath:COOKIE`` is dead if no link in it is attached and the namespace with that
cookie is gone, as the kernel says, or else all processes, descriptors and mounts. A lost link alone
does not show it, nor does a missing name under /run/netns.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.datapath.generation.record import read_record
from wirepath.errors import KernelError, PinError
from wirepath.kernel.bpffs import interface_names, remove_tree
from wirepath.kernel.features import Finding
from wirepath.kernel.links import Link
from wirepath.kernel.maps import Map
from wirepath.kernel.namespaces import live_networks, network_cookie, network_exists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OURS: Final = "wirepath:"
_OLDER: Final = ":new"


class DeadPins(NamedTuple):
    """The pins of a network namespace that is gone.

    Attributes:
        directory: where they are.
        cookie: of the namespace.
        names: the interfaces that they were for.
        memory_bytes: what their maps occupy.
        is_sure: False if the kernel cannot tell, and this process does not see all others.
    """

    directory: Path
    cookie: int
    names: tuple[str, ...]
    memory_bytes: int
    is_sure: bool


def dead_pins(root: Path) -> list[DeadPins]:
    """List the pins under the bpffs *root* whose network namespace is gone; changes nothing.

    Raises:
        KernelError: this process may not look at them.
    """
    found = []
    for directory, cookie in _directories(root):
        if _is_attached(directory) or (exists := _exists(directory, cookie)):
            continue
        names, size = tuple(interface_names(directory)), _memory_bytes(directory)
        found.append(DeadPins(directory, cookie, names, size, exists is not None))
    return found


def remove_dead(root: Path) -> list[DeadPins]:
    """Remove the pins under *root* whose network namespace is surely gone; return them.

    Raises:
        KernelError: some of them cannot be removed.
    """
    removed = []
    for each in dead_pins(root):
        if each.is_sure and _is_free(each.directory):
            remove_tree(each.directory)
            removed.append(each)
    return removed


# The directories of other network namespaces, with their cookies; not those of another user.
def _directories(root: Path) -> Iterator[tuple[Path, int]]:
    own = network_cookie()
    for directory in sorted(root.glob(f"{_OURS}*")):
        cookie = directory.name.removeprefix(_OURS).removesuffix(_OLDER)
        if not cookie.isdecimal() or int(cookie) == own:
            continue
        with suppress(KernelError):
            interface_names(directory)
            yield directory, int(cookie)


def _pins(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if not path.is_symlink() and not path.is_dir())


def _is_attached(directory: Path) -> bool:
    for pin in _pins(directory):
        with suppress(PinError), Link.open_any(pin) as link:
            if link.ifindex:
                return True
    return False


def _memory_bytes(directory: Path) -> int:
    sizes = {}
    for pin in _pins(directory):
        with suppress(PinError), Map.open(pin) as each:
            sizes[each.id] = each.memory_bytes
    return sum(sizes.values())


# Whether the namespace exists; None if nothing tells for sure.
def _exists(directory: Path, cookie: int) -> bool | None:
    for pin in directory.glob("*/[0-9]*/manifest"):
        with suppress(PinError, ValueError, TypeError, KeyError, AttributeError):
            with Map.open(pin) as pages:
                inode = read_record(pages)["owner"]["inode"]
            if (exists := network_exists(cookie, int(inode))) is not None:
                return exists
    live = live_networks()
    return None if live is None else cookie in live


# Whether no process holds the lock of *directory*, as one does that changes what is pinned there.
def _is_free(directory: Path) -> bool:
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(fd)
        return True
    return False


def findings(root: Path) -> list[Finding]:
    """Describe dead pins for ``doctor``; none where this process may not look."""
    try:
        dead = dead_pins(root)
    except (KernelError, PermissionError):
        return []
    return [_finding(each) for each in dead]


def _finding(each: DeadPins) -> Finding:
    size = f"{each.memory_bytes / (1 << 20):.0f} MiB"
    detail = f"{', '.join(each.names) or 'nothing'} of namespace {each.cookie}, {size}"
    if each.is_sure:
        detail += ": the namespace is gone"
        cure = f"the next `up`, `apply` or `down` removes them, or `rm -r {each.directory}`"
    else:
        detail += ": attached nowhere, but another process may keep the namespace"
        cure = f"if it is gone, `rm -r {each.directory}`"
    return Finding("dead pins", ok=None, detail=detail, cure=cure)
