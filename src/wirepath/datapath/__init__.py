"""The joint: a policy on an interface, its generations, its live state.

Everything lives in the kernel, pinned under the bpffs; a `Datapath` is one process's way to it.
Nothing heavy is imported before it is needed: ``status`` and ``ban`` start fast.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from wirepath.datapath import change
from wirepath.datapath.access import Access, choose_name, homes, settle
from wirepath.datapath.attach import choose
from wirepath.datapath.device import link_of
from wirepath.datapath.generation.pinned import INGRESS
from wirepath.datapath.handles import Handles
from wirepath.datapath.host.place import Place
from wirepath.datapath.live.bans import Bans
from wirepath.datapath.live.sets import Sets
from wirepath.datapath.order import Order
from wirepath.errors import AttachError, PolicyError
from wirepath.kernel.bpffs import Pins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from wirepath.datapath.attach import Attachment
    from wirepath.datapath.diff import Difference
    from wirepath.datapath.generation.manifest import Manifest, Tc
    from wirepath.datapath.live.counters import Stats
    from wirepath.datapath.live.rules import LiveRule
    from wirepath.datapath.status import Status
    from wirepath.explanation import AnyAddress, Explanation
    from wirepath.kernel.links import Mode
    from wirepath.model import Model
    from wirepath.net import Hook
    from wirepath.policy import Policy

__all__ = ["Datapath"]

log = logging.getLogger(__name__)


class Datapath:
    """The datapath on one interface, whatever generation serves there.

    `up` puts a policy on an interface, `open` finds what serves there; no object is made otherwise.

    It keeps nothing open: every call looks at what serves at that moment, so that an object may
    live for months, in any thread, next to other processes that change the same datapath. Each
    call raises RequestError once wirepath is not up there any more.

    Programs, tables and bans are in the kernel and need no process. So leaving a ``with`` block
    changes nothing; `temporarily` is for those that should end with it.

    An object belongs to the network namespace of the thread that made it.

    Attributes:
        name: of the interface.
        bans: of sources.
        sets: of prefixes.
    """

    def __init__(self, name: str, pins: Pins, *, home: str | None = None) -> None:
        self.name = name
        self._access = Access(home or name, pins)
        self.bans = Bans(self._access)
        self.sets = Sets(self._access)

    def __repr__(self) -> str:
        return f"<datapath on {self.name}>"

    # Finding

    @classmethod
    def names(cls) -> list[str]:
        """Name the interfaces of this network namespace that are up."""
        pins = Pins.find()
        settle(pins)
        return sorted(homes(pins))

    @classmethod
    def open(cls, name: str | None = None) -> Self:
        """Find what serves on interface *name*; the only one up if None.

        Raises:
            RequestError: wirepath is not up there, or *name* is needed.
            PinError: the pins are damaged, or a newer wirepath made them.
        """
        pins = Pins.find()
        settle(pins)
        with pins.locked(shared=True):
            up = homes(pins)
            chosen = choose_name(name, sorted(up))
            found = cls(chosen, pins, home=up[chosen])
            found._access.serving().close()
        return found

    def reading(self) -> AbstractContextManager[Handles]:
        """Open what serves now, to read it; for wirepath itself, which knows what is inside."""
        return self._access.reading()

    def changing(self) -> AbstractContextManager[Handles]:
        """Keep other threads and processes from using it until the block ends.

        Calls of this thread, to any `Datapath`, go on as ever, and find nothing changed by others
        in between. Calls of others wait, and raise KernelError with EAGAIN after 10 s. What the
        context yields is open maps, for wirepath itself.

        Raises:
            RequestError: wirepath is not up there.
            KernelError: EAGAIN, another one held the lock for 10 s.
        """
        return self._access.changing()

    @contextmanager
    def temporarily(self) -> Iterator[Self]:
        """Take it down when the block ends, by an error too: for tests and notebooks.

        Only what served at the beginning, or came of it by `apply`, is taken down: not what another
        process has put up there after a `down`.
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
        """Do nothing: the datapath serves on."""

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
        link = link_of(interface, policy)
        pins = Pins.find()  # before anything starts a thread: it may have to change namespaces
        from wirepath.plan.requirements import requirements
        from wirepath.plan.set_files import read_contents

        order = Order(
            policy=policy,
            members=read_contents(policy, skip_bad=skip_bad).members,
            needs=requirements(policy),
            place=Place(iface=name, device=name, sysctl=sysctl, qdisc=qdisc),
            mode=mode,
            link=link,
            tc=choose(tc),
        )
        with pins.locked():
            change.recover(pins)
            with _left(pins, name) as left:
                change.put_up(pins, order, left)
        return cls(name, pins)

    def difference(self, policy: Policy, *, skip_bad: bool = False) -> Difference:
        """Say what `apply` would change.

        Raises:
            PolicyError: a list has bad lines.
        """
        from wirepath.datapath.diff import difference
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad)
        with self._access.reading() as handles:
            return difference(handles, policy, contents)

    def apply(
        self,
        policy: Policy,
        *,
        skip_bad: bool = False,
        allow_empty: bool = False,
        sysctl: bool = False,
        qdisc: bool = False,
    ) -> Difference:
        """Let *policy* serve from one packet to the next; state and counters go with it.

        Arguments are those of `up`.

        Args:
            policy: a valid one.
            skip_bad: as in `up`.
            allow_empty: whether files may leave a set without any prefix that has some now.
            sysctl: as in `up`.
            qdisc: as in `up`.

        Raises:
            PolicyError: a list has bad lines, or the files of a set have become empty.
            KernelError: the kernel does not take it; the old generation serves on.
        """
        from wirepath.datapath.diff import difference
        from wirepath.kernel.interface import Interface
        from wirepath.plan.requirements import requirements
        from wirepath.plan.set_files import read_contents

        contents = read_contents(policy, skip_bad=skip_bad)
        needs = requirements(policy)
        with self._access.changing() as handles:
            changes = difference(handles, policy, contents)
            if not allow_empty:
                _check_feeds(policy, changes)
            order = Order(
                policy=policy,
                members=contents.members,
                needs=needs,
                place=Place(iface=handles.iface, device=handles.device, sysctl=sysctl, qdisc=qdisc),
                mode=handles.manifest.mode,
                link=link_of(Interface.of(handles.device), policy),
                tc=handles.manifest.tc,
            )
            change.swap(self._access.pins, handles, order)
        return changes

    def down(self) -> None:
        """Take it off the interface; nothing of it is left in the kernel."""
        with self._access.changing() as handles:
            change.take_down(self._access.pins, handles.pinned)

    # Takes it down if the XDP link *link*, which lasts from `up` to `down`, is there still.
    def _end(self, link: int) -> None:
        pins = self._access.pins
        with pins.locked():
            change.recover(pins)
            if pins.serving(self._access.iface) is None:
                return
            with self._access.serving() as handles:
                if handles.link.id == link:
                    change.take_down(pins, handles.pinned)

    # Asking

    @property
    def manifest(self) -> Manifest:
        """What the generation is that serves now, as plain values."""
        with self._access.reading() as handles:
            return handles.manifest

    @property
    def policy(self) -> Policy:
        """The policy that serves now, without the contents of its set files."""
        with self._access.reading() as handles:
            return handles.policy

    def status(self) -> Status:
        """Say what is attached and how full it is."""
        from wirepath.datapath.status import status

        with self._access.reading() as handles:
            return status(handles)

    def rules(self) -> list[LiveRule]:
        """List the rules in the order they are walked, each with what it has counted."""
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
    ) -> Explanation:
        """Say what packets from *address* would get now, by the policy, its sets and the bans.

        Args:
            address: the source.
            hook: where the packets are.
            proto: their protocol, by name or number; any if None.
            dport: their destination port; any if None, and then they may have none.

        Raises:
            RequestError: there is no such address, protocol or port.
        """
        from wirepath.explanation import explain_by

        now_ns = time.monotonic_ns()
        return explain_by(self.model(hook), address, now_ns=now_ns, proto=proto, dport=dport)

    def counters(self) -> Stats:
        """Read all counters: of packets by verdict and reason at each hook, and of rules."""
        from wirepath.datapath.live import counters

        with self._access.reading() as handles:
            return counters.read(handles)

    def attachments(self) -> dict[Hook, Attachment]:
        """Look how each hook is attached."""
        with self._access.reading() as handles:
            return handles.attachments()

    def model(self, hook: Hook = INGRESS) -> Model:
        """Make the model of what serves at *hook*, with the sets and bans of this moment."""
        from wirepath.datapath.live.model import model

        with self._access.reading() as handles:
            return model(handles, hook)


# A feed that comes empty is broken more often than the world has become good.
def _check_feeds(policy: Policy, changes: Difference) -> None:
    emptied = [
        policy.problem(
            f"its files have become empty, and the set has {change.before:,} prefixes"
            " (--allow-empty empties it)",
            "set",
            change.name,
        )
        for change in changes.sets
        if change.before and change.after == 0 and policy.sets[change.name].files
    ]
    if emptied:
        raise PolicyError(emptied)


# What is left of an interface of that name whose program was lost: its state goes on.
@contextmanager
def _left(pins: Pins, name: str) -> Iterator[Handles | None]:
    if homes(pins).get(name, name) != name:
        raise _is_up(name)
    left = change.pinned(pins, name, pins.serving(name))
    if left is None:
        yield None
        return
    if attached := left.interface:
        if attached.name == name:
            raise _is_up(name)
        what = f"what is pinned under that name is on {attached.name}, which was renamed"
        raise AttachError(f"attach {name}", what=what, cure=f"`wirepath down {attached.name}`")
    with Handles.open(name, left.directory) as handles:
        yield handles


def _is_up(name: str) -> AttachError:
    cure = f"`wirepath apply {name} POLICY` swaps policies, `wirepath down {name}` ends it"
    return AttachError(f"attach {name}", what="wirepath is up there", cure=cure)
