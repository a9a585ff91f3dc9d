"""Changes of what serves on an interface, carried out or recovered: `up`, `apply` and `down`.

The steps of a change are in `wirepath.datapath.steps`. Before the commit a failure undoes every
step that was begun; after it all steps are finished. A crash is recovered by the same parts: the
pins say which generations the change goes from and to, and the XDP link tells whether it was
committed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wirepath.datapath import older
from wirepath.datapath.generation.pinned import LINK, Pinned
from wirepath.datapath.order import Order
from wirepath.datapath.steps import STEPS, Change, Publish, Withdraw
from wirepath.errors import WirepathError
from wirepath.kernel.bpffs import Transition
from wirepath.kernel.links import XdpLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.steps import Step
    from wirepath.kernel.bpffs import Pins
    from wirepath.prefixes import Members

log = logging.getLogger(__name__)


def put_up(pins: Pins, order: Order, left: Handles | None) -> None:
    """Let *order* serve on an interface where no program of ours runs.

    Args:
        pins: of its network namespace.
        order: what is to serve.
        left: handles of what served there until its program was lost, whose state goes on.

    Raises:
        AttachError: the interface is taken, gone or unfit.
        KernelError: the kernel does not take it. Nothing has changed then.
    """
    name = order.place.iface
    before = left.pinned if left else None
    number = before.number + 1 if before else 1
    after = Pinned(name, number, pins.generation(name, number))
    carry_out(Change(name=name, pins=pins, before=before, after=after, order=order, handles=left))
    with XdpLink.open(after.directory / LINK) as link:
        log.info("attached %s xdp %s link=%d", name, order.mode, link.id)


def swap(pins: Pins, handles: Handles, order: Order) -> None:
    """Let *order* serve in place of what *handles* are of, from one packet to the next.

    Raises:
        KernelError: the kernel does not take it; the old generation serves on.
    """
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


def rebuild(pins: Pins, handles: Handles, members: Members) -> None:
    """Build the same policy anew around other contents of its sets, *members*.

    Raises:
        KernelError: the kernel does not take it; the old generation serves on.
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
        place=Place(iface=handles.iface, device=handles.device),
        mode=manifest.mode,
        link=link_of(Interface.of(handles.device), policy),
        tc=manifest.tc,
    )
    swap(pins, handles, order)


def carry_out(change: Change) -> None:
    """Carry *change* out; if it fails before the commit, all is as it was.

    An interrupt after the commit does not undo it.

    Raises:
        WirepathError: what went wrong. After the commit it is only about what was to be removed.
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
                begun[0].undo(change)  # or it is noted for the next command, to try again
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
    """Take back the steps that were *begun*, the last one first; tell whether all of it worked."""
    worked = True
    for step in reversed(begun):
        try:
            step.undo(change)
        except WirepathError as error:
            log.warning("%s", error)
            worked = False
    return worked


def finish(change: Change) -> None:
    """Remove what only the generation before needed.

    Raises:
        WirepathError: of the first step that failed, after all others were finished.
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
    """Finish or undo what processes that died have left half done; the lock is the caller's."""
    for name in pins.unsettled():
        older.adopt(pins, name)
        if pins.is_settled(name) or not pins.directory(name).exists():
            continue
        change = _left_behind(pins, name)
        if change.committed and (change.before or change.after):
            log.warning("finished a change of %s that was cut short", name)
            Withdraw().do(change)
            Publish().do(change)
            finish(change)
        else:
            log.warning("undid a change of %s that was cut short", name)
            undo(change, STEPS)


def take_down(pins: Pins, before: Pinned) -> None:
    """Take *before*, which serves, off its interface; nothing of it is left in the kernel."""
    carry_out(Change(name=before.iface, pins=pins, before=before, after=None))
    log.info("detached %s", before.iface)


def _left_behind(pins: Pins, name: str) -> Change:
    before, after = pins.changing(name) or _unnoted(pins, name)
    return Change(
        name=name, pins=pins, before=pinned(pins, name, before), after=pinned(pins, name, after)
    )


def pinned(pins: Pins, name: str, number: int | None) -> Pinned | None:
    """Give one generation of *name* as it is pinned; None for None."""
    return None if number is None else Pinned(name, number, pins.generation(name, number))


# Nothing says which generation serves: it is the one that does, or all of them go.
def _unnoted(pins: Pins, name: str) -> Transition:
    numbers = pins.generations(name)
    there = [Pinned(name, number, pins.generation(name, number)) for number in numbers]
    serving = next((each.number for each in there if each.serves), None)
    if serving is not None:
        return Transition(None, serving)
    return Transition(max(numbers, default=None), None)
