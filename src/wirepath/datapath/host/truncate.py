"""Programs that truncate mirrored packets at the egress of the devices that rules mirror to.

Each mirroring interface has its own program at the device: the first one that sees a marked copy
truncates it and clears the mark, so the others leave it alone.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, Any

from wirepath.datapath.generation.pinned import TRUNCATED
from wirepath.kernel.clsact import PRIORITY, Filter
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.kernel.tcx import TcxLink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wirepath.datapath.generation.manifest import Tc


def load(program: str) -> Object:
    """Load one program of ``bpf/mirror.bpf.c``."""
    return Object.load(object_file("mirror"), programs=[program])


def attach(directory: Path, iface: str, host: Mapping[str, Any], tc: Tc) -> None:
    """Truncate copies at the devices in the record *host*; links are pinned in *directory*.

    Raises:
        AttachError: a device does not accept the program.
        KernelError: the program cannot be loaded or pinned.
    """
    if not (at := _devices(host)):
        return
    with load("cut") as loaded:
        program = loaded.programs["cut"]
        if tc == "tcx":
            (directory / TRUNCATED).mkdir(mode=0o700)
        for device in at:
            if tc == "tcx":
                with TcxLink.attach(program, device, "egress") as link:
                    link.pin(directory / TRUNCATED / str(device))
            elif not _filter(device, iface).program_id:
                Filter.attach(program, device, "egress", **_place(iface))


def detach(directory: Path, iface: str, host: Mapping[str, Any], keep: Mapping[str, Any]) -> None:
    """Stop truncating copies for the generation pinned in *directory*.

    Args:
        directory: the directory of a generation.
        iface: the mirrored interface; it may be gone.
        host: the record of that generation.
        keep: the record of another generation, whose filters stay; links are never shared.
    """
    if (directory / TRUNCATED).exists():
        for pin in (directory / TRUNCATED).iterdir():
            with TcxLink.open(pin) as link:
                link.detach()
    for device in _devices(host) - _devices(keep):
        if (ours := _filter(device, iface)).program_id:  # else detach removes others' idle qdisc
            ours.detach()


def detach_everywhere(iface: str) -> None:
    """Remove the filters that truncate copies of *iface*, at whatever device they are.

    Raises:
        KernelError: the kernel refuses.
    """
    for device, _ in socket.if_nameindex():
        if (ours := _filter(device, iface)).program_id:
            ours.detach()


# The ifindexes of the devices that exist.
def _devices(host: Mapping[str, Any]) -> set[int]:
    found = set()
    for name in host.get("mirrors", {}).get("truncated", ()):
        with suppress(OSError):
            found.add(socket.if_nametoindex(name))
    return found


def _filter(device: int, iface: str) -> Filter:
    return Filter(device, "egress", **_place(iface))


# Filters cannot be pinned: an interface finds its own by a handle that is a hash of its name.
def _place(iface: str) -> dict[str, int]:
    handle = int.from_bytes(blake2s(iface.encode(), digest_size=4).digest(), "big")
    return {"priority": PRIORITY - 1, "handle": handle or 1}
