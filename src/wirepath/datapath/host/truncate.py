"""The programs that cut copies: each at the egress of a device that some rule mirrors to.

Every interface that mirrors somewhere has its own there: the first that sees a copy cuts it and
takes the mark off, and the others leave it alone.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from wirepath.kernel.clsact import PRIORITY, Filter
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from wirepath.datapath.generation.manifest import Tc
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
    iface: str,
    tc: Tc,
    at: Collection[int],
    *,
    instead_of: Collection[int] = (),
) -> Iterator[None]:
    """Let copies be cut at the devices *at*; if the context fails, only where they were.

    Links are pinned in *staged*, and go with it.

    Args:
        staged: of the next generation, which the context publishes.
        iface: that is mirrored.
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
                    elif not (place := _place(device, iface)).program_id:
                        made.append(place)
                        Filter.attach(program, device, "egress", **_where(iface))
        yield
    except BaseException:
        for place in made:
            if place.program_id:
                place.detach()
        raise
    if tc == "clsact":
        _take_off(iface, set(instead_of) - set(at))


def stop(directory: Path, iface: str, tc: Tc, at: Collection[int]) -> None:
    """Let no copies be cut any more.

    Args:
        directory: of what serves.
        iface: that is mirrored; it may be gone.
        tc: how programs are attached.
        at: where they are cut.
    """
    if tc == "clsact":
        _take_off(iface, at)
    elif (directory / _PINS).exists():
        for pin in (directory / _PINS).iterdir():
            with TcxLink.open(pin) as link:
                link.detach()


def abandon(iface: str) -> None:
    """Take off what a process that died may have left: filters, for links go with their pins."""
    _take_off(iface, [index for index, _ in socket.if_nameindex()])


def _take_off(iface: str, at: Collection[int]) -> None:
    for device in at:
        place = _place(device, iface)
        if place.program_id:  # or an idle qdisc of somebody else would go too
            place.detach()


def _place(device: int, iface: str) -> Filter:
    return Filter(device, "egress", **_where(iface))


# By whose copies they are: each has its own, and finds it again by its name.
def _where(iface: str) -> dict[str, int]:
    handle = int.from_bytes(blake2s(iface.encode(), digest_size=4).digest(), "big")
    return {"priority": PRIORITY - 1, "handle": handle or 1}
