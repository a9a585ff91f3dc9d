"""`up`, `apply` and `down` as changes: carried out step by step, and recovered after a crash.

The steps of a change are in `wirepath.datapath.steps`. Before the commit a failure undoes every
step that was begun; after it all steps are finished. Recovery uses the same parts: the pins say
which generations the change goes from and to, and the XDP link tells whether it was committed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wirepath.datapath import older
from wirepath.datapath.generation.pinned import LINK, Pinned, pinned
from wirepath.datapath.handles import Handles
from wirepath.datapath.order import Order
from wirepath.datapath.steps import STEPS, Change, Publish, Withdraw
from wirepath.errors import DamageError, KernelError, PinError, WirepathError
from wirepath.kernel.bpffs import REMOVAL, Transition
from wirepath.kernel.links import XdpLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.datapath.steps import Step
    from wirepath.kernel.bpffs import Pins
    from wirepath.prefixes import Members

log = logging.getLogger(__name__)


# First, since it frees memory that the next generation may need. It must not fail the change.
def _sweep() -> None:
    from wirepath.datapath.dead_pins import remove_dead
    from wirepath.kernel.bpffs import bpffs

    try:
        removed = remove_dead(bpffs())
    except KernelError as error:
        log.warning("%s", error)
        return
    if removed:
        told = (f"{each.directory.name} ({', '.join(each.names)})" for each in removed)
        freed = sum(each.memory_bytes for each in removed) / (1 << 20)
        what = "removed the pins of network namespaces that are gone"
        log.warning("%s: %s; %.0f MiB freed", what, ", ".join(told), freed)


def put_up(pins: Pins, order: Order, left: Handles | None) -> None:
    """Bring *order* into service on an interface where no program of ours runs.

    Args:
        pins: the pins of its network namespace.
        order: what is to serve.
        left: handles of a generation that served there until its program was lost; its state is
            carried over.

    Raises:
        AttachError: the interface is taken, gone or unfit.
        KernelError: the kernel refuses it; nothing has changed.
    """
    _sweep()
    name = order.place.iface
    before = left.pinned if left else None
    number = before.number + 1 if before else 1
    after = Pinned(name, number, pins.generation(name, number))
    carry_out(Change(name=name, pins=pins, before=before, after=after, order=order, handles=left))
    with XdpLink.open(after.directory / LINK) as link:
        log.info("attached %s xdp %s link=%d", name, order.mode, link.id)


def swap(pins: Pins, handles: Handles, order: Order) -> None:
    """Replace the generation of *handles* by *order*, between two packets.

    Raises:
        KernelError: the kernel refuses it; the old generation continues to serve.
    """
    _sweep()
    before = handles.pinned
    number = before.number + 1
    after = Pinned(handles.iface, number, pins.generation(handles.iface, number))
    carry_out(
        Change(
            name=handles.iface,
            pins=pins,
            before=before,
            after=after,
            order=order,
            handles=handles,
        )
    )
    log.info("swapped %s to generation %d", handles.iface, number)


def rebuild(pins: Pins, handles: Handles, members: Members, *, bans: int = 0) -> None:
    """Replace the generation of *handles* by one with the same policy and new set *members*.

    Args:
        pins: the pins of its network namespace.
        handles: handles of the serving generation.
        members: the contents of its sets.
        bans: how many bans there has to be room for, at least.

    Raises:
        KernelError: the kernel refuses it; the old generation continues to serve.
    """
    from wirepath.datapath.device import link_of
    from wirepath.datapath.host.place import Place
    from wirepath.kernel.interface import Interface
    from wirepath.plan.requirements import requirements

    policy, manifest = handles.policy, handles.manifest
    order = Order(
        policy=policy,
        members=members,
        needs=requirements(policy),
        place=Place(iface=handles.iface, device=handles.device, serving=True),
        mode=manifest.mode,
        link=link_of(Interface.of(handles.device), policy),
        tc=manifest.tc,
        bans=bans,
    )
    swap(pins, handles, order)


def carry_out(change: Change) -> None:
    """Carry *change* out; if it fails before the commit, undo it.

    An interrupt after the commit does not undo it.

    Raises:
        WirepathError: a step failed. After the commit the change holds all the same: only some of
            the old generation could not be removed.
    """
    begun: list[Step] = []
    try:
        try:
            for step in STEPS:
                begun.append(step)
                step.do(change)
        except BaseException as error:
            if change.committed and _goes_forward(change, error):
                Withdraw().do(change)
                Publish().do(change)
                finish(change)
            elif undo(change, begun[1:]):
                begun[0].undo(change)  # otherwise the note stays, and the next command tries again
            raise
        try:
            finish(change)
        except KeyboardInterrupt:
            finish(change)
            raise
    finally:
        if change.next:
            change.next.loaded.close()


# Nothing puts back a program that `down` took off. And packets that have met the next generation
# need not meet the one before again because the operator has not waited for the rest.
def _goes_forward(change: Change, error: BaseException) -> bool:
    return change.after is None or isinstance(error, KeyboardInterrupt)


def undo(change: Change, begun: Sequence[Step]) -> bool:
    """Undo the steps that were *begun*, last one first; return whether all of them could be."""
    worked = True
    for step in reversed(begun):
        try:
            step.undo(change)
        except WirepathError as error:
            log.warning("%s", error)
            worked = False
    return worked


def finish(change: Change) -> None:
    """Remove what only the previous generation needed.

    Raises:
        WirepathError: the error of the first step that failed, after all others were finished.
    """
    failed: list[WirepathError] = []
    for step in reversed(STEPS):
        try:
            step.finish(change)
        except WirepathError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def recover(pins: Pins) -> None:
    """Finish or undo changes that were cut short when a process died; the caller holds the lock.

    Where pins are so damaged that they do not tell which generation serves, or where that one is
    not whole, all stays as it is until `down`.
    """
    for name in pins.unsettled():
        older.adopt(pins, name)
        if pins.is_settled(name) or not pins.directory(name).exists():
            continue
        if pins.changing(name) == REMOVAL:
            from wirepath.datapath import salvage

            log.warning("finished the removal of %s", name)
            salvage.take_off(pins, name)
            continue
        change = _interrupted(pins, name)
        if not change or not _is_decided(change):
            continue
        if change.committed and (change.before or change.after):
            log.warning("finished a change of %s that was cut short", name)
            Withdraw().do(change)
            Publish().do(change)
            finish(change)
        else:
            log.warning("undid a change of %s that was cut short", name)
            undo(change, STEPS)


def take_down(pins: Pins, before: Pinned) -> None:
    """Take the serving generation *before* off its interface; nothing is left in the kernel."""
    _sweep()
    carry_out(Change(name=before.iface, pins=pins, before=before, after=None))
    log.info("detached %s", before.iface)


def _is_decided(change: Change) -> bool:
    sides = [each for each in (change.before, change.after) if each]
    if not any(each.serves for each in sides):
        return not any(each.held for each in sides)
    stays = change.after if change.committed else change.before
    return stays is None or _is_whole(stays)


def _is_whole(generation: Pinned) -> bool:
    try:
        Handles.open(generation.iface, generation.directory).close()
    except DamageError:
        return False
    except PinError:  # a newer version made it
        return True
    return True


def _interrupted(pins: Pins, name: str) -> Change | None:
    known = pins.changing(name) or _unnoted(pins, name)
    if not known:
        return None
    before, after = known
    return Change(
        name=name, pins=pins, before=pinned(pins, name, before), after=pinned(pins, name, after)
    )


# No note of the change exists. If a generation serves, it stays; otherwise all are removed, unless
# something of them is attached: then they are damaged.
def _unnoted(pins: Pins, name: str) -> Transition | None:
    numbers = pins.generations(name)
    there = [Pinned(name, number, pins.generation(name, number)) for number in numbers]
    serving = next((each.number for each in there if each.serves), None)
    if serving is not None:
        return Transition(None, serving)
    from wirepath.datapath import salvage

    if salvage.attached(pins, name):
        return None
    return Transition(max(numbers, default=None), None)
