"""One ordered list of steps for every change of a datapath: `up`, `apply` and `down`.

Each step has three parts. ``do`` adds what the next generation needs and leaves the serving one
alone. ``undo`` takes that back. ``finish`` removes what only the previous generation needed. The
change commits when the XDP link takes another program: before that `wirepath.datapath.change`
undoes it, afterwards it finishes it. Both need only the pins, so they also recover from a crash.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wirepath.datapath import attach
from wirepath.datapath.generation.pinned import HOST, LINK, Pinned
from wirepath.datapath.host.place import Place
from wirepath.errors import AttachError, RequestError
from wirepath.kernel.bpffs import Transition
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from wirepath.datapath.generation.build import Next
    from wirepath.datapath.generation.manifest import Tc
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.order import Order
    from wirepath.kernel.bpffs import Pins


@dataclass(kw_only=True)
class Change:
    """One change on one interface; the caller holds the lock.

    Attributes:
        name: the interface.
        pins: the pins of its network namespace.
        before: the generation that serves; None if none does.
        after: the generation that is to serve; None for `down`.
        order: what *after* is built from; None for `down` and during recovery.
        handles: open handles of *before*; None for `up` and during recovery.
        next: the programs and tables of *after*, once they are loaded.
    """

    name: str
    pins: Pins
    before: Pinned | None
    after: Pinned | None
    order: Order | None = None
    handles: Handles | None = None
    next: Next | None = None

    @property
    def transition(self) -> Transition:
        """The numbers of the generations before and after."""
        return Transition(*(each.number if each else None for each in (self.before, self.after)))

    @property
    def committed(self) -> bool:
        """Whether the change has taken effect: *after* serves or, for `down`, *before* does not."""
        return self.after.serves if self.after else not (self.before and self.before.serves)

    @property
    def ifindex(self) -> int:
        """The ifindex of the interface with the XDP link, or else by name; 0 if there is none."""
        if self.before and (attached := self.before.interface):
            return attached.index
        with suppress(RequestError):
            return Interface.of(self.place.device).index
        return 0

    @property
    def place(self) -> Place:
        """The interface, by the name of its pins and by its current name."""
        if self.order:
            return self.order.place
        attached = self.before.interface if self.before else None
        return Place(iface=self.name, device=attached.name if attached else self.name)

    @property
    def tc(self) -> Tc:
        """How programs are attached at the hooks of TC."""
        known = (each.manifest for each in (self.after, self.before) if each)
        return next((manifest.tc for manifest in known if manifest), "clsact")


class Step:
    """One step of a change; parts that a step does not define do nothing."""

    def do(self, change: Change) -> None:
        """Add what the next generation needs."""

    def undo(self, change: Change) -> None:
        """Take back what `do` has added, even if it failed halfway; may be repeated."""

    def finish(self, change: Change) -> None:
        """Remove what only the previous generation needed; may be repeated."""


class Note(Step):
    """Records that the change is under way, and makes a directory for the next generation."""

    def do(self, change: Change) -> None:
        change.pins.begin(change.name, change.transition)

    def undo(self, change: Change) -> None:
        if change.after:
            change.pins.discard(change.name, change.after.number)
        change.pins.end(change.name)

    def finish(self, change: Change) -> None:
        change.pins.retire(change.name, keep=GENERATIONS_KEPT)
        change.pins.end(change.name)


class Host(Step):
    """Changes what the policy needs on the host, after recording how to restore it."""

    def do(self, change: Change) -> None:
        from wirepath.datapath.generation.record import pin_record
        from wirepath.datapath.host import arrange

        if change.after and change.order:
            order, before = change.order, change.before.host if change.before else {}
            record = arrange.survey(order.needs, order.place, before)
            pin_record(record, change.after.directory / HOST)
            arrange.arrange(order.needs, order.place, record, before)

    def undo(self, change: Change) -> None:
        self._restore(change, change.after, change.before)

    def finish(self, change: Change) -> None:
        self._restore(change, change.before, change.after)

    def _restore(self, change: Change, of: Pinned | None, keep: Pinned | None) -> None:
        from wirepath.datapath.host import arrange

        if of and of.host:
            arrange.restore(change.place, of.host, keep.host if keep else {})


class Load(Step):
    """Loads the programs, writes their tables, and pins both."""

    def do(self, change: Change) -> None:
        from wirepath.datapath.generation.build import Next

        if change.after and change.order:
            owner = change.pins.owner(change.name)
            change.next = Next.load(change.order, change.handles, owner)
            change.next.loaded.pin(change.after.directory)
            with Map.open(change.after.directory / HOST) as record:
                change.next.loaded.hold(record)
            if change.before:
                attach.share_links(change.before.directory, change.after.directory, change.ifindex)

    def undo(self, change: Change) -> None:
        if change.next and change.next.prefixes:
            change.next.prefixes.undo()

    def finish(self, change: Change) -> None:
        if change.next and change.next.prefixes:
            change.next.prefixes.finish()


class Truncate(Step):
    """Truncates copies at the devices that mirrors send them to."""

    def do(self, change: Change) -> None:
        from wirepath.datapath.host import truncate

        if after := change.after:
            truncate.attach(after.directory, change.name, after.host, change.tc)

    def undo(self, change: Change) -> None:
        self._detach(change, change.after, change.before)

    def finish(self, change: Change) -> None:
        self._detach(change, change.before, change.after)

    def _detach(self, change: Change, of: Pinned | None, keep: Pinned | None) -> None:
        from wirepath.datapath.host import truncate

        if of:
            truncate.detach(of.directory, change.name, of.host, keep.host if keep else {})


class HandOver(Step):
    """Hands the state of limits that stay over, right before the next generation serves."""

    def do(self, change: Change) -> None:
        if change.next:
            change.next.hand_over()


class TcHooks(Step):
    """Attaches the programs of the hooks of TC, or replaces them."""

    def do(self, change: Change) -> None:
        if change.after:
            attach.align(change.after.directory, change.ifindex, change.tc)

    def undo(self, change: Change) -> None:
        self._leave(change, change.before, change.after)

    def finish(self, change: Change) -> None:
        self._leave(change, change.after, change.before)

    def _leave(self, change: Change, serves: Pinned | None, other: Pinned | None) -> None:
        if ifindex := change.ifindex:
            with suppress(AttachError):  # the interface has gone away in the meantime
                attach.align(serves.directory if serves else None, ifindex, change.tc)
        if other:
            attach.let_go(other.directory, kept=serves.directory if serves else None)


class Withdraw(Step):
    """Stops listing the interface as up, before `down` takes the program off."""

    def do(self, change: Change) -> None:
        if not change.after:
            change.pins.withdraw(change.name)

    def undo(self, change: Change) -> None:
        if change.before and not change.after:
            change.pins.publish(change.name, change.before.number)


class Xdp(Step):
    """Commits the change: between two packets the XDP link takes the next generation's program.

    A link that was lost, to another tool or with its interface, is replaced by a new one.
    """

    def do(self, change: Change) -> None:
        if change.after and change.before and change.before.interface:
            self._swap(change.before, change.after)
        elif change.after:
            self._attach(change, change.after)
        elif change.before:
            with XdpLink.open(change.before.directory / LINK) as link:
                link.detach()

    def undo(self, change: Change) -> None:
        if not (change.after and change.after.serves):
            return
        if change.before and change.before.interface:
            self._swap(change.after, change.before)
        else:
            with XdpLink.open(change.after.directory / LINK) as link:
                link.detach()  # removing its last pin would detach it only some time later

    def _swap(self, old: Pinned, new: Pinned) -> None:
        with (
            XdpLink.open(old.directory / LINK) as link,
            Program.open(old.program) as running,
            Program.open(new.program) as program,
        ):
            if not (new.directory / LINK).exists():
                link.pin(new.directory / LINK)
            link.update(program, old=running)

    def _attach(self, change: Change, after: Pinned) -> None:
        if change.order is None:
            raise AssertionError(change)
        with (
            Program.open(after.program) as program,
            XdpLink.attach(program, change.ifindex, change.order.mode) as link,
        ):
            link.pin(after.directory / LINK)


class Publish(Step):
    """Records which generation serves now, so that every command finds it."""

    def do(self, change: Change) -> None:
        if change.after:
            change.pins.publish(change.name, change.after.number)

    def undo(self, change: Change) -> None:
        if change.before:
            change.pins.publish(change.name, change.before.number)
        else:
            change.pins.withdraw(change.name)


STEPS: Final[tuple[Step, ...]] = (
    Note(),
    Host(),
    Load(),
    Truncate(),
    HandOver(),
    TcHooks(),
    Withdraw(),
    Xdp(),
    Publish(),
)
"""Every step of every change, in order; some do nothing in an `up`, others in a `down`."""

GENERATIONS_KEPT: Final = 0
"""How many earlier generations stay pinned besides the one that serves."""
