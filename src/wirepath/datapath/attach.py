"""Attaching the programs of a generation to their hooks, and detaching them.

The pins in the directory of a generation say which programs should run. The XDP link tells which
generation serves; the hooks of TC are aligned with that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.generation.pinned import LINK, PROGRAM
from wirepath.errors import PinError
from wirepath.kernel import tcx
from wirepath.kernel.clsact import Filter
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from pathlib import Path

    from wirepath.datapath.generation.manifest import Tc
    from wirepath.kernel.tcx import Direction

TC_HOOKS: Final[tuple[Direction, ...]] = ("tc_ingress", "egress")


class Attachment(NamedTuple):
    """How one hook of a generation is attached.

    Attributes:
        attach: xdp, tcx or clsact.
        mode: for XDP native, generic or offload; None at the hooks of TC.
        program_id: ID of the program that should run there.
        link_id: ID of the link that attaches it; None for a clsact filter.
        running: ID of the program that actually runs there; 0 if none does.
    """

    attach: str
    mode: str | None
    program_id: int
    link_id: int | None
    running: int

    def document(self) -> dict[str, Any]:
        """Give the attachment as plain values, for JSON."""
        values = self._asdict()
        del values["running"]
        if self.mode is None:
            del values["mode"]
        return values


def choose(asked: Tc | None) -> Tc:
    """Return *asked*; if None, the best way this kernel has to attach to the hooks of TC."""
    return asked or ("tcx" if tcx.supported() else "clsact")


def attachment(directory: Path, hook: Direction, ifindex: int, tc: Tc) -> Attachment:
    """Find out how *hook* of the generation pinned in *directory* is attached.

    Args:
        directory: the directory of a generation that has this hook.
        hook: a hook of TC.
        ifindex: the ifindex of its interface; 0 if the interface is gone.
        tc: how programs are attached there.
    """
    own = directory / hook
    with Program.open(own / PROGRAM) as program:
        if tc == "clsact":
            running = Filter(ifindex, hook).program_id if ifindex else 0
            return Attachment(tc, None, program.id, None, running)
        try:
            with TcxLink.open(own / LINK) as link:
                running = link.program_id if link.ifindex else 0
                return Attachment(tc, None, program.id, link.id, running)
        except PinError:  # its pin was removed, and the link with it
            return Attachment(tc, None, program.id, None, 0)


def align(directory: Path | None, ifindex: int, tc: Tc) -> None:
    """Make the hooks of TC run the programs pinned in *directory*, and no others of ours.

    Links that are pinned only in other directories stay; `let_go` detaches them.

    Args:
        directory: the directory of a generation; None if nothing should run.
        ifindex: the ifindex of its interface.
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
    with Program.open(directory / PROGRAM) as program:
        if not _holds(directory / LINK, ifindex):
            with TcxLink.attach(program, ifindex, hook) as link:
                (directory / LINK).unlink(missing_ok=True)
                link.pin(directory / LINK)
            return
        with TcxLink.open(directory / LINK) as link:
            if (running := link.program_id) != program.id:
                with Program.by_id(running) as old:
                    link.update(program, old=old)


# Whether *pin* is a link that is attached to that interface.
def _holds(pin: Path, ifindex: int) -> bool:
    if not pin.exists():
        return False
    with TcxLink.open(pin) as link:
        return link.ifindex == ifindex


def _align_filter(directory: Path | None, ifindex: int, hook: Direction) -> None:
    ours = Filter(ifindex, hook)
    running = ours.program_id
    if not directory:
        if running:
            ours.detach()
        return
    with Program.open(directory / PROGRAM) as program:
        if not running:
            Filter.attach(program, ifindex, hook)
        elif running != program.id:
            with Program.by_id(running) as old:
                ours.update(program, old=old)


def share_links(serving: Path, staged: Path, ifindex: int) -> None:
    """Pin the links of *serving* in *staged* as well, for the hooks of TC that both have.

    Links that are not on the interface *ifindex* are left out.
    """
    for hook in TC_HOOKS:
        if (staged / hook).exists() and _holds(serving / hook / LINK, ifindex):
            with TcxLink.open(serving / hook / LINK) as link:
                link.pin(staged / hook / LINK)


def let_go(directory: Path, *, kept: Path | None = None) -> None:
    """Detach the links of *directory* from the hooks of TC, except those that *kept* has too.

    Removing the last pin of a link would also detach it, but only some time later.
    """
    stay = {link_id for _, link_id in _links(kept)} if kept else set()
    for pinned, link_id in _links(directory):
        if link_id not in stay:
            with TcxLink.open(pinned) as link:
                link.detach()


def _links(directory: Path) -> list[tuple[Path, int]]:
    found = []
    for pinned in (directory / hook / LINK for hook in TC_HOOKS):
        if pinned.exists():
            with TcxLink.open(pinned) as link:
                found.append((pinned, link.id))
    return found
