"""Access to the generation that serves on an interface, opened anew by every call.

All processes share a datapath, so none may rely on a map that it opened earlier: the map may belong
to a generation that packets no longer reach. An `Access` may be kept; `Handles` are short-lived.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wirepath.datapath.generation.pinned import pinned
from wirepath.datapath.handles import Handles, damage
from wirepath.errors import AttachError, DamageError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.kernel.bpffs import Pins
    from wirepath.prefixes import Members


@dataclass(frozen=True, slots=True)
class Access:
    """Access to the serving generation of an interface; it may be kept and used from any thread.

    Attributes:
        iface: the name of the interface when it was put up.
        pins: the pins of its network namespace.
    """

    iface: str
    pins: Pins

    @contextmanager
    def reading(self) -> Iterator[Handles]:
        """Open handles of the serving generation; the lock is held only while they are opened.

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
        """Open handles as `changing` does, to write live state that has to affect packets.

        Raises:
            AttachError: no packet reaches the program; what the context wrote stays, and takes
                effect once the program is attached again.
        """
        with self.changing() as handles:
            yield handles
            if loss := handles.loss:
                raise AttachError(self.iface, what=f"stored, but {_unfiltered(self.iface, loss)}")

    @contextmanager
    def changing(self) -> Iterator[Handles]:
        """Open handles of the serving generation, under an exclusive lock for the whole context.

        Raises:
            RequestError: wirepath is not up there.
            PinError: pins are damaged, or a newer wirepath made them.
            KernelError: EAGAIN, another process held the lock for too long.
        """
        with self.pins.locked():
            recover(self.pins)
            with self.serving() as handles:
                yield handles

    def rebuild(self, handles: Handles, members: Members, *, bans: int = 0) -> None:
        """Replace the generation of *handles* by one with the same policy and new set *members*.

        It has room for *bans* bans, at least. The caller holds the lock.

        Raises:
            AttachError: no packet reaches the program; nothing has changed.
            KernelError: the kernel refuses it; the old generation continues to serve.
        """
        if loss := handles.loss:
            raise AttachError(self.iface, what=f"nothing changed: {_unfiltered(self.iface, loss)}")
        from wirepath.datapath import change

        change.rebuild(self.pins, handles, members, bans=bans)

    def serving(self) -> Handles:
        """Open handles of the serving generation; the caller holds the lock.

        Raises:
            RequestError: wirepath is not up there.
            DamageError: pins are missing or damaged.
            PinError: a newer wirepath made them.
        """
        if damaged := damage(self.pins, self.iface):
            raise damaged
        number = self.pins.serving(self.iface)
        if number is None:
            if self.iface in orphans(self.pins):
                raise DamageError(self.iface, f"{self.pins.directory(self.iface)} is missing")
            raise not_up(self.iface, self.pins.names())
        return Handles.open(self.iface, self.pins.generation(self.iface, number))


def _unfiltered(iface: str, loss: str) -> str:
    return f"nothing is filtered: {loss} (attach it again: `wirepath apply {iface} POLICY`)"


def settle(pins: Pins) -> None:
    """Finish or undo changes that were cut short when a process died."""
    if pins.unsettled():
        with pins.locked():
            recover(pins)


def recover(pins: Pins) -> None:
    """Finish or undo changes that were cut short; the caller holds the lock."""
    if pins.unsettled():
        from wirepath.datapath import change

        change.recover(pins)


def take_down(pins: Pins, handles: Handles) -> None:
    """Take the generation of *handles* off its interface; the caller holds the lock."""
    from wirepath.datapath import change

    change.take_down(pins, handles.pinned)


def homes(pins: Pins) -> dict[str, str]:
    """Map the current name of each interface that is up to its name when it was put up.

    Interfaces whose pins are damaged are included. The caller holds the lock, or has settled them.
    """
    found: dict[str, str] = {}
    for name in pins.names():
        serving = pinned(pins, name, pins.serving(name))
        attached = serving.interface if serving else None
        found[attached.name if attached else name] = name
    for name in pins.unsettled():
        if name not in found.values() and pins.directory(name).exists():
            found[name] = name
    return found


def orphans(pins: Pins) -> list[str]:
    """Name the interfaces where programs of ours are attached and nothing is pinned."""
    from wirepath.datapath import salvage

    return salvage.orphans(pins)


def everywhere(pins: Pins) -> list[str]:
    """List the interfaces that are up, by current name, damaged ones and `orphans` included."""
    settle(pins)
    if not pins.unsettled():
        return sorted({*homes(pins), *orphans(pins)})
    with pins.locked(shared=True):  # damaged, or another process is changing it
        return sorted({*homes(pins), *orphans(pins)})


def choose(pins: Pins, name: str | None) -> tuple[str, str]:
    """Choose interface *name*, or the only one that is up; the caller holds the lock.

    Returns:
        Its current name, and its name when it was put up.

    Raises:
        RequestError: wirepath is not up there, or a name is needed.
    """
    up = homes(pins)
    if not up or (name and name not in up):
        up |= {each: each for each in orphans(pins)}
    if name is None and len(up) == 1:
        return next(iter(up.items()))
    names = sorted(up)
    if name is None and up:
        raise RequestError(f"which one: {', '.join(names)} are up (name it: --iface {names[0]})")
    if name is None or name not in up:
        raise not_up(name, names)
    return name, up[name]


def not_up(name: str | None, up: list[str]) -> RequestError:
    """Make the error that says that wirepath is not up on *name*, and where it is up."""
    what = f"{name}: wirepath is not up there" if name else "wirepath is not up anywhere"
    cure = f"up on {', '.join(up)}" if up else "bring it up: `wirepath up IFACE POLICY`"
    return RequestError(f"{what} ({cure})")


@contextmanager
def left_over(pins: Pins, name: str) -> Iterator[Handles | None]:
    """Open handles of an interface whose program was lost, for `up` to carry its state over.

    Yields None if wirepath is not up there. The caller holds the lock.

    Raises:
        AttachError: wirepath is up there, or what was pinned under that name is elsewhere.
        DamageError: pins are missing or damaged.
    """
    if homes(pins).get(name, name) != name:
        raise _is_up(name)
    try:
        left = Access(name, pins).serving()
    except RequestError:
        yield None
        return
    with left:
        if attached := left.link.interface:
            if attached.name == name:
                raise _is_up(name)
            what = f"what is pinned under that name is on {attached.name}, which was renamed"
            raise AttachError(f"attach {name}", what=what, cure=f"`wirepath down {attached.name}`")
        yield left


def _is_up(name: str) -> AttachError:
    cure = f"`wirepath apply {name} POLICY` swaps policies, `wirepath down {name}` ends it"
    return AttachError(f"attach {name}", what="wirepath is up there", cure=cure)
