"""The programs of a generation at their hooks: attached, swapped, taken off, found again.

What is pinned in a directory says what should run. The XDP link is swapped last and tells which of
two directories serves; the hooks of TC are brought in line with that one.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.host.arrange import abandon, restore
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

    from wirepath.datapath.generation.load import Generation
    from wirepath.datapath.generation.manifest import Tc
    from wirepath.kernel.bpffs import Pins
    from wirepath.kernel.tcx import Direction

LINK: Final = "link"
INGRESS: Final = "ingress"
_PROGRAM: Final = "program"
NO_MAPS: Final = (LINK, INGRESS, _PROGRAM)
"""Pins that are not those of maps."""
TC_HOOKS: Final[tuple[Direction, ...]] = ("tc_ingress", "egress")


class Attachment(NamedTuple):
    """How one hook of a generation is attached.

    Attributes:
        attach: xdp, tcx or clsact.
        mode: of XDP: native, generic or offload; None at the hooks of TC.
        program_id: of the program that should run there.
        link_id: of what holds it there; None for a filter of clsact.
        running: which program runs there in fact; 0 if none does.
    """

    attach: str
    mode: str | None
    program_id: int
    link_id: int | None
    running: int

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        values = self._asdict()
        del values["running"]
        if self.mode is None:
            del values["mode"]
        return values


def pin(generation: Generation, directory: Path) -> None:
    """Pin *generation* in an empty directory; hooks of TC have one each inside."""
    from wirepath.datapath.generation.load import SHARED

    for hook, program in generation.hooks.items():
        own = directory if hook == INGRESS else directory / hook
        if own != directory:
            own.mkdir(mode=0o700)
        for name, each in program.loaded.maps.items():
            if "rodata" not in name and (own == directory or name not in SHARED):
                each.pin(own / name)
        program.program.pin(own / (INGRESS if own == directory else _PROGRAM))


def attachment(directory: Path, hook: Direction, ifindex: int, tc: Tc) -> Attachment:
    """Look how *hook* of the generation pinned in *directory* is attached.

    Args:
        directory: of a generation that has this hook.
        hook: of TC.
        ifindex: of its interface; 0 if that is gone.
        tc: how programs are attached there.
    """
    own = directory / hook
    with Program.open(own / _PROGRAM) as program:
        if tc == "clsact":
            running = Filter(ifindex, hook).program_id if ifindex else 0
            return Attachment(tc, None, program.id, None, running)
        try:
            with TcxLink.open(own / LINK) as link:
                running = link.program_id if link.ifindex else 0
                return Attachment(tc, None, program.id, link.id, running)
        except PinError:  # somebody has removed the pin, and the link with it
            return Attachment(tc, None, program.id, None, 0)


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
        if not _holds(directory / LINK):
            with TcxLink.attach(program, ifindex, hook) as link:
                (directory / LINK).unlink(missing_ok=True)
                link.pin(directory / LINK)
            return
        with TcxLink.open(directory / LINK) as link:
            if (running := link.program_id) != program.id:
                with Program.by_id(running) as old:
                    link.update(program, old=old)


# Whether there is a link that nobody has detached.
def _holds(pin: Path) -> bool:
    if not pin.exists():
        return False
    with TcxLink.open(pin) as link:
        return bool(link.ifindex)


def _align_filter(directory: Path | None, ifindex: int, hook: Direction) -> None:
    ours = Filter(ifindex, hook)
    running = ours.program_id
    if not directory:
        if running:
            ours.detach()
        return
    with Program.open(directory / _PROGRAM) as program:
        if not running:
            Filter.attach(program, ifindex, hook)
        elif running != program.id:
            with Program.by_id(running) as old:
                ours.update(program, old=old)


# Links of hooks that both have are pinned in both.
def _share_links(serving: Path, staged: Path) -> None:
    for hook in TC_HOOKS:
        if (staged / hook).exists() and _holds(serving / hook / LINK):
            with TcxLink.open(serving / hook / LINK) as link:
                link.pin(staged / hook / LINK)


# Detaches links: their last pin lets go only some time after it is removed.
def _let_go(directory: Path, *, kept: Path | None = None) -> None:
    stay = _link_ids(kept) if kept else set()
    for pinned in _links(directory):
        with TcxLink.open(pinned) as link:
            if link.id not in stay:
                link.detach()


def _links(directory: Path) -> list[Path]:
    pins = [directory / hook / LINK for hook in TC_HOOKS]
    return [pinned for pinned in pins if pinned.exists()]


def _link_ids(directory: Path) -> set[int]:
    found = set()
    for pinned in _links(directory):
        with TcxLink.open(pinned) as link:
            found.add(link.id)
    return found


def detach(directory: Path, ifindex: int, tc: Tc) -> None:
    """Take what is pinned in *directory* off the hooks of TC.

    Args:
        directory: of a generation.
        ifindex: of its interface; 0 if that is gone.
        tc: how programs are attached there.
    """
    _let_go(directory)
    if ifindex:
        align(None, ifindex, tc)


def recover(pins: Pins) -> None:
    """Finish or undo what processes that died have left half done; the lock is the caller's."""

    def complete(staged: Path) -> bool:
        serving = pins.directory(staged.name)
        if not _serves(staged):
            _let_go(staged, kept=serving)
            if not serving.exists():
                _put_back(staged)
            return False
        _let_go(serving, kept=staged)
        return True

    for name in pins.recover(complete):
        with suppress(RequestError, AttachError):  # the interface is gone
            directory, ifindex = pins.directory(name), Interface.of(name).index
            if manifest := _manifest(directory):
                align(directory, ifindex, manifest.tc)
            else:
                align(None, ifindex, "clsact")
                abandon(name)


# Whether the generation pinned there is the one that its XDP link runs.
def _serves(directory: Path) -> bool:
    try:
        with XdpLink.open(directory / LINK) as link, Program.open(directory / INGRESS) as program:
            return bool(link.ifindex) and link.program_id == program.id
    except PinError:
        return False


def _put_back(directory: Path) -> None:
    if manifest := _manifest(directory):
        restore(directory.name.replace(":", "."), manifest.surroundings)


def _manifest(directory: Path) -> Manifest | None:
    try:
        with Map.open(directory / "manifest") as pages:
            return Manifest.read(pages, directory.name)
    except PinError:
        return None


def make_way(pins: Pins, name: str) -> None:
    """Remove what is left of an interface *name* that is gone, and of what was arranged for it.

    Raises:
        AttachError: it is not gone, and what serves there stays.
    """
    with suppress(PinError), XdpLink.open(pins.directory(name) / LINK) as link:
        if link.ifindex:
            cure = f"`wirepath apply {name} POLICY` swaps policies, `wirepath down {name}` ends it"
            raise AttachError(f"attach {name}", what="wirepath is up there", cure=cure)
    _put_back(pins.directory(name))
    pins.remove(name)


def choose(asked: Tc | None) -> Tc:
    """Give *asked*, or what this kernel has."""
    return asked or ("tcx" if tcx.supported() else "clsact")
