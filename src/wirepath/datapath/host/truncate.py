"""The programs that truncate copies, each at the egress of a device that rules mirror to.

Every interface that mirrors somewhere has its own there: the first that sees a copy truncates it
and takes the mark off, and the others leave it alone.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, Final

from wirepath.kernel.clsact import PRIORITY, Filter
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wirepath.datapath.generation.manifest import Tc

_PINS: Final = "truncate"


def load(program: str) -> Object:
    """Load one program of ``bpf/mirror.bpf.c``."""
    return Object.load(object_file("mirror"), programs=[program])


def attach(directory: Path, iface: str, host: Mapping[str, Any], tc: Tc) -> None:
    """Truncate copies at the devices that *host*, a record, names; links are pinned in *directory*.

    Raises:
        AttachError: a device takes no program.
        KernelError: the program cannot be loaded or pinned.
    """
    if not (at := _devices(host)):
        return
    with load("cut") as loaded:
        program = loaded.programs["cut"]
        if tc == "tcx":
            (directory / _PINS).mkdir(mode=0o700)
        for device in at:
            if tc == "tcx":
                with TcxLink.attach(program, device, "egress") as link:
                    link.pin(directory / _PINS / str(device))
            elif not _filter(device, iface).program_id:
                Filter.attach(program, device, "egress", **_place(iface))


def detach(directory: Path, iface: str, host: Mapping[str, Any], keep: Mapping[str, Any]) -> None:
    """Truncate no copies any more for the generation pinned in *directory*.

    Args:
        directory: of a generation.
        iface: that is mirrored; it may be gone.
        host: the record of that generation.
        keep: the record of another, whose filters stay. Links belong to one generation alone.
    """
    if (directory / _PINS).exists():
        for pin in (directory / _PINS).iterdir():
            with TcxLink.open(pin) as link:
                link.detach()
    for device in _devices(host) - _devices(keep):
        if (ours := _filter(device, iface)).program_id:  # or an idle qdisc of others would go too
            ours.detach()


# The ifindexes of those that are there.
def _devices(host: Mapping[str, Any]) -> set[int]:
    found = set()
    for name in host.get("mirrors", {}).get("truncated", ()):
        with suppress(OSError):
            found.add(socket.if_nametoindex(name))
    return found


def _filter(device: int, iface: str) -> Filter:
    return Filter(device, "egress", **_place(iface))


# Filters have no pins: each interface finds its own by a handle made of its name.
def _place(iface: str) -> dict[str, int]:
    handle = int.from_bytes(blake2s(iface.encode(), digest_size=4).digest(), "big")
    return {"priority": PRIORITY - 1, "handle": handle or 1}
