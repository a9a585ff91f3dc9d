"""The programs that cut copies: each at the egress of a device that some rule mirrors to.

Every interface that mirrors somewhere has its own there: the first that sees a copy cuts it and
takes the mark off, and the others leave it alone.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from wirepath.datapath.hook import object_file
from wirepath.errors import AttachError
from wirepath.kernel.clsact import PRIORITY, Filter
from wirepath.kernel.object import Object
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from wirepath.datapath.manifest import Tc
    from wirepath.policy import Policy

_PINS: Final = "snaps"


def load(program: str) -> Object:
    """Load one program of ``bpf/mirror.bpf.c``."""
    return Object.load(object_file("mirror"), programs=[program])


def cut_at(policy: Policy, devices: Mapping[str, int]) -> set[int]:
    """Say at which devices copies are to be cut; *devices* by target."""
    from wirepath.actions.mirror import Mirror

    actions = [rule.action for rule in policy.rules]
    asked = [action for action in actions if isinstance(action, Mirror) and action.snap]
    return {devices[action.to.words] for action in asked if action.to.words in devices}


@contextmanager
def cutting(
    staged: Path,
    ifindex: int,
    tc: Tc,
    at: Collection[int],
    *,
    instead_of: Collection[int] = (),
) -> Iterator[None]:
    """Let copies be cut at the devices *at*; if the context fails, only where they were.

    Links are pinned in *staged*, and go with it.

    Args:
        staged: of the next generation, which the context publishes.
        ifindex: of the interface that is mirrored.
        tc: how programs are attached.
        at: ifindexes.
        instead_of: where they are cut now.
    """
    made: list[Filter] = []
    try:
        if at:
            with load("cut") as loaded:
                program = loaded.programs["cut"]
                if tc == "tcx":
                    (staged / _PINS).mkdir(mode=0o700)
                for device in at:
                    if tc == "tcx":
                        with TcxLink.attach(program, device, "egress") as link:
                            link.pin(staged / _PINS / str(device))
                    elif not (place := _place(device, ifindex)).program_id:
                        Filter.attach(
                            program, device, "egress", priority=PRIORITY - 1, handle=ifindex
                        )
                        made.append(place)
        yield
    except BaseException:
        for place in made:
            place.detach()
        raise
    if tc == "clsact":
        _take_off(ifindex, set(instead_of) - set(at))


def stop(directory: Path, ifindex: int, tc: Tc, at: Collection[int]) -> None:
    """Let no copies be cut any more.

    Args:
        directory: of what serves.
        ifindex: of the interface that is mirrored; 0 if it is gone.
        tc: how programs are attached.
        at: where they are cut.
    """
    if tc == "clsact":
        _take_off(ifindex, at)
    elif (directory / _PINS).exists():
        for pin in (directory / _PINS).iterdir():
            with TcxLink.open(pin) as link:
                link.detach()


def _take_off(ifindex: int, at: Collection[int]) -> None:
    there = {index for index, _ in socket.if_nameindex()}
    for device in there.intersection(at):
        with suppress(AttachError):
            _place(device, ifindex).detach()


# By whose copies they are, so that each has its own.
def _place(device: int, ifindex: int) -> Filter:
    return Filter(device, "egress", priority=PRIORITY - 1, handle=ifindex)
