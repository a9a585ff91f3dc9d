"""Programs as filters of the clsact qdisc, for kernels without tcx (before Linux 6.6).

The interface owns the filter: it outlives the process without a pin, and is found again by
interface, direction, priority and handle. A packet costs twice as much as with tcx.
"""

from __future__ import annotations

import logging
import struct
from errno import EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING, Final, Self

from wirepath.errors import AttachError, KernelError, NotSupported
from wirepath.kernel import rtnetlink
from wirepath.kernel.handle import telling
from wirepath.kernel.interface import name_of
from wirepath.kernel.links import ROOT, no_interface, not_in_place
from wirepath.kernel.rtnetlink import Traffic, attribute

if TYPE_CHECKING:
    from wirepath.kernel.program import Program
    from wirepath.kernel.tcx import Direction

log = logging.getLogger(__name__)

PRIORITY: Final = 87
"""The priority of our filters. Operators and other programs use 1, 2, 10 or 100; the kernel itself
assigns 49152 and downwards. Filters with lower numbers run first; we see only packets for which
they return TC_ACT_UNSPEC."""

HANDLE: Final = 0x77697265
"""The handle of our filters: ``wire`` in ASCII, to recognize them in ``tc filter show``."""

# Of linux/pkt_sched.h: TC_H_CLSACT, the parents of filters on its two sides, the qdisc's handle.
_CLSACT: Final = 0xFFFFFFF1
_SIDES: Final[dict[Direction, int]] = {"tc_ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
_HANDLE_OF_QDISC: Final = 0xFFFF0000

_EVERY_PROTOCOL: Final = struct.unpack("=H", struct.pack("!H", 3))[0]  # ETH_P_ALL
# Of linux/pkt_cls.h: TCA_BPF_*, and TCA_BPF_FLAG_ACT_DIRECT (the program returns the verdict).
_FD, _NAME, _FLAGS, _ID = 6, 7, 8, 11
_DIRECT_ACTION: Final = 1


class Filter:
    """The place of our filter on one direction of an interface; it holds no descriptor.

    Args:
        ifindex: index of the interface, in the network namespace of the calling thread.
        direction: which packets a program there sees.
        priority, handle: identify the filter among others on that direction.

    Attributes:
        direction: as given.
    """

    def __init__(
        self,
        ifindex: int,
        direction: Direction,
        *,
        priority: int = PRIORITY,
        handle: int = HANDLE,
    ) -> None:
        self.direction: Direction = direction
        self._ifindex = ifindex
        self._priority = priority
        self._handle = handle

    def __repr__(self) -> str:
        return f"<filter on {self.direction} of interface {self._ifindex}>"

    @classmethod
    def attach(
        cls,
        program: Program,
        ifindex: int,
        direction: Direction,
        *,
        priority: int = PRIORITY,
        handle: int = HANDLE,
    ) -> Self:
        """Attach *program* to an interface; add the clsact qdisc first if there is none.

        Filters run in order of priority, then of age. Filters after ours see the packets for which
        ours returns TC_ACT_UNSPEC.

        Args:
            program: of type sched_cls.
            ifindex: index of the interface.
            direction: which packets it sees.
            priority: of the new filter.
            handle: of the new filter.

        Raises:
            AttachError: another filter has that priority or handle, or the interface is gone or
                does not allow filters.
            NotSupported: this kernel was built without clsact, or without BPF filters.
        """
        place = cls(ifindex, direction, priority=priority, handle=handle)
        name = name_of(ifindex)
        if not name:
            raise no_interface(ifindex)
        made = _put_qdisc(ifindex, name, direction)
        try:
            place._put(program, rtnetlink.CREATE | rtnetlink.EXCL)
        except OSError as error:
            if made:
                _drop_idle_qdisc(ifindex)
            raise place._refused(error.errno or 0, name) from error
        log.debug("attached %r to interface %d, %s, as a filter", program, ifindex, direction)
        return place

    @property
    def program_id(self) -> int:
        """The ID of the program that runs now; 0 if none does or the interface is gone."""
        for each in _filters(self._ifindex, self.direction):
            if (each.info >> 16, each.handle, each.kind) == (self._priority, self._handle, "bpf"):
                return int.from_bytes(rtnetlink.attributes(each.options)[_ID], "little")
        return 0

    @property
    def ifindex(self) -> int:
        """The index of the interface; 0 after it is gone or after ``detach``."""
        return self._ifindex if self.program_id else 0

    def update(self, new: Program, *, old: Program) -> None:
        """Replace *old* by *new* atomically: every packet meets exactly one of them.

        Unlike with links, the check for *old* and the replacement are two steps. The caller must
        hold a lock if other processes may change the filter.

        Raises:
            AttachError: another program than *old* is in place, or the interface is gone.
        """
        doing = f"replace program {old.id}"
        if not name_of(self._ifindex):
            raise AttachError(doing, ENODEV, what="the interface is gone")
        if (there := self.program_id) != old.id:
            raise not_in_place(old, there)
        try:
            self._put(new, 0)
        except OSError as error:
            raise AttachError(doing, error.errno or 0) from error

    def detach(self) -> None:
        """Detach the program, and remove the clsact qdisc if no filter is left on it.

        Does nothing if the interface or the program is gone.

        Raises:
            KernelError: the kernel refuses.
        """
        if self.program_id:
            with telling(f"detach {self!r}"):
                rtnetlink.request(rtnetlink.DELTFILTER, self._message().packed())
        _drop_idle_qdisc(self._ifindex)

    def _message(self, options: bytes = b"") -> Traffic:
        info = self._priority << 16 | _EVERY_PROTOCOL
        return Traffic(self._ifindex, self._handle, _SIDES[self.direction], info, "bpf", options)

    def _put(self, program: Program, flags: int) -> None:
        options = (
            attribute(_FD, struct.pack("=I", program.fd))
            + attribute(_NAME, program.name.encode() + b"\0")
            + attribute(_FLAGS, struct.pack("=I", _DIRECT_ACTION))
        )
        rtnetlink.request(rtnetlink.NEWTFILTER, self._message(options).packed(), flags)

    def _refused(self, errno: int, name: str) -> KernelError:
        doing = f"attach {name}"
        side = self.direction.removeprefix("tc_")
        what, cure = "", ""
        if errno == ENOENT:
            return NotSupported(doing, errno, needs="CONFIG_NET_CLS_BPF")
        if errno == EPERM:
            cure = ROOT
        elif errno == EEXIST:
            what = f"program {self.program_id} is there already, on {self.direction}"
            cure = f"take it off first: `tc filter del dev {name} {side} prio {self._priority}`"
        elif errno == EOPNOTSUPP:
            what = "its filters are shared with other interfaces"
        elif errno == EINVAL and self._taken():
            what = f"another filter has priority {self._priority} on {self.direction}"
            cure = f"give it another; `tc filter show dev {name} {side}` shows it"
        elif errno == EINVAL:
            what = "no program for tc"
        return AttachError(doing, errno, what=what, cure=cure)

    def _taken(self) -> bool:
        found = _filters(self._ifindex, self.direction)
        return any(each.info >> 16 == self._priority for each in found)


# Returns whether the qdisc was added now: False if it was there before.
def _put_qdisc(ifindex: int, name: str, direction: Direction) -> bool:
    try:
        rtnetlink.request(
            rtnetlink.NEWQDISC,
            Traffic(ifindex, _HANDLE_OF_QDISC, _CLSACT, kind="clsact").packed(),
            rtnetlink.CREATE | rtnetlink.EXCL,
        )
    except OSError as error:
        if error.errno == ENOENT:
            raise NotSupported(f"attach {name}", ENOENT, needs="CONFIG_NET_SCH_INGRESS") from error
        there = _qdisc(ifindex)
        if there == "clsact" or (there == "ingress" and direction == "tc_ingress"):
            return False
        if there:
            raise AttachError(
                f"attach {name}",
                error.errno or 0,
                what=f"the qdisc {there} is there, which has no {direction}",
                cure=f"`tc qdisc del dev {name} ingress`",
            ) from error
        cure = ROOT if error.errno == EPERM else ""
        raise AttachError(f"attach {name}", error.errno or 0, cure=cure) from error
    return True


def _drop_idle_qdisc(ifindex: int) -> None:
    with telling(f"take the clsact qdisc off interface {ifindex}"):
        if _qdisc(ifindex) != "clsact" or any(_filters(ifindex, side) for side in _SIDES):
            return
        gone = Traffic(ifindex, _HANDLE_OF_QDISC, _CLSACT)
        rtnetlink.request(rtnetlink.DELQDISC, gone.packed())


# The qdisc in the place of clsact: "clsact", "ingress" (older, one side only), or "" if none.
def _qdisc(ifindex: int) -> str:
    found = rtnetlink.traffic(rtnetlink.GETQDISC, Traffic(ifindex))
    return next((each.kind for each in found if each.parent == _CLSACT), "")


def _filters(ifindex: int, direction: Direction) -> list[Traffic]:
    with telling(f"look for filters of interface {ifindex}"):
        asked = Traffic(ifindex, parent=_SIDES[direction])
        return rtnetlink.traffic(rtnetlink.GETTFILTER, asked)
