"""The programs of a generation at their hooks: attached, swapped, taken off, found again.

What is pinned in a directory says what should run. The XDP link is swapped last and tells which of
two directories serves; the hooks of TC are brought in line with that one.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from wirepath.datapath.manifest import Manifest
from wirepath.datapath.surroundings import abandon
from wirepath.errors import AttachError, PinError, RequestError
from wirepath.kernel import tcx
from wirepath.kernel.clsact import Filter
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wirepath.datapath.generation import Generation
    from wirepath.datapath.manifest import Tc
    from wirepath.kernel.bpffs import Pins
    from wirepath.kernel.tcx import Direction

LINK: Final = "link"
INGRESS: Final = "ingress"
_PROGRAM: Final = "program"
NO_MAPS: Final = (LINK, INGRESS, _PROGRAM)
"""Pins that are not those of maps."""
TC_HOOKS: Final[tuple[Direction, ...]] = ("tc_ingress", "egress")


def pin(generation: Generation, directory: Path) -> None:
    """Pin *generation* in an empty directory; hooks of TC have one each inside."""
    from wirepath.datapath.generation import SHARED

    for hook, program in generation.hooks.items():
        own = directory if hook == INGRESS else directory / hook
        if own != directory:
            own.mkdir(mode=0o700)
        for name, each in program.loaded.maps.items():
            if "rodata" not in name and (own == directory or name not in SHARED):
                each.pin(own / name)
        program.program.pin(own / (INGRESS if own == directory else _PROGRAM))


@contextmanager
def attached(
    staged: Path, ifindex: int, tc: Tc, *, instead_of: Path | None = None
) -> Iterator[None]:
    """Let run at the hooks of TC what is pinned in *staged*; if the context fails, what did before.

    Args:
        staged: of the next generation, which the context publishes.
        ifindex: of its interface.
        tc: how programs are attached there.
        instead_of: where what serves is pinned; None if nothing does.
    """
    if instead_of:
        _share_links(instead_of, staged)
    try:
        align(staged, ifindex, tc)
        yield
    except BaseException:
        align(instead_of, ifindex, tc)
        _let_go(staged, kept=instead_of)
        raise
    if instead_of:  # the directories have changed places
        _let_go(staged, kept=instead_of)


def align(directory: Path | None, ifindex: int, tc: Tc) -> None:
    """Let run at the hooks of TC what is pinned in *directory*, and nothing else of ours.

    Links that are pinned elsewhere only are the caller's to let go of.

    Args:
        directory: of a generation; None if nothing should run.
        ifindex: of its interface.
        tc: how programs are attached there.

    Raises:
        AttachError: the interface is gone, or another program is in our place.
    """
    for hook in TC_HOOKS:
        pins = directory / hook if directory and (directory / hook).exists() else None
        if tc == "clsact":
            _align_filter(pins, ifindex, hook)
        elif pins:
            _align_link(pins, ifindex, hook)


def _align_link(directory: Path, ifindex: int, hook: Direction) -> None:
    with Program.open(directory / _PROGRAM) as program:
        if not (directory / LINK).exists():
            with TcxLink.attach(program, ifindex, hook) as link:
                link.pin(directory / LINK)
            return
        with TcxLink.open(directory / LINK) as link:
            running = link.program_id
            if running not in (program.id, 0):
                with Program.by_id(running) as old:
                    link.update(program, old=old)


def _align_filter(directory: Path | None, ifindex: int, hook: Direction) -> None:
    place = Filter(ifindex, hook)
    running = place.program_id
    if not directory:
        if running:
            place.detach()
        return
    with Program.open(directory / _PROGRAM) as program:
        if not running:
            Filter.attach(program, ifindex, hook)
        elif running != program.id:
            with Program.by_id(running) as old:
                place.update(program, old=old)


# Links of hooks that both have are pinned in both.
def _share_links(serving: Path, staged: Path) -> None:
    for hook in TC_HOOKS:
        if (serving / hook / LINK).exists() and (staged / hook).exists():
            with TcxLink.open(serving / hook / LINK) as link:
                link.pin(staged / hook / LINK)


# Detaches links: their last pin lets go only some time after it is removed.
def _let_go(directory: Path, *, kept: Path | None = None) -> None:
    for hook in TC_HOOKS:
        if (directory / hook / LINK).exists() and not (kept and (kept / hook).exists()):
            with TcxLink.open(directory / hook / LINK) as link:
                link.detach()


def detach(directory: Path, ifindex: int, tc: Tc) -> None:
    """Take what is pinned in *directory* off the hooks of TC."""
    _let_go(directory)
    if ifindex:
        align(None, ifindex, tc)


def serves(directory: Path) -> bool:
    """Tell whether the generation pinned in *directory* is the one that its XDP link runs."""
    try:
        with XdpLink.open(directory / LINK) as link, Program.open(directory / INGRESS) as program:
            return link.program_id == program.id
    except PinError:
        return False


def recover(pins: Pins) -> None:
    """Finish or undo what processes that died have left half done; the lock is the caller's."""
    for name in pins.recover(serves):
        with suppress(RequestError, AttachError):  # the interface is gone
            directory, ifindex = pins.directory(name), Interface.of(name).index
            if (directory / "manifest").exists():
                with Map.open(directory / "manifest") as manifest:
                    align(directory, ifindex, Manifest.read(manifest, name).tc)
            else:
                align(None, ifindex, "clsact")  # links are gone with their pins
                abandon(name)


def choose(asked: Tc | None) -> Tc:
    """Give *asked*, or what this kernel has."""
    return asked or ("tcx" if tcx.supported() else "clsact")
