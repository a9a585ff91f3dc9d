"""The kernel's own lists of programs and links, for objects that no pin leads to any more."""

from __future__ import annotations

from errno import EAGAIN, ENOENT
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.errors import KernelError
from wirepath.kernel.handle import checked
from wirepath.kernel.links import Link
from wirepath.kernel.program import Program
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MANY: Final = 1 << 10  # maps of one program; the verifier allows it 64

_ELUSIVE: Final = (ENOENT, EAGAIN)  # unloaded in the meantime; not ready yet


class Attached(NamedTuple):
    """A link that attaches a program to an interface of any network namespace.

    Attributes:
        link_id: its ID.
        program_id: the ID of its program.
        ifindex: the index of the interface, which other namespaces use too.
    """

    link_id: int
    program_id: int
    ifindex: int


def programs(names: frozenset[str]) -> Iterator[Program]:
    """Yield every loaded program with one of these names; each is closed before the next one.

    Raises:
        KernelError: this process may not list programs (EPERM).
    """
    for number in _ids(lib.bpf_prog_get_next_id, "list programs"):
        try:
            program = Program.by_id(number)
        except KernelError as error:
            if error.errno not in _ELUSIVE:
                raise
            continue
        with program:
            if program.name in names:
                yield program


def attached() -> list[Attached]:
    """List the links of XDP and tcx that attach a program to an interface.

    Raises:
        KernelError: this process may not list links (EPERM).
    """
    found = []
    for number in _ids(lib.bpf_link_get_next_id, "list links"):
        try:
            link = Link.by_id(number)
        except KernelError as error:
            if error.errno not in _ELUSIVE:
                raise
            continue
        with link:
            if ifindex := link.ifindex:
                found.append(Attached(number, link.program_id, ifindex))
    return found


def map_ids(program: Program) -> list[int]:
    """List the IDs of the maps that *program* holds.

    Raises:
        KernelError: this process may not ask.
    """
    ids = ffi.new("uint32_t[]", _MANY)
    count = checked(lib.wp_prog_maps(program.fd, ids, _MANY), f"list maps of {program.name}")
    return list(ids[0:count])


# All IDs in advance: the caller may unload objects, or load others, while it uses the list.
def _ids(following: Callable[[int, object], int], doing: str) -> list[int]:
    found, at = [], ffi.new("uint32_t *")
    while (result := following(at[0], at)) != -ENOENT:
        checked(result, doing, cure="run it as root")
        found.append(int(at[0]))
    return found
