"""Programs as filters of the clsact qdisc: what there is below Linux 6.6, which has no tcx.

A filter belongs to the interface and to nobody else: it outlives its maker without a pin, and is
found again by interface, direction, priority and handle. It costs a packet twice what tcx does.
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
"""Of our filters. People and other programs take 1, 2, 10 or 100, the kernel 49152 and below.
Filters of lower numbers run first, and hide a packet from us unless they leave it with
TC_ACT_UNSPEC."""

HANDLE: Final = 0x77697265
"""Of our filters: ``wire`` in ASCII, so that ``tc filter show`` tells whose they are."""

# TC_H_CLSACT of linux/pkt_sched.h; its two sides, where filters hang; the handle of the qdisc.
_CLSACT: Final = 0xFFFFFFF1
_SIDES: Final[dict[Direction, int]] = {"tc_ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
_HANDLE_OF_QDISC: Final = 0xFFFF0000

_EVERY_PROTOCOL: Final = struct.unpack("=H", struct.pack("!H", 3))[0]  # ETH_P_ALL
# TCA_BPF_* of linux/pkt_cls.h, and TCA_BPF_FLAG_ACT_DIRECT: the program's result is the verdict.
_FD, _NAME, _FLAGS, _ID = 6, 7, 8, 11
_DIRECT_ACTION: Final = 1


class Filter:
    """Our place on one direction of an interface; the object itself holds nothing.

    Args:
        ifindex: of an interface of the network namespace that the thread is in, at every call.
        direction: which packets a program there sees.
        priority, handle: where among the filters there; one that says so stands for itself.

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
        """Put *program* on an interface, and the clsact qdisc under it if there is none.

        It runs among the filters there in the order of their priorities, then of their making;
        those behind it see what it leaves with TC_ACT_UNSPEC.

        Args:
            program: of type sched_cls.
            ifindex: of the interface.
            direction: which packets it sees.
            priority: our place.
            handle: likewise.

        Raises:
            AttachError: our place is taken, or the interface is gone or unfit.
            NotSupported: this kernel was built without clsact, or filters that are programs.
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
        """Which program runs now; 0 if none does, or the interface is gone."""
        for each in _filters(self._ifindex, self.direction):
            if (each.info >> 16, each.handle, each.kind) == (self._priority, self._handle, "bpf"):
                return int.from_bytes(rtnetlink.attributes(each.options)[_ID], "little")
        return 0

    @property
    def ifindex(self) -> int:
        """Of the interface; 0 once that is gone, or after ``detach``."""
        return self._ifindex if self.program_id else 0

    def update(self, new: Program, *, old: Program) -> None:
        """Replace *old* by *new* in one step: every packet meets exactly one of them.

        Looking for *old* and replacing it are two steps, unlike with links: who may have rivals
        holds a lock.

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
        """Take the program off, and the clsact qdisc if no filter of anybody is left on it.

        Raises:
            KernelError: the kernel refuses; an interface that is gone is no error, nor is a
                program that is.
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


# Whether there was none before.
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


# What sits where clsact would: that, its older brother ingress, or nothing.
def _qdisc(ifindex: int) -> str:
    found = rtnetlink.traffic(rtnetlink.GETQDISC, Traffic(ifindex))
    return next((each.kind for each in found if each.parent == _CLSACT), "")


def _filters(ifindex: int, direction: Direction) -> list[Traffic]:
    with telling(f"look for filters of interface {ifindex}"):
        asked = Traffic(ifindex, parent=_SIDES[direction])
        return rtnetlink.traffic(rtnetlink.GETTFILTER, asked)
