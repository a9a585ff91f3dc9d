"""A generation as it is pinned under the bpffs, complete or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.record import read_record
from wirepath.errors import PinError
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from pathlib import Path

    from wirepath.kernel.bpffs import Pins
    from wirepath.kernel.interface import Interface
    from wirepath.net import Hook

LINK: Final = "link"
HOST: Final = "host"
INGRESS: Final[Hook] = "ingress"
PROGRAM: Final = "program"
"""The name of the pin of a TC program, in the directory of its hook."""
BOUND: Final = "ingress_bound"
"""The program of ingress that asks the driver for VLAN tags."""
TRUNCATED: Final = "truncate"
"""The directory of the links that truncate copies, each named after the ifindex of its device."""
NO_MAPS: Final = (LINK, INGRESS, PROGRAM, HOST)
"""Names of pins that are not maps of the data plane."""


@dataclass(frozen=True)
class Pinned:
    """One generation under the bpffs.

    Attributes:
        iface: the interface that it belongs to.
        number: the number of the generation.
        directory: where it is pinned.
    """

    iface: str
    number: int
    directory: Path

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest; None if it is missing or damaged."""
        try:
            with Map.open(self.directory / "manifest") as pages:
                return Manifest.read(pages, self.iface, self.directory)
        except PinError:
            return None

    @cached_property
    def host(self) -> dict[str, Any]:
        """What was changed on the host for it, as recorded by `wirepath.datapath.host`."""
        return read_host(self.directory)

    @property
    def program(self) -> Path:
        """Where the program of ingress is pinned."""
        return self.directory / INGRESS

    @property
    def interface(self) -> Interface | None:
        """The interface that its XDP link is on; None if not attached in this namespace."""
        try:
            with XdpLink.open(self.directory / LINK) as link:
                return link.interface
        except PinError:
            return None

    @property
    def held(self) -> bool:
        """Whether its XDP link is attached, whatever program that runs."""
        try:
            with XdpLink.open(self.directory / LINK) as link:
                return bool(link.ifindex)
        except PinError:
            return False

    @property
    def serves(self) -> bool:
        """Whether the XDP link of the interface is attached and runs this generation's program."""
        try:
            with (
                XdpLink.open(self.directory / LINK) as link,
                Program.open(self.directory / INGRESS) as program,
            ):
                return bool(link.ifindex) and link.program_id == program.id
        except PinError:
            return False


def read_host(directory: Path) -> dict[str, Any]:
    """Read what was changed on the host for the generation in *directory*; empty if unknown."""
    try:
        with Map.open(directory / HOST) as record:
            return dict(read_record(record))
    except (PinError, ValueError, TypeError):
        return {}


def pinned(pins: Pins, name: str, number: int | None) -> Pinned | None:
    """Give generation *number* of *name* as it is pinned; None if *number* is None."""
    return None if number is None else Pinned(name, number, pins.generation(name, number))
