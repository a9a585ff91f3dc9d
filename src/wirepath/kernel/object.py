"""Loading of compiled files: the programs and maps that come out of one."""

from __future__ import annotations

import fcntl
import logging
import os
from errno import ENOENT
from typing import TYPE_CHECKING, Any, Final, Self

from wirepath.errors import KernelError, LayoutError
from wirepath.kernel.btf import Btf
from wirepath.kernel.ctype import Octets, fits
from wirepath.kernel.handle import checked
from wirepath.kernel.maps import Map
from wirepath.kernel.program import Program
from wirepath.kernel.rejection import rejection
from wirepath.native import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger(__name__)

_XDP_FRAGS: Final = 1 << 5  # BPF_F_XDP_HAS_FRAGS of linux/bpf.h
_XDP_BOUND: Final = 1 << 6  # BPF_F_XDP_DEV_BOUND_ONLY


class Object:
    """One compiled file as loaded into the kernel.

    Leaving the context closes every program and map; those that are pinned, attached or used by
    another program live on.

    Attributes:
        btf: the types of the file.
        maps: by C name; the sections of variables are ``rodata`` and ``bss``.
        programs: those that were loaded, by C name.
    """

    def __init__(self, btf: Btf, maps: dict[str, Map], programs: dict[str, Program]) -> None:
        self.btf = btf
        self.maps = maps
        self.programs = programs

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        constants: Mapping[str, object] | Callable[[Btf], Mapping[str, object]] | None = None,
        sizes: Mapping[str, int] | None = None,
        reuse: Mapping[str, Map] | None = None,
        programs: Collection[str] | None = None,
        frags: bool = False,
        bound: int = 0,
        ifindex: int = 0,
    ) -> Self:
        """Open *path*, set its constants, and load it into the kernel.

        Args:
            path: a compiled ``.bpf.o`` with BTF.
            constants: values for ``const volatile`` variables, by C name; a struct is a dict
                with every member. May be a function that makes them from the file's types.
            sizes: max_entries, by C name of the map.
            reuse: maps to use instead of new ones, by C name. The caller keeps them. They must
                have the C types that the file declares; their capacity may differ.
            programs: the programs to load; all if None.
            frags: whether the programs, of XDP, take frames in several buffers.
            bound: the interface whose driver the programs, of XDP, may ask; 0 if none. They cannot
                be attached to another.
            ifindex: for hardware offload, the interface whose device runs the programs.

        Raises:
            VerifierError: a program was rejected; ``.log`` has the whole log.
            KernelError: the file cannot be opened, or a map cannot be created.
            LayoutError: the file lacks one of the names, or a value does not fit its C type.
        """
        lib.wp_log_start()
        handle = lib.bpf_object__open(os.fsencode(path))
        if not handle and ffi.errno == ENOENT:
            raise KernelError(f"open {path}", ENOENT, cure="run `make bpf`")
        if not handle:
            raise rejection(f"open {path}", ffi.errno, _said())
        try:
            opened = _Opened(path.name, handle)
            opened.set_constants(constants(opened.btf) if callable(constants) else constants or {})
            opened.set_sizes(sizes or {})
            opened.set_reuse(reuse or {})
            opened.choose(programs)
            opened.set_flags(programs or (), frags * _XDP_FRAGS | bool(bound) * _XDP_BOUND)
            opened.bind(programs or (), bound)
            opened.offload(ifindex)
            result = lib.bpf_object__load(handle)
            if result < 0:
                raise rejection(f"load {path.name}", -result, _said())
            loaded = cls(opened.btf, *opened.take())
        finally:
            lib.bpf_object__close(handle)
        log.debug("loaded %s: %s", path, ", ".join(map(repr, loaded.programs.values())))
        return loaded

    def close(self) -> None:
        """Close every program and map."""
        for handle in (*self.maps.values(), *self.programs.values()):
            handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Opened:
    """A file that libbpf has opened but not loaded; the caller owns the handle."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        size = ffi.new("uint32_t *")
        btf = lib.bpf_object__btf(handle)
        if not btf:
            raise LayoutError(f"open {name}: has no BTF (compile it with -g)")
        raw = lib.btf__raw_data(btf, size)
        self.btf = Btf(bytes(ffi.buffer(raw, size[0])))
        self.maps = {
            _plain(ffi.string(lib.bpf_map__name(each)).decode()): each
            for each in _chain(lib.bpf_object__next_map, handle)
        }
        self.programs = {
            ffi.string(lib.bpf_program__name(each)).decode(): each
            for each in _chain(lib.bpf_object__next_program, handle)
        }

    def map(self, name: str) -> Any:
        if name not in self.maps:
            raise LayoutError(f"load {self.name}: has no map {name} (rebuild it)")
        return self.maps[name]

    def set_constants(self, constants: Mapping[str, object]) -> None:
        homes = {
            variable: (name, *place)
            for name in self.maps
            if name.startswith("rodata")
            for variable, place in self.btf.record(f"section .{name}").members.items()
        }
        for variable, value in constants.items():
            if variable not in homes:
                raise LayoutError(f"load {self.name}: has no constant {variable} (rebuild it)")
            section, offset, ctype = homes[variable]
            size = ffi.new("size_t *")
            start = ffi.cast("uint8_t *", lib.wp_initial_value(self.maps[section], size))
            try:
                packed = ctype.pack(value)
            except LayoutError as error:
                raise LayoutError(f"set constant {variable}: {error}") from error
            ffi.memmove(start + offset, packed, ctype.size)

    def set_sizes(self, sizes: Mapping[str, int]) -> None:
        for name, entries in sizes.items():
            result = lib.bpf_map__set_max_entries(self.map(name), entries)
            checked(result, f"size map {name}")

    def set_reuse(self, reuse: Mapping[str, Map]) -> None:
        for name, old in reuse.items():
            mine = self.map(name)
            self._compare(name, "key", lib.bpf_map__btf_key_type_id(mine), old)
            self._compare(name, "value", lib.bpf_map__btf_value_type_id(mine), old)
            checked(lib.bpf_map__reuse_fd(mine, old.fd), f"reuse map {name}")

    def _compare(self, name: str, part: str, number: int, old: Map) -> None:
        theirs = getattr(old, part)
        mine = self.btf.ctype(number) if number else Octets(name, 0)  # a queue has no keys
        untyped = isinstance(theirs, Octets)  # libbpf gives the kernel no types for queues
        if not (mine.size == theirs.size if untyped else fits(mine, theirs)):
            raise LayoutError(
                f"reuse map {name}: its {part} differs from {mine.name} of {self.name}"
            )

    def choose(self, names: Collection[str] | None) -> None:
        if names is None:
            return
        if unknown := set(names) - self.programs.keys():
            raise LayoutError(f"load {self.name}: has no program {', '.join(sorted(unknown))}")
        for name, program in self.programs.items():
            checked(lib.bpf_program__set_autoload(program, name in names), f"choose {name}")

    def set_flags(self, names: Collection[str], flags: int) -> None:
        for name in names if flags else ():
            result = lib.bpf_program__set_flags(self.programs[name], flags)
            checked(result, f"set flags of {name}")

    def bind(self, names: Collection[str], ifindex: int) -> None:
        for name in names if ifindex else ():
            lib.bpf_program__set_ifindex(self.programs[name], ifindex)

    def offload(self, ifindex: int) -> None:
        for program in self.programs.values() if ifindex else ():
            lib.bpf_program__set_ifindex(program, ifindex)
        for each in self.maps.values() if ifindex else ():
            checked(lib.bpf_map__set_ifindex(each, ifindex), f"offload {self.name}")

    def take(self) -> tuple[dict[str, Map], dict[str, Program]]:
        """Duplicate the descriptors of all maps and loaded programs: libbpf will close its own."""
        maps = {name: Map(_own(lib.bpf_map__fd(each))) for name, each in self.maps.items()}
        fds = {name: lib.bpf_program__fd(each) for name, each in self.programs.items()}
        return maps, {name: Program(_own(fd)) for name, fd in fds.items() if fd >= 0}


def _said() -> str:
    return str(ffi.string(lib.wp_log_text()), errors="replace")


# libbpf names the map of a section after the file ("datapath.rodata") or the section (".rodata.x").
def _plain(name: str) -> str:
    return name.partition(".")[2] or name


def _chain(following: Any, handle: Any) -> Iterator[Any]:
    each = following(handle, ffi.NULL)
    while each:
        yield each
        each = following(handle, each)


def _own(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 0)
