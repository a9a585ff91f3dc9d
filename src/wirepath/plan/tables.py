"""The parts of a plan: constants and tables, by their C names.

Members of enums go by their names too. Their numbers are known only from the BTF of the compiled
object, so they replace the names when the plan is written into the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bits:
    """A number in which bit n stands for the member n of an enum.

    Attributes:
        enum: the name of the enum in C.
        names: the members whose bits are set.
    """

    enum: str
    names: Collection[str]


@dataclass(frozen=True, slots=True)
class ByEnum:
    """An array with an element for each member of an enum; elements without a value are 0.

    Attributes:
        enum: the name of the enum in C.
        values: by member, its element; in a column, an array of the elements of all entries.
    """

    enum: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Members:
    """A column of members of an enum.

    Attributes:
        enum: the name of the enum in C.
        names: the member of each entry.
    """

    enum: str
    names: Sequence[str]


Column: TypeAlias = "NDArray[Any] | Members | ByEnum"
"""The values of one member of a struct, entry by entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The contents of one map, from its first entry on; everything else in the map is 0.

    Attributes:
        entries: how many entries the map must have; it has at least one.
        columns: by member of the map's struct, its values.
        records: whole structs, entry by entry, in place of columns.
    """

    entries: int
    columns: Mapping[str, Column] = field(default_factory=dict)
    records: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class InPlace:
    """Maps that are filled in place, in their own memory, since they may be large.

    Attributes:
        write: fills them; it takes the memory of each map by keyword.
        maps: by keyword, the name of the map.
    """

    write: Callable[..., None]
    maps: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Constants and tables to write into the kernel, by C name.

    Attributes:
        constants: values of ``const volatile`` variables; the others stay as in the source.
        tables: contents of maps.
        in_place: maps that are filled in place.
    """

    constants: Mapping[str, object]
    tables: Mapping[str, Table]
    in_place: Sequence[InPlace] = ()
