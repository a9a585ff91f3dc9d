"""Whether the pins of a generation are whole: its maps, its programs, its records."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from errno import EACCES, EINVAL, ENOENT, ENOTDIR
from typing import TYPE_CHECKING, Any, Final

from wirepath.datapath.generation.pinned import HOST, TRUNCATED, Pinned
from wirepath.datapath.generation.record import read_record
from wirepath.errors import DamageError, PinError
from wirepath.kernel import running
from wirepath.kernel.maps import Map

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from wirepath.kernel.program import Program

_DAMAGED: Final = (0, ENOENT, ENOTDIR, EINVAL)  # 0: a pin of another kind
_CUT: Final = 15  # bytes of a map's name that the kernel keeps
_VARIABLES: Final = (".rodata", ".bss")  # maps of the compiled file that are not pinned


@contextmanager
def telling_damage(iface: str, directory: Path) -> Iterator[None]:
    """Turn errors of the body, which opens pins of a generation, into those that name the damage.

    Args:
        iface: the name of the interface when it was put up.
        directory: where the generation is pinned.
    """
    try:
        yield
    except DamageError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise damaged(iface, directory, f"{error.filename} is missing") from error
    except PinError as error:
        if error.errno not in _DAMAGED and not (error.errno == EACCES and not os.geteuid()):
            raise
        what = str(error).removeprefix("open pin ")
        if error.errno == ENOENT:
            what = f"{what.partition(': ')[0]} is missing"
        raise damaged(iface, directory, what) from error


def damaged(iface: str, directory: Path, damage: str) -> DamageError:
    """Make the error for *damage* to the generation in *directory*."""
    attached = Pinned(iface, 0, directory).interface
    return DamageError(attached.name if attached else iface, damage)


def read_host_strictly(directory: Path) -> dict[str, Any]:
    """Read what was changed on the host for a generation; empty if its version recorded nothing.

    Raises:
        PinError: the record is damaged.
    """
    pin = directory / HOST
    if not pin.exists():
        return {}
    try:
        with Map.open(pin) as record:
            return dict(read_record(record))
    except (ValueError, TypeError) as error:
        raise PinError(f"open pin {pin}", what="is not what wirepath wrote") from error


def check_maps(
    directory: Path, program: Program, maps: Iterable[Map], *, but: Collection[str]
) -> None:
    """Check that every map that *program* holds is pinned.

    Args:
        directory: where the maps of *program* are pinned.
        program: the program of one hook.
        maps: the maps that are pinned there, and those that all hooks share.
        but: the names of maps that are not looked for: a record that was written anew has the same
            name and another ID.

    Raises:
        PinError: one is not, by ENOENT.
    """
    there = {each.id for each in maps}
    for number in running.map_ids(program):
        if number in there:
            continue
        with Map.by_id(number) as lost:
            if lost.name not in but and not any(word in lost.name for word in _VARIABLES):
                raise PinError(f"open pin {directory / _full_name(lost)}", ENOENT)


# The kernel cuts names, and the types of the compiled file have them whole.
def _full_name(lost: Map) -> str:
    if len(lost.name) < _CUT:
        return lost.name
    names = lost.btf.record("section .maps").members
    return next((name for name in names if name.startswith(lost.name)), lost.name)


def check_truncation(directory: Path, host: dict[str, Any]) -> None:
    """Check that a link is pinned for each device where copies are truncated, which has links.

    Raises:
        PinError: one is not, by ENOENT.
    """
    names = host.get("mirrors", {}).get("truncated", ())
    pins = {pin.name for pin in (directory / TRUNCATED).iterdir()} if names else set()
    if len(pins) >= len(names):
        return
    for name in names:
        with suppress(OSError):
            if (number := str(socket.if_nametoindex(name))) not in pins:
                raise PinError(f"open pin {directory / TRUNCATED / number}", ENOENT)
