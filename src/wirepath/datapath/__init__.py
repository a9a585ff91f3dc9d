"""The joint: a policy on an interface, its generations, its live state.

Everything lives in the kernel, pinned under the bpffs; a `Datapath` is one process's view of it.
Nothing heavy is imported before it is needed: ``status`` and ``ban`` start fast.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from wirepath.datapath.attach import (
    INGRESS,
    LINK,
    NO_MAPS,
    TC_HOOKS,
    Attachment,
    attached,
    attachment,
    choose,
    detach,
    make_way,
    pin,
    recover,
)
from wirepath.datapath.finding import choose_name, settled
from wirepath.datapath.generation.manifest import Manifest, describing
from wirepath.datapath.host.arrange import Place, arranged, restore
from wirepath.datapath.host.mirrors import devices
from wirepath.datapath.live.bans import Bans
from wirepath.datapath.live.sets import Sets
from wirepath.errors import PinError, RequestError
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wirepath.datapath.diff import Difference
    from wirepath.datapath.generation.manifest import Tc
    from wirepath.datapath.status import Status
    from wirepath.kernel.links import Mode
    from wirepath.model import Model
    from wirepath.net import Hook
    from wirepath.policy import Policy
    from wirepath.prefixes import Members

__all__ = ["Datapath"]

log = logging.getLogger(__name__)


class Datapath:
    """What serves on one interface. Leaving the context closes handles and changes nothing.

    Attributes:
        name: of the interface.
        pins: where its pins are.
        manifest: what the generation is, that was there when this was opened.
        maps: by C name.
        program: that judges packets.
        link: that holds it on the interface.
        bans: of sources.
        sets: of prefixes.
    """

    manifest: Manifest
    maps: dict[str, Map]
    program: Program
    link: XdpLink

    def __init__(self, name: str, pins: Pins) -> None:
        self.name = name
        self.pins = pins
        self._changing = False
        self._open()
        self.sets = Sets(self)

    # Finding

    @classmethod
    def names(cls) -> list[str]:
        """Name the interfaces of this network namespace that are up."""
        return settled().names()

    @classmethod
    def open(cls, name: str | None = None) -> Self:
        """Open what serves on interface *name*; the only one up if None.

        Raises:
            RequestError: nothing serves there, or *name* is needed.
            PinError: the pins are damaged or of another version.
        """
        pins = settled()
        with pins.locked(shared=True):
            return cls(choose_name(name, pins.names()), pins)

    def close(self) -> None:
        """Close every handle."""
        for tables in self._tables.values():
            for each in tables.values():
                each.close()
        self.program.close()
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        directory = self.pins.directory(self.name)
        self.maps = _open_maps(directory)
        self._tables: dict[str, dict[str, Map]] = {INGRESS: self.maps}
        self.program = Program.open(directory / INGRESS)
        self.link = XdpLink.open(directory / LINK)
        if "manifest" not in self.maps:
            cure = f"remove it and `wirepath up {self.name}` again"
            raise PinError(f"open {directory}", what="it has no manifest", cure=cure)
        self.manifest = Manifest.read(self.maps["manifest"], self.name)
        self.bans = Bans(self.maps, self.manifest, self.changing)

    def tables(self, hook: str) -> Mapping[str, Map]:
        """Give the maps that *hook* has of its own, by C name; at ingress all others too."""
        if hook not in self._tables:
            self._tables[hook] = _open_maps(self.pins.directory(self.name) / hook)
        return self._tables[hook]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the operator's lock, on what serves now. Inside itself it does nothing."""
        if self._changing:
            yield
            return
        with self.pins.locked():
            recover(self.pins)
            if not (self.pins.directory(self.name) / INGRESS).exists():
                raise RequestError(f"{self.name}: wirepath was taken down meanwhile (bring it up)")
            if self._replaced():
                self._reopen()
            self._changing = True
            try:
                yield
            finally:
                self._changing = False

    def _replaced(self) -> bool:
        with Program.open(self.pins.directory(self.name) / INGRESS) as serving:
            return serving.id != self.program.id

    def _reopen(self) -> None:
        self.close()
        self._open()

    # Up, apply, down

    @classmethod
    def up(
        cls,
        name: str,
        policy: Policy,
        *,
        mode: Mode = "native",
        skip_bad: bool = False,
        sysctl: bool = False,
        qdisc: bool = False,
        tc: Tc | None = None,
    ) -> Self:
        """Put *policy* on interface *name*.

        Args:
            name: of an interface of this network namespace.
            policy: a valid one.
            mode: where the program runs; never another than was asked for.
            skip_bad: whether to go without the bad lines of set files.
            sysctl: whether settings of the kernel that *policy* needs may be changed until `down`.
            qdisc: whether fq may take the place of the root qdisc until `down`.
            tc: how programs are attached at the hooks of TC; the best way there is if None.

        Raises:
            PolicyError: a list has bad lines.
            RequestError: there is no such interface, or a setting is to be changed.
            AttachError: the interface is taken, by wirepath too, or unfit.
            KernelError: the kernel does not take the program. Nothing has changed then.
        """
        from wirepath.kernel.interface import Interface

        interface = Interface.of(name)
        pins = Pins.find()  # before anything starts a thread: it may have to change namespaces
        from wirepath.datapath.generation.load import Generation
        from wirepath.datapath.generation.state import first_slots
        from wirepath.datapath.host.truncate import cut_at, cutting
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad)
        with pins.locked():
            recover(pins)
            if name in pins.names():
                make_way(pins, name)
            offload = interface.index if mode == "offload" else 0
            with (
                pins.stage(name) as staged,
                arranged(policy, Place(iface=name, sysctl=sysctl, qdisc=qdisc)) as around,
                Generation.load(
                    policy,
                    contents.members,
                    slots=(slots := first_slots(policy)),
                    describe=describing(policy, mode, slots, tc := choose(tc), around),
                    devices=(targets := devices(policy, name)),
                    ifindex=offload,
                ) as generation,
                generation.counting(contents.members, slots.counting),
            ):
                pin(generation, staged)
                with (
                    cutting(staged, name, tc, cut_at(policy, targets)),
                    attached(staged, interface.index, tc),
                    XdpLink.attach(generation.program, interface.index, mode) as link,
                ):
                    try:
                        link.pin(staged / LINK)
                        pins.publish(name)
                    except BaseException:
                        link.detach()  # its last pin lets go only some time after it is removed
                        raise
            datapath = cls(name, pins)
        log.info("attached %s xdp %s link=%d", name, mode, datapath.link.id)
        return datapath

    def difference(self, policy: Policy, *, skip_bad: bool = False) -> Difference:
        """Say what `apply` would change.

        Raises:
            PolicyError: a list has bad lines.
        """
        from wirepath.datapath.diff import difference
        from wirepath.plan.set_files import read_contents

        return difference(self, policy, read_contents(policy, skip_bad=skip_bad))

    def apply(
        self, policy: Policy, *, skip_bad: bool = False, sysctl: bool = False, qdisc: bool = False
    ) -> Difference:
        """Let *policy* serve from one packet to the next; state and counters go with it.

        Arguments are those of `up`.

        Raises:
            PolicyError: a list has bad lines.
            KernelError: the kernel does not take it; the old generation serves on.
        """
        from wirepath.datapath.diff import difference
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad)
        place = Place(iface=self.name, sysctl=sysctl, qdisc=qdisc)
        with (
            self.changing(),
            arranged(policy, place, self.manifest.surroundings) as around,
        ):
            changes = difference(self, policy, contents)
            self._swap(policy, contents.members, around)
        return changes

    def rebuild(self, members: Members) -> None:
        """Build the same policy anew around other contents of its sets."""
        with self.changing():
            self._swap(self.policy, members, self.manifest.surroundings)

    def _swap(self, policy: Policy, members: Members, around: Mapping[str, Any]) -> None:
        from wirepath.datapath.generation.load import Generation
        from wirepath.datapath.generation.state import next_slots
        from wirepath.datapath.host.truncate import cut_at, cutting

        before = self.manifest.slots
        slots = next_slots(self.manifest, policy, self.maps)
        self.bans.forget(set(slots.counters.values()) - set(before.counters.values()))
        tc, ifindex = self.manifest.tc, self.link.ifindex
        targets = devices(policy, self.name)
        offload = self.link.ifindex if self.manifest.mode == "offload" else 0
        with (
            Generation.load(
                policy,
                members,
                before=self.maps,
                slots=slots,
                describe=describing(policy, self.manifest.mode, slots, tc, around),
                devices=targets,
                ifindex=offload,
            ) as generation,
            generation.counting(members, slots.counting, before.counting),
            self.pins.stage(self.name) as staged,
        ):
            pin(generation, staged)
            self.link.pin(staged / LINK)
            serving = self.pins.directory(self.name)
            generation.take_over(self.maps, before.ranges)
            with (
                cutting(staged, self.name, tc, cut_at(policy, targets), instead_of=self._cut_at()),
                attached(staged, ifindex, tc, instead_of=serving),
            ):
                self.link.update(generation.program, old=self.program)
                try:
                    self.pins.publish(self.name)
                except BaseException:
                    self.link.update(self.program, old=generation.program)
                    raise
        self._reopen()
        log.info("swapped %s to generation %d", self.name, slots.number)

    def down(self) -> None:
        """Take it off the interface; nothing of it is left in the kernel."""
        from wirepath.datapath.host.truncate import stop

        with self.changing():
            ifindex = self.link.ifindex
            with self.pins.removing(self.name) as aside:
                self.link.detach()  # from here on there is no way back: see `recover`
                detach(aside, ifindex, self.manifest.tc)
                stop(aside, self.name, self.manifest.tc, self._cut_at())
                restore(self.name, self.manifest.surroundings)
        log.info("detached %s", self.name)

    # The devices where copies are cut.
    def _cut_at(self) -> set[int]:
        from wirepath.datapath.host.truncate import cut_at

        if "mirrors" not in self.manifest.surroundings:
            return set()
        return cut_at(self.policy, devices(self.policy, self.name))

    # Asking

    @cached_property
    def policy(self) -> Policy:
        """The policy that serves, without the contents of its set files."""
        from wirepath.policy import Policy

        return Policy.from_document(self.manifest.policy, file=self.manifest.file)

    def model(self, hook: Hook = INGRESS) -> Model:
        """Make the model of what serves at *hook*, with the sets and bans of this moment."""
        from wirepath.model import Model
        from wirepath.prefixes import Tables
        from wirepath.prefixes.offline import by_name, offline

        sets = offline(Tables.build(self.sets.all_members()))
        return Model(
            self.policy, by_name(sets, self.sets.names()), self.bans.for_model(), hook=hook
        )

    def attachments(self) -> dict[Hook, Attachment]:
        """Look how each hook is attached."""
        mode, link, ifindex = self.manifest.mode, self.link, self.link.ifindex
        running = link.program_id if ifindex else 0
        found: dict[Hook, Attachment] = {}
        found[INGRESS] = Attachment("xdp", mode, self.program.id, link.id, running)
        directory = self.pins.directory(self.name)
        for hook in TC_HOOKS:
            if hook in self.manifest.rows:
                found[hook] = attachment(directory, hook, ifindex, self.manifest.tc)
        return found

    def status(self) -> Status:
        """Say what is attached and how full it is."""
        from wirepath.datapath.status import status

        return status(self)


# The maps that are pinned in a directory: what else is there has no map's name.
def _open_maps(directory: Path) -> dict[str, Map]:
    names = [pin.name for pin in directory.iterdir() if not pin.is_dir()]
    return {name: Map.open(directory / name) for name in names if name not in NO_MAPS}
