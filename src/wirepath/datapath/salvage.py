"""Taking off a datapath whose pins are damaged.

A program holds its manifest and the record of the host, and the manifest names the pins that it
belongs to. So programs are found in the kernel's own lists, and shown to be ours, without any pin.
"""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from errno import ENOENT
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.datapath.attach import TC_HOOKS
from wirepath.datapath.generation.pinned import (
    BOUND,
    HOST,
    INGRESS,
    LINK,
    PROGRAM,
    TRUNCATED,
    Pinned,
)
from wirepath.datapath.generation.record import read_record
from wirepath.errors import KernelError, PinError
from wirepath.kernel import running
from wirepath.kernel.clsact import Filter
from wirepath.kernel.interface import Interface, name_of
from wirepath.kernel.links import Link, XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import TcxLink
from wirepath.net import HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wirepath.kernel.bpffs import Pins
    from wirepath.kernel.tcx import Direction

log = logging.getLogger(__name__)

_PROGRAMS: Final[Mapping[str, str]] = {**{hook: hook for hook in HOOKS}, BOUND: INGRESS}
"""Our programs by name, and the hook that each is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was taken off an interface whose pins were damaged.

    Attributes:
        iface: the name of the interface.
        damage: what was damaged.
        taken_off: the hooks that programs of ours were taken off.
        restored: the parts of the host that were restored, such as ``sysctls``.
        unknown: what could not be restored, because no record of it is left.
    """

    iface: str
    damage: str
    taken_off: tuple[str, ...]
    restored: tuple[str, ...]
    unknown: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)


class Loaded(NamedTuple):
    """A loaded program that belongs to our pins, by its manifest.

    Attributes:
        number: its ID.
        hook: the hook that it is for.
        iface: the name of the interface when it was put up.
        manifest: the manifest, as plain values.
        record: the ID of the record of the host; 0 if it holds none.
    """

    number: int
    hook: str
    iface: str
    manifest: Mapping[str, Any]
    record: int


class Attached(NamedTuple):
    """A program of ours at a hook.

    Attributes:
        attach: xdp, tcx or clsact.
        hook: the hook; empty for one that truncates copies at another device.
        program_id: its ID.
        link_id: the ID of the link that attaches it; None for a filter.
        ifindex: the index of the interface.
    """

    attach: str
    hook: str
    program_id: int
    link_id: int | None
    ifindex: int


def loaded(pins: Pins) -> list[Loaded]:
    """List the loaded programs that belong to *pins*, of any interface and attached or not.

    Raises:
        KernelError: this process may not list programs.
    """
    found = []
    for program in running.programs(frozenset(_PROGRAMS)):
        record, manifest = 0, None
        for number in reversed(running.map_ids(program)):
            with suppress(KernelError, ValueError), Map.by_id(number) as each:
                if each.name == HOST:
                    record = number
                elif each.name == "manifest":
                    manifest = read_record(each)
        owner = manifest.get("owner") if isinstance(manifest, dict) else None
        if owner and owner == pins.owner(owner.get("iface", "")):
            hook = _PROGRAMS[program.name]
            found.append(Loaded(program.id, hook, owner["iface"], manifest or {}, record))
    return found


def orphans(pins: Pins) -> list[str]:
    """Name the interfaces where programs of ours are attached and nothing is pinned."""
    return sorted(
        name
        for name in {each.iface for each in loaded(pins)}
        if not pins.directory(name).exists() and attached(pins, name)
    )


def attached(pins: Pins, name: str) -> list[Attached]:
    """List the programs at hooks that belong to the interface pinned as *name*.

    They are found by links and programs that are pinned, and by programs whose manifest says so.
    """
    return _Left.of(pins, name).attached()


def take_off(pins: Pins, name: str, damage: str = "") -> Removal:
    """Take all off that belongs to the interface pinned as *name*, and remove its pins.

    It may be killed: the next command continues. The caller holds the lock.

    Raises:
        KernelError: some of it could not be taken off or restored; the rest was.
    """
    from wirepath.datapath.host import arrange, truncate
    from wirepath.datapath.host.place import Place

    left = _Left.of(pins, name)
    place = pins.condemn(name)
    left.keep_records(place)
    there = left.attached()
    device = _device(name, there)
    failed: list[KernelError] = []
    for each in there:
        with _collecting(failed):
            _detach(each)
    with _collecting(failed):
        truncate.detach_everywhere(name)
    for record in left.records.values():
        with _collecting(failed):
            arrange.restore(Place(iface=name, device=device), record, {})
    if not left.records:
        with _collecting(failed):
            arrange.forget(Place(iface=name, device=device))
    pins.remove(name)
    if failed:
        raise failed[0]
    log.info("detached %s", name)
    return Removal(
        iface=device,
        damage=damage,
        taken_off=tuple(dict.fromkeys(each.hook for each in there if each.hook)),
        restored=tuple(part for part in arrange.CHANGING if left.has_changed(part)),
        unknown=() if left.records else _unknown(left.manifests),
    )


@dataclass
class _Left:
    # What is left of an interface: by ID, the hook of each program and of each pinned link ("" for
    # those that truncate copies), and the records of the host.
    programs: dict[int, str] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    records: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    manifests: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, pins: Pins, name: str) -> _Left:
        left = cls()
        for directory in _directories(pins, name):
            left._read_pins(directory, name)
        for program in loaded(pins):
            if program.iface == name:
                left.programs[program.number] = program.hook
                left.manifests.append(program.manifest)
                with suppress(KernelError), Map.by_id(program.record) as record:
                    left._read_record(record)
        return left

    def _read_pins(self, directory: Path, name: str) -> None:
        with suppress(PinError), XdpLink.open(directory / LINK) as link:
            self.links[link.id] = INGRESS
        with suppress(PinError), Program.open(directory / INGRESS) as program:
            self.programs[program.id] = INGRESS
        for hook in TC_HOOKS:
            with suppress(PinError), TcxLink.open(directory / hook / LINK) as link:
                self.links[link.id] = hook
            with suppress(PinError), Program.open(directory / hook / PROGRAM) as program:
                self.programs[program.id] = hook
        for pin in _entries(directory / TRUNCATED):
            with suppress(PinError), TcxLink.open(pin) as link:
                self.links[link.id] = ""
        if manifest := Pinned(name, 0, directory).manifest:
            self.manifests.append({"policy": manifest.policy, "file": manifest.file})
        for pin in _entries(directory):
            if pin.name.partition(":")[0] == HOST:
                with suppress(PinError), Map.open(pin) as record:
                    self._read_record(record)

    def _read_record(self, record: Map) -> None:
        with suppress(ValueError, TypeError):
            self.records[record.id] = dict(read_record(record))

    # Pins the records in *place*: the programs that hold them are going to be freed.
    def keep_records(self, place: Path) -> None:
        for number in self.records:
            pin = place / f"{HOST}:{number}"
            if not pin.exists():
                with Map.by_id(number) as record:
                    record.pin(pin)

    def attached(self) -> list[Attached]:
        found = []
        for link in running.attached():
            hook = self.links.get(link.link_id, self.programs.get(link.program_id))
            if hook is not None:
                attach = "xdp" if hook == INGRESS else "tcx"
                found.append(Attached(attach, hook, link.program_id, link.link_id, link.ifindex))
        if set(self.programs.values()) & set(TC_HOOKS) and not any(
            each.attach == "tcx" for each in found
        ):
            found += self._filters()
        return sorted(found, key=lambda each: each.attach, reverse=True)  # that of ingress first

    def _filters(self) -> Iterator[Attached]:
        for ifindex, _ in socket.if_nameindex():
            for hook in TC_HOOKS:
                number = Filter(ifindex, hook).program_id
                if number and self.programs.get(number) == hook:
                    yield Attached("clsact", hook, number, None, ifindex)

    def has_changed(self, part: str) -> bool:
        return any(part in record for record in self.records.values())


# Where pins of an interface may be: those of schema 1 were not in numbered directories.
def _directories(pins: Pins, name: str) -> list[Path]:
    own, numbers = pins.directory(name), pins.generations(name)
    return [own, pins.older_staging / own.name, *(pins.generation(name, n) for n in numbers)]


def _entries(directory: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [*directory.iterdir()]
    return []


# The current name of the interface, if its XDP link is still attached; or else *name*.
def _device(name: str, there: list[Attached]) -> str:
    for each in there:
        now = name_of(each.ifindex)
        if each.hook == INGRESS and now and Interface.of(now).xdp_id == each.program_id:
            return now
    return name


def _detach(each: Attached) -> None:
    if each.link_id is None:
        direction: Direction = "egress" if each.hook == "egress" else "tc_ingress"
        Filter(each.ifindex, direction).detach()
        return
    try:
        link = Link.by_id(each.link_id)
    except KernelError as error:
        if error.errno != ENOENT:
            raise
    else:
        with link:
            link.detach()


# Collects errors of the body, so that all else is taken off too.
@contextmanager
def _collecting(failed: list[KernelError]) -> Iterator[None]:
    try:
        yield
    except KernelError as error:
        failed.append(error)


# What the policies of the *manifests* may have changed on the host, besides what has our name.
def _unknown(manifests: list[Mapping[str, Any]]) -> tuple[str, ...]:
    from wirepath.plan.requirements import requirements
    from wirepath.policy import Policy

    if not manifests:
        return ("sysctls", "fq", "offloads")
    found: dict[str, None] = {}
    for manifest in manifests:
        needs = requirements(Policy.from_document(manifest["policy"], file=manifest["file"]))
        found |= dict.fromkeys(setting.name for setting in needs.sysctls)
        found |= dict.fromkeys(["root qdisc"] if needs.fq else [])
        devices = [each.target for each in needs.mirrors.values() if each.target.kind == "device"]
        found |= dict.fromkeys(f"offloads of {target.words}" for target in devices)
    return tuple(found)
