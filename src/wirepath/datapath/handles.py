"""Handles: what serves on an interface at one moment, opened under the lock and closed soon after.

Every process shares a datapath with every other one, so none may rely on what it opened earlier: a
map may belong to a generation that no packet meets any more. An `Access` lasts, `Handles` do not.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from wirepath.datapath.attach import TC_HOOKS, Attachment, attachment
from wirepath.datapath.change import rebuild, recover
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.pinned import INGRESS, LINK, NO_MAPS, Pinned, read_host
from wirepath.errors import PinError, RequestError
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wirepath.kernel.bpffs import Pins
    from wirepath.net import Hook
    from wirepath.policy import Policy
    from wirepath.prefixes import Members


@dataclass(frozen=True)
class Handles:
    """Everything open of one generation. Leaving the context closes it and changes nothing.

    Attributes:
        iface: the interface.
        directory: where the generation is pinned.
        manifest: what it is.
        host: what was changed on the host for it.
        tables: by hook, its maps by C name; maps that hooks share are among those of ingress.
        program: that judges packets at ingress.
        link: that holds it on the interface.
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
            PinError: pins are missing or damaged, or a newer wirepath made them.
        """
        with ExitStack() as undo:
            tables: dict[str, Mapping[str, Map]] = {INGRESS: _open_maps(directory, undo)}
            program = undo.enter_context(Program.open(directory / INGRESS))
            link = undo.enter_context(XdpLink.open(directory / LINK))
            if "manifest" not in tables[INGRESS]:
                cure = f"remove it and `wirepath up {iface}` again"
                raise PinError(f"open {directory}", what="it has no manifest", cure=cure)
            manifest = Manifest.read(tables[INGRESS]["manifest"], iface)
            for hook in TC_HOOKS:
                if hook in manifest.rows:
                    tables[hook] = _open_maps(directory / hook, undo)
            host = read_host(directory)
            undo.pop_all()
        return cls(iface, directory, manifest, host, tables, program, link)

    @property
    def maps(self) -> Mapping[str, Map]:
        """The maps of ingress, and those that all hooks share."""
        return self.tables[INGRESS]

    @property
    def pinned(self) -> Pinned:
        """The generation, for a `Change` that begins with it."""
        return Pinned(self.iface, self.manifest.generation, self.directory)

    @property
    def policy(self) -> Policy:
        """The policy, without the contents of its set files."""
        from wirepath.policy import Policy

        return Policy.from_document(self.manifest.policy, file=self.manifest.file)

    def attachments(self) -> dict[Hook, Attachment]:
        """Look how each hook is attached."""
        manifest, ifindex = self.manifest, self.link.ifindex
        running = self.link.program_id if ifindex else 0
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


@dataclass(frozen=True, slots=True)
class Access:
    """The way to what serves on an interface: for as long as anybody likes, from any thread.

    Attributes:
        iface: the interface.
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
            KernelError: the kernel does not take it; the old generation serves on.
        """
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


def settle(pins: Pins) -> None:
    """Finish or undo what processes that died have left half done."""
    if pins.unsettled():
        with pins.locked():
            recover(pins)


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


# The maps that are pinned in a directory: what else is there has no map's name.
def _open_maps(directory: Path, undo: ExitStack) -> dict[str, Map]:
    names = [pin.name for pin in directory.iterdir() if not pin.is_dir()]
    maps = (name for name in names if name not in NO_MAPS)
    return {name: undo.enter_context(Map.open(directory / name)) for name in maps}
