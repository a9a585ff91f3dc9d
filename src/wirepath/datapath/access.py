"""Access to what serves on an interface, from one call to the next.

Every process shares a datapath with every other one, so none may rely on what it opened earlier: a
map may belong to a generation that no packet meets any more. An `Access` lasts, `Handles` do not.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wirepath.datapath.change import pinned, rebuild, recover
from wirepath.datapath.handles import Handles
from wirepath.errors import AttachError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.kernel.bpffs import Pins
    from wirepath.prefixes import Members


@dataclass(frozen=True, slots=True)
class Access:
    """The way to what serves on an interface: for as long as anybody likes, from any thread.

    Attributes:
        iface: the interface, by the name that it was put up by.
        pins: of its network namespace.
    """

    iface: str
    pins: Pins

    @contextmanager
    def reading(self) -> Iterator[Handles]:
        """Give handles of what serves now. The lock is held only while they are opened.

        Raises:
            RequestError: wirepath is not up there.
            PinError: pins are damaged, or a newer wirepath made them.
        """
        settle(self.pins)
        with self.pins.locked(shared=True):
            handles = self.serving()
        with handles:
            yield handles

    @contextmanager
    def writing(self) -> Iterator[Handles]:
        """Give handles as `changing` does, to write live state that packets are to meet.

        Raises:
            AttachError: no packet meets it; what the context wrote stays, and holds once the
                program is attached again.
        """
        with self.changing() as handles:
            yield handles
            if loss := handles.loss:
                raise AttachError(self.iface, what=f"stored, but {_unfiltered(self.iface, loss)}")

    @contextmanager
    def changing(self) -> Iterator[Handles]:
        """Give handles of what serves, and hold the lock alone until the context ends.

        Raises:
            RequestError: wirepath is not up there.
            PinError: pins are damaged, or a newer wirepath made them.
            KernelError: EAGAIN, another process held the lock for too long.
        """
        with self.pins.locked():
            recover(self.pins)
            with self.serving() as handles:
                yield handles

    def rebuild(self, handles: Handles, members: Members) -> None:
        """Build the policy of *handles* anew around other contents of its sets, *members*.

        The lock is the caller's. What *handles* are of does not serve any more afterwards.

        Raises:
            AttachError: no packet meets the policy now; nothing has changed.
            KernelError: the kernel does not take it; the old generation serves on.
        """
        if loss := handles.loss:
            raise AttachError(self.iface, what=f"nothing changed: {_unfiltered(self.iface, loss)}")
        rebuild(self.pins, handles, members)

    def serving(self) -> Handles:
        """Open what serves; the lock is the caller's.

        Raises:
            RequestError: wirepath is not up there.
            PinError: pins are damaged, or a newer wirepath made them.
        """
        number = self.pins.serving(self.iface)
        if number is None:
            raise not_up(self.iface, self.pins.names())
        return Handles.open(self.iface, self.pins.generation(self.iface, number))


def _unfiltered(iface: str, loss: str) -> str:
    return f"nothing is filtered: {loss} (attach it again: `wirepath apply {iface} POLICY`)"


def settle(pins: Pins) -> None:
    """Finish or undo what processes that died have left half done."""
    if pins.unsettled():
        with pins.locked():
            recover(pins)


def homes(pins: Pins) -> dict[str, str]:
    """Give the name that each interface was put up by, by the name that it has now."""
    found: dict[str, str] = {}
    for name in pins.names():
        serving = pinned(pins, name, pins.serving(name))
        attached = serving.interface if serving else None
        found[attached.name if attached else name] = name
    return found


def choose_name(name: str | None, up: list[str]) -> str:
    """Give *name*, or the only interface that is *up* if it is None.

    Raises:
        RequestError: wirepath is not up there, or a name is needed.
    """
    if name is None and len(up) == 1:
        return up[0]
    if name is None and up:
        raise RequestError(f"which one: {', '.join(up)} are up (name it: --iface {up[0]})")
    if name is None or name not in up:
        raise not_up(name, up)
    return name


def not_up(name: str | None, up: list[str]) -> RequestError:
    """Say that wirepath is not up on *name*, and where it is."""
    what = f"{name}: wirepath is not up there" if name else "wirepath is not up anywhere"
    cure = f"up on {', '.join(up)}" if up else "bring it up: `wirepath up IFACE POLICY`"
    return RequestError(f"{what} ({cure})")
