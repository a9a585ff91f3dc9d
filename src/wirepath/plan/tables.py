"""What a plan is made of: constants and tables, by the names that C has for them.

Members of enums are named too: which numbers they have, only the types of the compiled object
know, so they are replaced where a plan is written into the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bits:
    """A number that has bit n for the member n of an enum.

    Attributes:
        enum: its name in C.
        names: of the members.
    """

    enum: str
    names: Collection[str]


@dataclass(frozen=True, slots=True)
class ByEnum:
    """An array with an element for each member of an enum; those that are not named are 0.

    Attributes:
        enum: its name in C.
        values: by member; in a column, an array each.
    """

    enum: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Members:
    """A column of members of an enum.

    Attributes:
        enum: its name in C.
        names: of the members, row by row.
    """

    enum: str
    names: Sequence[str]


Column: TypeAlias = "NDArray[Any] | Members | ByEnum"
"""What one member of a struct is, entry by entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The contents of one map, from its first entry on; what is not given is 0.

    Attributes:
        entries: how many it has room for; a map has one at least.
        columns: by member of its struct, one value an entry.
        records: whole structs, entry by entry, in place of columns.
    """

    entries: int
    columns: Mapping[str, Column] = field(default_factory=dict)
    records: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class InPlace:
    """Maps whose contents are laid out where they belong, since they may be large.

    Attributes:
        write: what does so, in memory that it is given by keyword.
        maps: by keyword, the map whose memory it wants.
    """

    write: Callable[..., None]
    maps: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written into the kernel, all of it by C name.

    Attributes:
        constants: the ``const volatile`` variables that are not as the source has them.
        tables: maps.
        in_place: what fills some of them.
    """

    constants: Mapping[str, object]
    tables: Mapping[str, Table]
    in_place: Sequence[InPlace] = ()
