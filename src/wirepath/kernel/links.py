"""Links, which attach programs to interfaces. A pinned link outlives every process."""

from __future__ import annotations

import logging
from errno import ENODEV, ENOLINK, EPERM
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from wirepath.errors import AttachError, PinError
from wirepath.kernel.handle import Handle, checked, open_pin
from wirepath.kernel.interface import Interface, name_of
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from pathlib import Path

    from wirepath.kernel.program import Program

log = logging.getLogger(__name__)

Mode = Literal["native", "generic", "offload"]
"""Where a program runs: in the driver, in the stack after the skb is built, or on the card."""

ROOT: Final = "run it as root, or with CAP_NET_ADMIN and CAP_BPF"
"""The cure for an EPERM when attaching."""

_XDP: Final = 37  # BPF_XDP of linux/bpf.h
# XDP_FLAGS_{DRV,SKB,HW}_MODE of linux/if_link.h.
_FLAGS: Final[dict[Mode, int]] = {"native": 1 << 2, "generic": 1 << 1, "offload": 1 << 3}


class Link(Handle):
    """A program on an interface. Closing it detaches unless the link is pinned.

    Attributes:
        id: the kernel's number for it.
    """

    _type: ClassVar[int]  # enum bpf_link_type of linux/bpf.h
    _noun: ClassVar[str] = "link"

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.id: int = self._info().id

    def __repr__(self) -> str:
        return f"<{self._noun} id={self.id}>"

    @classmethod
    def open(cls, pin: Path) -> Self:
        """Open a pinned link.

        Raises:
            PinError: no link is pinned at *pin*, or it is on another kind of hook.
        """
        link = cls(open_pin(pin, "bpf-link"))
        if link._info().type != cls._type:
            link.close()
            raise PinError(f"open pin {pin}", what=f"is not an {cls._noun}")
        return link

    @classmethod
    def open_any(cls, pin: Path) -> Link:
        """Open a pinned link of any kind.

        Raises:
            PinError: no link is pinned at *pin*.
        """
        return Link(open_pin(pin, "bpf-link"))

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Open the link with this ID, of any kind, which may belong to any process.

        Raises:
            KernelError: there is no such link, or this process may not open it.
        """
        return cls(checked(lib.bpf_link_get_fd_by_id(number), f"open link {number}"))

    @property
    def program_id(self) -> int:
        """The ID of the program that runs now."""
        return int(self._info().prog_id)

    @property
    def ifindex(self) -> int:
        """The index of the interface; 0 after it is gone or after ``detach``."""
        return int(self._info().ifindex)

    def update(self, new: Program, *, old: Program) -> None:
        """Replace *old* by *new* atomically: every packet meets exactly one of them.

        Raises:
            AttachError: another program than *old* is in place, or the interface is gone.
        """
        result = lib.wp_link_update(self.fd, new.fd, old.fd)
        if result == -EPERM:
            raise not_in_place(old, self.program_id)
        if result == -ENOLINK:
            raise AttachError(f"replace program {old.id}", ENOLINK, what="the interface is gone")
        if result < 0:
            raise AttachError(f"replace program {old.id}", -result)

    def detach(self) -> None:
        """Detach the program, even if the link is pinned or open elsewhere.

        Does nothing if the interface is gone.

        Raises:
            KernelError: the kernel refuses.
        """
        result = lib.bpf_link_detach(self.fd)
        if result != -ENOLINK:
            checked(result, f"detach link {self.id}")

    def _info(self) -> Any:
        info = ffi.new("struct wp_link_info *")
        checked(lib.wp_link_info(self.fd, info), "read link")
        return info


class XdpLink(Link):
    """An XDP program on an interface."""

    _type = 6
    _noun = "xdp link"

    @property
    def interface(self) -> Interface | None:
        """The interface of this network namespace that it holds its program on.

        None if it was detached, if the interface is gone, or if that was moved to another
        namespace: numbers of interfaces repeat there, so the program is compared too.
        """
        if not (name := name_of(self.ifindex) if self.ifindex else ""):
            return None
        found = Interface.of(name)
        return found if found.xdp_id == self.program_id else None

    @classmethod
    def attach(cls, program: Program, ifindex: int, mode: Mode = "native") -> Self:
        """Attach *program* to an interface of this network namespace.

        Args:
            program: of type XDP; in section xdp.frags if the MTU exceeds about 3,400 bytes.
            ifindex: index of the interface.
            mode: there is no fallback to another mode.

        Raises:
            AttachError: the interface has a program, is gone, or cannot run this one; the message
                says what to do.
        """
        fd: int = lib.wp_link_create(program.fd, ifindex, _XDP, _FLAGS[mode])
        if fd < 0:
            raise _refused(-fd, ifindex, mode)
        link = cls(fd)
        log.debug("attached %r to interface %d, %s, link=%d", program, ifindex, mode, link.id)
        return link


def not_in_place(old: Program, there: int) -> AttachError:
    """Make the error for when program *there* (0: none) is in place instead of *old*."""
    return AttachError(
        f"replace program {old.id}",
        EPERM,
        what=f"program {there} is in place" if there else "no program is in place",
        cure="another wirepath was faster: look at `wirepath status` and try again",
    )


def no_interface(ifindex: int) -> AttachError:
    """Make the error for an interface that does not exist."""
    return AttachError(f"attach interface {ifindex}", ENODEV, cure="`ip link` lists them")


def _refused(errno: int, ifindex: int, mode: Mode) -> AttachError:
    from wirepath.kernel.refusal import Known, explain

    if not (name := name_of(ifindex)):
        return no_interface(ifindex)
    if errno == EPERM:
        return AttachError(f"attach {name}", errno, cure=ROOT)
    what, cure = explain(errno, mode, Known.about(Interface.of(name)))
    return AttachError(f"attach {name}", errno, what=what, cure=cure)
