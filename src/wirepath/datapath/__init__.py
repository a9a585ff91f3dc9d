"""Datapaths: a policy on an interface, its generations and its live state.

All state is in the kernel, pinned under the bpffs; a `Datapath` gives one process access to it.
Heavy modules are imported where they are needed, so that ``status`` and ``ban`` start fast.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from wirepath.datapath import access
from wirepath.datapath.generation.pinned import INGRESS
from wirepath.datapath.host.place import Place
from wirepath.datapath.live.bans import Bans
from wirepath.datapath.live.sets import Sets
from wirepath.datapath.order import Order
from wirepath.errors import DamageError
from wirepath.kernel.bpffs import Pins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from wirepath.datapath.attach import Attachment
    from wirepath.datapath.damaged import Damaged
    from wirepath.datapath.diff import Difference
    from wirepath.datapath.generation.manifest import Manifest, Tc
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.counters import Stats
    from wirepath.datapath.live.rules import LiveRule
    from wirepath.datapath.salvage import Removal
    from wirepath.datapath.status import Status
    from wirepath.explanation import AnyAddress, Explanation
    from wirepath.kernel.links import Mode
    from wirepath.model import Model
    from wirepath.net import Ct, Hook
    from wirepath.plan.set_files import Contents
    from wirepath.policy import Policy

__all__ = ["Datapath"]

log = logging.getLogger(__name__)


class Datapath:
    """The datapath on one interface, independent of the generation that serves there.

    `up` puts a policy on an interface and `open` finds a running datapath; use these to make an
    object.

    An object keeps nothing open: every call opens the serving generation anew. It may live for
    months and be used from any thread, next to other processes that change the same datapath. Each
    call raises RequestError once wirepath is no longer up on the interface.

    Programs, tables and bans are in the kernel and need no process, so leaving a ``with`` block
    changes nothing; `temporarily` takes the datapath down at the end of the block.

    An object belongs to the network namespace of the thread that made it.

    Attributes:
        name: the name of the interface.
        bans: the bans of this datapath.
        sets: the sets of this datapath.
    """

    def __init__(self, name: str, pins: Pins, *, home: str | None = None) -> None:
        self.name = name
        self._access = access.Access(home or name, pins)
        self.bans = Bans(self._access)
        self.sets = Sets(self._access)

    def __repr__(self) -> str:
        return f"<datapath on {self.name}>"

    # Finding

    @classmethod
    def names(cls) -> list[str]:
        """List the interfaces of this network namespace on which wirepath is up.

        Those with damaged pins are included, and those where programs of ours have lost all pins.
        """
        return access.everywhere(Pins.find())

    @classmethod
    def open(cls, name: str | None = None, *, damaged: bool = False) -> Self:
        """Open the datapath on interface *name*; if None, the only one that is up.

        Args:
            name: an interface of this network namespace.
            damaged: whether to open it also if its pins are damaged; then only `down` works.

        Raises:
            RequestError: wirepath is not up there, or *name* is needed.
            PinError: the pins are damaged, or a newer wirepath made them.
        """
        pins = Pins.find()
        access.settle(pins)
        with pins.locked(shared=True):
            chosen, home = access.choose(pins, name)
            found = cls(chosen, pins, home=home)
            with suppress(*((DamageError,) if damaged else ())):
                found._access.serving().close()
        return found

    def reading(self) -> AbstractContextManager[Handles]:
        """Open the serving generation for reading; internal to wirepath."""
        return self._access.reading()

    def changing(self) -> AbstractContextManager[Handles]:
        """Lock the datapath against other threads and processes until the block ends.

        Calls from this thread, to any `Datapath`, work as usual, and nothing changes between them.
        Calls from other threads and processes wait, and raise KernelError with EAGAIN after 10 s.
        The context yields open maps, which are internal to wirepath.

        Raises:
            RequestError: wirepath is not up there.
            KernelError: EAGAIN, another thread or process held the lock for 10 s.
        """
        return self._access.changing()

    @contextmanager
    def temporarily(self) -> Iterator[Self]:
        """Take the datapath down when the block ends, also by an error: for tests and notebooks.

        Only the datapath that served when the block began is taken down, after any number of
        `apply`: not one that another process has put up there after a `down`.
        """
        with self._access.reading() as handles:
            link = handles.link.id
        try:
            yield self
        finally:
            self._end(link)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the datapath continues to serve."""

    # Up, apply, down

    @classmethod
    def up(
        cls,
        name: str,
        policy: Policy,
        *,
        mode: Mode = "native",
        skip_bad: bool = False,
        yes: bool = False,
        sysctl: bool = False,
        qdisc: bool = False,
        tc: Tc | None = None,
    ) -> Self:
        """Put *policy* on interface *name*.

        Args:
            name: an interface of this network namespace.
            policy: the policy.
            mode: how the XDP program is attached; `up` fails rather than use another mode.
            skip_bad: whether to skip bad lines of set files.
            yes: whether lists may have prefixes of all addresses, such as 0.0.0.0/0.
            sysctl: whether kernel settings that *policy* needs may be changed until `down`.
            qdisc: whether fq may replace the root qdisc until `down`.
            tc: how programs are attached at the hooks of TC; if None, the best way this kernel has.

        Raises:
            PolicyError: a set file has bad lines.
            RequestError: there is no such interface, or a setting would have to be changed.
            AttachError: the interface is taken, possibly by wirepath, or unfit.
            KernelError: the kernel refuses the program; nothing has changed.
        """
        from wirepath.datapath import attach, change, device
        from wirepath.kernel.interface import Interface

        interface = Interface.of(name)
        link = device.link_of(interface, policy)
        if mode == "native":
            device.check_native(interface)
        pins = Pins.find()  # may change namespaces, so before anything starts a thread
        from wirepath.plan.requirements import requirements
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad, yes=yes)
        order = Order(
            policy=policy,
            members=contents.members,
            needs=requirements(policy),
            place=Place(iface=name, device=name, sysctl=sysctl, qdisc=qdisc),
            mode=mode,
            link=link,
            tc=attach.choose(tc),
        )
        with pins.locked():
            access.recover(pins)
            with access.left_over(pins, name) as left:
                change.put_up(pins, order, left)
        _tell(contents)
        return cls(name, pins)

    def difference(
        self, policy: Policy, *, skip_bad: bool = False, yes: bool = False
    ) -> Difference:
        """Compare *policy* with the serving one: what `apply` would change.

        Raises:
            PolicyError: a set file has bad lines.
        """
        from wirepath.datapath.diff import difference
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad, yes=yes)
        with self._access.reading() as handles:
            return difference(handles, policy, contents)

    def apply(
        self,
        policy: Policy,
        *,
        skip_bad: bool = False,
        yes: bool = False,
        allow_empty: bool = False,
        sysctl: bool = False,
        qdisc: bool = False,
    ) -> Difference:
        """Replace the policy between two packets; state and counters carry over.

        The arguments are those of `up`.

        Args:
            policy: a valid one.
            skip_bad: as in `up`.
            yes: as in `up`.
            allow_empty: whether files may leave a set without any prefix that has some now.
            sysctl: as in `up`.
            qdisc: as in `up`.

        Raises:
            PolicyError: a set file has bad lines, or the files of a set have become empty.
            KernelError: the kernel refuses it; the old generation continues to serve.
        """
        from wirepath.datapath import change, device
        from wirepath.datapath.diff import check_feeds, difference
        from wirepath.kernel.interface import Interface
        from wirepath.plan.requirements import requirements
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad, yes=yes)
        needs = requirements(policy)
        with self._access.changing() as handles:
            changes = difference(handles, policy, contents)
            if not allow_empty:
                check_feeds(policy, changes)
            order = Order(
                policy=policy,
                members=contents.members,
                needs=needs,
                place=Place(iface=handles.iface, device=handles.device, sysctl=sysctl, qdisc=qdisc),
                mode=handles.manifest.mode,
                link=device.link_of(Interface.of(handles.device), policy),
                tc=handles.manifest.tc,
            )
            change.swap(self._access.pins, handles, order)
        _tell(contents)
        return changes

    def down(self) -> Removal | None:
        """Take the datapath off the interface; nothing of it is left in the kernel.

        Returns:
            What was taken off, if pins were damaged; otherwise None.

        Raises:
            RequestError: wirepath is not up there.
            KernelError: something could not be taken off or restored; the rest was.
        """
        pins = self._access.pins
        with pins.locked():
            access.recover(pins)
            try:
                handles = self._access.serving()
            except DamageError as error:
                from wirepath.datapath import salvage

                return salvage.take_off(pins, self._access.iface, error.damage)
            with handles:
                access.take_down(pins, handles)
        return None

    # Takes the datapath down if it still has the XDP link *link*, which lasts from `up` to `down`.
    def _end(self, link: int) -> None:
        pins = self._access.pins
        with pins.locked():
            access.recover(pins)
            if pins.serving(self._access.iface) is None:
                return
            with self._access.serving() as handles:
                if handles.link.id == link:
                    access.take_down(pins, handles)

    # Asking

    @property
    def manifest(self) -> Manifest:
        """The manifest of the serving generation: plain values."""
        with self._access.reading() as handles:
            return handles.manifest

    @property
    def policy(self) -> Policy:
        """The serving policy, without the contents of its set files."""
        with self._access.reading() as handles:
            return handles.policy

    def status(self) -> Status:
        """Describe what is attached and how full its tables are."""
        from wirepath.datapath.status import status

        with self._access.reading() as handles:
            return status(handles)

    def damage(self) -> Damaged | None:
        """Describe the damage to its pins, and what still runs; None if they are whole.

        Raises:
            RequestError: wirepath is not up there.
        """
        from wirepath.datapath.damaged import damaged

        with self._access.pins.locked(shared=True):
            try:
                self._access.serving().close()
            except DamageError as error:
                return damaged(self._access.pins, self._access.iface, error)
        return None

    def rules(self) -> list[LiveRule]:
        """List the rules in the order they are walked, each with its counters."""
        from wirepath.datapath.live.rules import rules

        with self._access.reading() as handles:
            return rules(handles)

    def explain(
        self,
        address: AnyAddress,
        *,
        hook: Hook = INGRESS,
        proto: int | str | None = None,
        dport: int | None = None,
        state: Ct | None = None,
    ) -> Explanation:
        """Explain what happens now to packets from *address*, by the policy, its sets and bans.

        Args:
            address: the source.
            hook: the hook at which packets are judged.
            proto: protocol of the packets, by name or number; any if None.
            dport: their destination port; if None, any port or none.
            state: the state of their connection; any if None.

        Raises:
            RequestError: the address, protocol or port is not valid.
        """
        from wirepath.explanation import explain_by
        from wirepath.kernel.clock import boot_ns

        return explain_by(
            self.model(hook), address, now_ns=boot_ns(), proto=proto, dport=dport, state=state
        )

    def counters(self) -> Stats:
        """Read all counters: packets by verdict and reason at each hook, and those of rules."""
        from wirepath.datapath.live import counters

        with self._access.reading() as handles:
            return counters.read(handles)

    def attachments(self) -> dict[Hook, Attachment]:
        """Find out how each hook is attached."""
        with self._access.reading() as handles:
            return handles.attachments()

    def model(self, hook: Hook = INGRESS) -> Model:
        """Make a model of the serving policy at *hook*, with the current sets and bans."""
        from wirepath.datapath.live.model import model

        with self._access.reading() as handles:
            return model(handles, hook)


def _tell(contents: Contents) -> None:
    for note in contents.notes:
        log.warning("%s", note)
