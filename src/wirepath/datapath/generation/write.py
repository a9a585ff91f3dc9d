"""Writing a plan into maps: BTF turns names of enum members into numbers, and arrays fill maps.

This module knows C types and the shape of a plan, not their meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wirepath.kernel.ctype import Array, Octets, Record
from wirepath.plan.tables import Bits, ByEnum, Members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.kernel.btf import Btf
    from wirepath.kernel.ctype import CType
    from wirepath.kernel.maps import Map
    from wirepath.plan.tables import Plan, Table


def constants(values: Mapping[str, object], btf: Btf) -> dict[str, object]:
    """Resolve constants to the values that `Object.load` takes."""
    types = btf.record("section .rodata")
    return {name: _resolved(value, types.members[name][1], btf) for name, value in values.items()}


def sizes(plan: Plan) -> dict[str, int]:
    """Give the capacities of the maps of *plan*, by C name."""
    return {name: capacity(table.entries) for name, table in plan.tables.items()}


def capacity(entries: int) -> int:
    """Give the capacity of a map for *entries* entries; the kernel makes no map without any."""
    return max(1, entries)


def write(plan: Plan, maps: Mapping[str, Map], btf: Btf) -> None:
    """Write the tables of *plan* into *maps*, which must be new."""
    for name, table in plan.tables.items():
        if table.columns:
            _write_columns(maps[name], table, btf)
        for entry, record in enumerate(table.records):
            maps[name][entry] = record
    for each in plan.in_place:
        each.write(**{keyword: maps[name].memory() for keyword, name in each.maps.items()})


def _resolved(value: object, ctype: CType, btf: Btf) -> object:
    match value:
        case Bits(enum, names):
            numbers = btf.enum(enum)
            return sum(1 << numbers[name] for name in names)
        case ByEnum(enum, values):
            return _elements(values, btf.enum(enum), ctype)
        case dict() if isinstance(ctype, Record):
            members = ctype.members
            return {name: _resolved(of, members[name][1], btf) for name, of in value.items()}
    return value


def _elements(
    values: Mapping[str, int], numbers: Mapping[str, int], ctype: CType
) -> list[int] | bytes:
    of_bytes = isinstance(ctype, Octets)
    elements = [0] * (ctype.count if isinstance(ctype, Array) else ctype.size)
    for name, value in values.items():
        elements[numbers[name]] = value
    return bytes(elements) if of_bytes else elements


def _write_columns(of: Map, table: Table, btf: Btf) -> None:
    entries: Any = np.frombuffer(of.memory(), dtype=np.dtype(of.value.dtype))
    for member, column in table.columns.items():
        match column:
            case Members(enum, names):
                numbers = btf.enum(enum)
                entries[member][: len(names)] = [numbers[name] for name in names]
            case ByEnum(enum, values):
                for name, some in values.items():
                    entries[member][: len(some), btf.enum(enum)[name]] = some
            case _:
                entries[member][: len(column)] = column
