"""Handles: the serving generation of an interface, opened under the lock and closed soon after."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from wirepath.datapath.attach import TC_HOOKS, Attachment, attachment
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.pinned import HOST, INGRESS, LINK, NO_MAPS, PROGRAM, Pinned
from wirepath.datapath.generation.whole import (
    check_maps,
    check_truncation,
    read_host_strictly,
    telling_damage,
)
from wirepath.errors import DamageError, RequestError
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wirepath.kernel.bpffs import Pins
    from wirepath.net import Hook
    from wirepath.policy import Policy

_RECORDS: Final = ("manifest", HOST)


@dataclass(frozen=True)
class Handles:
    """The open maps, program and link of one generation; leaving the context closes them.

    Closing changes nothing in the kernel.

    Attributes:
        iface: the name of the interface when it was put up.
        directory: where the generation is pinned.
        manifest: the description of the generation.
        host: what was changed on the host for it.
        tables: by hook, its maps by C name; maps that hooks share are among those of ingress.
        program: the program that judges packets at ingress.
        link: the link that attaches this program to the interface.
    """

    iface: str
    directory: Path
    manifest: Manifest
    host: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Map]]
    program: Program
    link: XdpLink

    @classmethod
    def open(cls, iface: str, directory: Path) -> Self:
        """Open the generation of *iface* that is pinned in *directory*.

        Raises:
            DamageError: pins are missing or damaged.
            PinError: a newer wirepath made them.
        """
        with ExitStack() as undo:
            with telling_damage(iface, directory):
                maps = _open_maps(directory, undo)
                tables: dict[str, Mapping[str, Map]] = {INGRESS: maps}
                program = undo.enter_context(Program.open(directory / INGRESS))
                link = undo.enter_context(XdpLink.open(directory / LINK))
                pages = maps.get("manifest") or Map.open(directory / "manifest")
            manifest = Manifest.read(pages, iface, directory)
            with telling_damage(iface, directory):
                host = read_host_strictly(directory)
                check_maps(directory, program, maps.values(), but=_records(directory))
                for hook in TC_HOOKS:
                    if hook in manifest.rows:
                        tables[hook] = _open_maps(directory / hook, undo)
                        _check_hook(directory, hook, [*tables[hook].values(), *maps.values()])
                if manifest.tc == "tcx":
                    check_truncation(directory, host)
            undo.pop_all()
        return cls(iface, directory, manifest, host, tables, program, link)

    @property
    def maps(self) -> Mapping[str, Map]:
        """The maps of ingress, with the maps that all hooks share."""
        return self.tables[INGRESS]

    @property
    def device(self) -> str:
        """The current name of the interface; if it is gone, the name when it was put up."""
        attached = self.link.interface
        return attached.name if attached else self.iface

    @property
    def loss(self) -> str:
        """Why no packet reaches the program of ingress; empty if packets do."""
        if self.link.interface:
            return ""
        try:
            there = Interface.of(self.iface)
        except RequestError:
            there = None
        if self.link.ifindex:
            return "the interface is in another network namespace"
        if there is None:
            return "the interface is gone"
        if there.xdp_id:
            return f"our program was taken off, program {there.xdp_id} runs there"
        return "our program was taken off, or the interface was made anew"

    @property
    def pinned(self) -> Pinned:
        """The generation as it is pinned, for a `Change` that starts from it."""
        return Pinned(self.iface, self.manifest.generation, self.directory)

    @property
    def policy(self) -> Policy:
        """The policy, without the contents of its set files."""
        from wirepath.policy import Policy

        return Policy.from_document(self.manifest.policy, file=self.manifest.file)

    def attachments(self) -> dict[Hook, Attachment]:
        """Find out how each hook is attached."""
        manifest, there = self.manifest, self.link.interface
        ifindex, running = (there.index, self.link.program_id) if there else (0, 0)
        found: dict[Hook, Attachment] = {
            INGRESS: Attachment("xdp", manifest.mode, self.program.id, self.link.id, running)
        }
        for hook in TC_HOOKS:
            if hook in manifest.rows:
                found[hook] = attachment(self.directory, hook, ifindex, manifest.tc)
        return found

    def close(self) -> None:
        """Close every handle."""
        for maps in self.tables.values():
            for each in maps.values():
                each.close()
        self.program.close()
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_hook(directory: Path, hook: Hook, maps: Iterable[Map]) -> None:
    with Program.open(directory / hook / PROGRAM) as program:
        check_maps(directory / hook, program, maps, but=_RECORDS)


# The names of the records that are pinned; that of the host may be lost.
def _records(directory: Path) -> tuple[str, ...]:
    return _RECORDS if (directory / HOST).exists() else _RECORDS[:1]


# Opens the maps that are pinned in a directory: every pin there but those of NO_MAPS.
def _open_maps(directory: Path, undo: ExitStack) -> dict[str, Map]:
    names = [pin.name for pin in directory.iterdir() if not pin.is_dir()]
    maps = (name for name in names if name not in NO_MAPS)
    return {name: undo.enter_context(Map.open(directory / name)) for name in maps}


def damage(pins: Pins, name: str) -> DamageError | None:
    """Say what is damaged where `change.recover` has left *name* as it was; None if nothing is."""
    if pins.is_settled(name) or not pins.directory(name).exists():
        return None
    for number in reversed(pins.generations(name)):
        try:
            Handles.open(name, pins.generation(name, number)).close()
        except DamageError as error:
            return error
    return DamageError(name, f"{pins.directory(name) / 'serving'} is missing")
