"""Programs on the tcx hooks of an interface (Linux 6.6 and newer; before that, see ``clsact``)."""

from __future__ import annotations

import logging
from errno import EEXIST, EINVAL, EPERM, ERANGE
from typing import TYPE_CHECKING, Final, Literal, Self

from wirepath.errors import AttachError
from wirepath.kernel.handle import checked
from wirepath.kernel.interface import name_of
from wirepath.kernel.links import ROOT, Link, no_interface
from wirepath.native import lib

if TYPE_CHECKING:
    from wirepath.kernel.program import Program

log = logging.getLogger(__name__)

Direction = Literal["tc_ingress", "egress"]
"""Which packets a program sees: those that passed XDP, or those on their way out."""

# BPF_TCX_{INGRESS,EGRESS} and BPF_F_BEFORE of linux/bpf.h, Linux 6.6.
_ATTACH: Final[dict[Direction, int]] = {"tc_ingress": 46, "egress": 47}
_BEFORE: Final = 1 << 3
_MOST: Final = 63  # programs per hook; bpf_mprog_max() of linux/bpf_mprog.h


def supported() -> bool:
    """Tell whether this kernel has tcx, by asking for the programs on loopback.

    Raises:
        KernelError: this process may not ask (EPERM).
    """
    return bool(checked(lib.wp_probe_tcx(), "ask for tcx", cure=ROOT))


class TcxLink(Link):
    """A program on one direction of an interface, where others may be too."""

    _type = 11
    _noun = "tcx link"

    @classmethod
    def attach(cls, program: Program, ifindex: int, direction: Direction) -> Self:
        """Attach *program* to an interface of this network namespace, before all others there.

        A program that is attached first later on runs before it. Programs after it see the packets
        for which it returns TC_ACT_UNSPEC; filters of clsact come after all tcx programs.

        Args:
            program: of type sched_cls, and not on this hook already.
            ifindex: index of the interface.
            direction: which packets it sees.

        Raises:
            AttachError: the hook is full, the interface is gone, or the program cannot run there;
                the message says what to do.
        """
        fd: int = lib.wp_link_create(program.fd, ifindex, _ATTACH[direction], _BEFORE)
        if fd < 0:
            raise _refused(-fd, ifindex, direction)
        link = cls(fd)
        log.debug("attached %r to interface %d, %s, link=%d", program, ifindex, direction, link.id)
        return link


def _refused(errno: int, ifindex: int, direction: Direction) -> AttachError:
    if not (name := name_of(ifindex)):
        return no_interface(ifindex)
    what, cure = "", ""
    if errno == EPERM:
        cure = ROOT
    elif errno == EEXIST:
        what, cure = f"this program is there already, on {direction}", "take it off first"
    elif errno == ERANGE:
        what = f"{_MOST} programs are there already, on {direction}"
        cure = f"take one off: `bpftool net show dev {name}` lists them"
    elif errno == EINVAL and not supported():
        what, cure = "this kernel has no tcx", "needs Linux 6.6; before it there is clsact"
    elif errno == EINVAL:
        what = "no program for tc"
    return AttachError(f"attach {name}", errno, what=what, cure=cure)
