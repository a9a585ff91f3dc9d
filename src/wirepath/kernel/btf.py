"""The types of a compiled object, found by name.

BTF describes every C type that clang saw; the kernel keeps it with every map. It is decoded
lazily: one pass finds where each type is, and a type is decoded when a caller asks for it.

Source: Documentation/bpf/btf.rst.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

from wirepath.errors import LayoutError
from wirepath.kernel.ctype import (
    Array,
    Boolean,
    CType,
    Enumeration,
    Integer,
    Octets,
    Record,
    Text,
)
from wirepath.kernel.handle import Handle, checked
from wirepath.native import ffi, lib


class Kind(IntEnum):
    """The kind of a type: BTF_KIND_* of linux/btf.h."""

    VOID, INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE = range(10)
    CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(
        10, 20
    )


# Bytes that follow struct btf_type, by kind: (once, for each member).
_TAIL: Final = [(0, 0)] * len(Kind)
_TAIL[Kind.INT] = _TAIL[Kind.VAR] = _TAIL[Kind.DECL_TAG] = (4, 0)
_TAIL[Kind.ARRAY] = (12, 0)
_TAIL[Kind.STRUCT] = _TAIL[Kind.UNION] = _TAIL[Kind.DATASEC] = _TAIL[Kind.ENUM64] = (0, 12)
_TAIL[Kind.ENUM] = _TAIL[Kind.FUNC_PROTO] = (0, 8)
# The keyword before a type's name in C.
_KEYWORDS: Final = {
    Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum ", Kind.ENUM64: "enum ",
    Kind.DATASEC: "section ",
}  # fmt: skip
# Kinds that qualify or name another type; `_Type.size` is that type's number.
_ASIDE: Final = frozenset(
    {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR}
)
_NETWORK_ORDER: Final = frozenset({"__be16", "__be32", "__be64"})
_POINTER_SIZE: Final = 8  # BPF is a 64-bit machine on every host
_MAGIC: Final = 0xEB9F
_INT_SIGNED, _INT_BOOL = 1, 4
_ARRAY = struct.Struct("=III")  # element, index type, count
_MEMBER = struct.Struct("=III")  # name, type, offset in bits; of a section: type, offset, size


class _Type(NamedTuple):
    name: int  # offset in the string section
    info: int  # kind, number of members, a flag
    size: int  # in bytes, or the number of the type referred to
    tail: int  # offset of the bytes that follow struct btf_type

    @property
    def kind(self) -> Kind:
        return Kind(self.info >> 24 & 0x1F)

    @property
    def vlen(self) -> int:
        return self.info & 0xFFFF

    @property
    def flag(self) -> int:
        return self.info >> 31


class Btf:
    """The types of one object.

    Args:
        data: raw BTF, from an ELF section ``.BTF`` or from the kernel.

    Raises:
        LayoutError: *data* is not BTF, or has kinds that are newer than Linux 6.1.
    """

    def __init__(self, data: bytes) -> None:
        magic, _, _, head, types, types_len, strings, _ = struct.unpack_from("=HBBIIIII", data)
        if magic != _MAGIC:
            raise LayoutError(f"read BTF: starts with {magic:#x}, not {_MAGIC:#x}")
        self._data = data
        self._strings = head + strings
        try:
            self._types = list(self._index(head + types, head + types + types_len))
        except IndexError as error:
            raise LayoutError("read BTF: has a kind that came after Linux 6.1") from error
        self._names: dict[str, int] = {}
        self._ctypes: dict[int, CType] = {}
        self._makers: Mapping[Kind, Callable[[_Type], CType]] = {
            Kind.INT: self._integer,
            Kind.ENUM: self._enumeration,
            Kind.ENUM64: self._enumeration,
            Kind.ARRAY: self._array,
            Kind.STRUCT: self._record,
            Kind.UNION: self._record,
            Kind.DATASEC: self._section,
            Kind.PTR: lambda _: Octets("pointer", _POINTER_SIZE),
            Kind.FLOAT: lambda found: Octets(self._name(found), found.size),
        }

    @classmethod
    def of_kernel(cls, btf_id: int) -> "Btf":
        """Give the BTF that the kernel keeps under *btf_id*; it is read once per process.

        Raises:
            KernelError: there is none, or this process may not read it.
        """
        return _of_kernel(btf_id)

    def _index(self, position: int, end: int) -> Iterator[_Type]:
        yield _Type(0, 0, 0, 0)  # type 0 is void
        unpack = struct.Struct("=III").unpack_from
        while position < end:
            name, info, size = unpack(self._data, position)
            once, each = _TAIL[info >> 24 & 0x1F]
            yield _Type(name, info, size, position + 12)
            position += 12 + once + each * (info & 0xFFFF)

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._data[start : self._data.index(0, start)].decode()

    def ctype(self, of: str | int) -> CType:
        """Find a type.

        Args:
            of: as C writes it (``struct set_head``, ``enum reason``, ``__u32``), a section of
                variables (``section .rodata``), or a type's number.

        Raises:
            LayoutError: there is no such type; or it cannot be packed, because it is only declared
                or has bit fields.
        """
        number = of if isinstance(of, int) else self._number(of)
        if number not in self._ctypes:
            self._ctypes[number] = self._make(number)
        return self._ctypes[number]

    def record(self, of: str | int) -> Record:
        """Find a struct, a union or a section of variables, as ``ctype`` does."""
        ctype = self.ctype(of)
        if not isinstance(ctype, Record):
            raise LayoutError(f"find {of}: {ctype.name} has no members")
        return ctype

    def enum(self, name: str) -> Mapping[str, int]:
        """Give the values of ``enum`` *name* by name: lower case, without the enum's own name.

        ``enum verdict { VERDICT_PASS, ... }`` gives ``{"pass": 0, ...}``, in C's order.

        Raises:
            LayoutError: no variable, parameter or member in the object has this type.
        """
        ctype = self.ctype(f"enum {name}")
        assert isinstance(ctype, Enumeration)  # noqa: S101 - the keyword says so
        return ctype.values

    def _number(self, name: str) -> int:
        if not self._names:
            # Of several types with one name the first counts: clang writes only one complete one.
            for number, found in reversed(list(enumerate(self._types))):
                if found.kind not in (Kind.FWD, Kind.FUNC, Kind.VAR):
                    self._names[self._name(found)] = number
        if name not in self._names:
            raise LayoutError(f"find {name}: no such type in the object (rebuild it)")
        return self._names[name]

    def _name(self, found: _Type) -> str:
        keyword: str = _KEYWORDS.get(found.kind, "")
        return keyword + self._text(found.name)

    def _make(self, number: int) -> CType:
        found = self._types[number]
        aside = []
        while found.kind in _ASIDE:
            aside.append(self._text(found.name))
            found = self._types[found.size]
        if order := _NETWORK_ORDER.intersection(aside):
            return Integer(min(order), found.size, order="big")
        if found.kind not in self._makers:
            what = aside[-1] if aside else self._name(found) or f"type {number}"
            raise LayoutError(f"find {what}: has no size in the object")
        return self._makers[found.kind](found)

    def _integer(self, found: _Type) -> CType:
        (bits,) = struct.unpack_from("=I", self._data, found.tail)
        encoding = bits >> 24 & 0xF
        if encoding & _INT_BOOL:
            return Boolean()
        return Integer(self._text(found.name), found.size, bool(encoding & _INT_SIGNED))

    def _enumeration(self, found: _Type) -> CType:
        signed = bool(found.flag)
        if found.kind == Kind.ENUM:
            each = struct.iter_unpack("=Ii" if signed else "=II", self._tail(found, 8))
            raw = [(self._text(name), value) for name, value in each]
        else:
            wide = struct.iter_unpack("=IIi" if signed else "=III", self._tail(found, 12))
            raw = [(self._text(name), high << 32 | low) for name, low, high in wide]
        prefix = self._text(found.name).lower() + "_"
        values = {name.lower().removeprefix(prefix): value for name, value in raw}
        name = self._name(found)
        return Enumeration(name, found.size, Integer(name, found.size, signed), values)

    def _array(self, found: _Type) -> CType:
        of, _, count = _ARRAY.unpack_from(self._data, found.tail)
        element = self.ctype(of)
        name, size = f"{element.name}[{count}]", element.size * count
        if element.size == 1 and isinstance(element, Integer):
            return (Text if element.name == "char" else Octets)(name, size)
        return Array(name, size, element, count)

    def _record(self, found: _Type) -> CType:
        members = dict(self._members(found))
        return Record(self._name(found), found.size, members, found.kind == Kind.UNION)

    def _section(self, found: _Type) -> CType:
        return Record(self._name(found), found.size, dict(self._variables(found)))

    def _members(self, found: _Type) -> Iterator[tuple[str, tuple[int, CType]]]:
        for name, of, where in _MEMBER.iter_unpack(self._tail(found, 12)):
            # If the flag is set, the upper byte is the width of a bit field; 0 is a plain member.
            bits = where & 0xFFFFFF if found.flag else where
            if bits % 8 or (found.flag and where >> 24):
                raise LayoutError(f"find {self._name(found)}: bit fields have no layout here")
            ctype = self.ctype(of)
            if name:
                yield self._text(name), (bits // 8, ctype)
            elif isinstance(ctype, Record):
                for inner, (offset, of_inner) in ctype.members.items():
                    yield inner, (bits // 8 + offset, of_inner)

    def _variables(self, found: _Type) -> Iterator[tuple[str, tuple[int, CType]]]:
        for variable, offset, _ in _MEMBER.iter_unpack(self._tail(found, 12)):
            yield self._text(self._types[variable].name), (offset, self.ctype(variable))

    def _tail(self, found: _Type, each: int) -> bytes:
        return self._data[found.tail : found.tail + each * found.vlen]


@cache
def _of_kernel(btf_id: int) -> Btf:
    doing = f"read BTF {btf_id}"
    with Handle(checked(lib.bpf_btf_get_fd_by_id(btf_id), doing)) as handle:
        size = checked(lib.wp_btf_data(handle.fd, ffi.NULL, 0), doing)
        data = ffi.new("uint8_t[]", size)
        checked(lib.wp_btf_data(handle.fd, data, size), doing)
    return Btf(bytes(ffi.buffer(data)))
