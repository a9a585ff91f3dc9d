"""What the running generation is, in words: the JSON that lies beside it in the kernel."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict

from wirepath import __version__
from wirepath.datapath.generation.record import dumps, read_record
from wirepath.errors import PinError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wirepath.datapath.generation.slots import Succession
    from wirepath.kernel.links import Mode
    from wirepath.kernel.maps import Map
    from wirepath.net import Hook
    from wirepath.plan import Plan
    from wirepath.policy import Policy
    from wirepath.prefixes import Tables

PAGE: Final = 4096  # MANIFEST_PAGE of bpf/manifest.h
SCHEMA: Final = 2
"""Of the manifest, and of how a generation is pinned. Whoever changes either raises it."""


Tc = Literal["tcx", "clsact"]
"""How programs are attached at the hooks of TC: by links, or as filters where there are none."""


class Rows(TypedDict):
    """How the rows of a hook lie, for whoever writes those of a new class of sets.

    Attributes:
        sets: by dimension of sets, where its rows begin, in words.
        residents: bits of a row that are in use.
        words: of a whole row, with its summary.
    """

    sets: dict[str, int]
    residents: int
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a later process has to know about a generation.

    Attributes:
        schema: of this text; `wirepath.datapath.older` reads those of older versions.
        counters_schema: by which its programs count; an older one after they were adopted.
        version: of wirepath, when it was loaded.
        file: the policy's, as the operator named it.
        mode: native, generic or offload.
        generation: 1 after ``up``, one more after each swap.
        since: when it began to serve, seconds since 1970.
        policy: as `Policy.document` has it.
        counters: by rule, its slot in ``rule_counters``.
        counted: by rule, what that slot had counted for others before; not if nothing.
        counting: by set with counters, its number in ``set_entries``.
        rooms, secret: of limits; as in `Succession`.
        learned_ns: likewise.
        ban_lengths: of the prefixes that limits ban from all rules.
        set_root_bits: of the set table.
        rows: by hook, how its rows lie.
        tc: how programs are attached at the hooks of TC.
    """

    schema: int = SCHEMA
    counters_schema: int = SCHEMA
    version: str = __version__
    file: str
    mode: Mode
    generation: int
    since: float
    policy: dict[str, Any]
    counters: dict[str, int]
    counted: dict[str, list[int]]
    counting: dict[str, int]
    rooms: dict[str, list[Any]]
    secret: list[int]
    learned_ns: dict[str, int]
    ban_lengths: list[int]
    set_root_bits: int
    rows: dict[str, Rows]
    tc: Tc

    @classmethod
    def of(
        cls,
        policy: Policy,
        plans: Mapping[Hook, Plan],
        *,
        root_bits: int,
        mode: Mode,
        since: float,
        succession: Succession,
        tc: Tc,
    ) -> Self:
        """Describe a generation that was loaded from *policy*; *plans* are those of its hooks."""
        from wirepath.datapath.generation.state import ban_lengths

        return cls(
            file=policy.file,
            mode=mode,
            generation=succession.number,
            since=since,
            policy=policy.document(),
            counters=dict(succession.counters),
            counted={name: list(counts) for name, counts in succession.counted.items()},
            counting=dict(succession.counting),
            rooms={name: list(room) for name, room in succession.rooms.items()},
            secret=list(succession.secret),
            learned_ns=dict(succession.learned_ns),
            ban_lengths=sorted(ban_lengths(policy)),
            set_root_bits=root_bits,
            rows={hook: _rows(plan) for hook, plan in plans.items()},
            tc=tc,
        )

    def text(self) -> bytes:
        """Write it, padded to whole pages."""
        text = dumps({field.name: getattr(self, field.name) for field in fields(self)})
        return text.ljust(-(-len(text) // PAGE) * PAGE, b"\0")

    @classmethod
    def read(cls, pages: Map, name: str) -> Self:
        """Read the manifest of interface *name*.

        Raises:
            PinError: a newer wirepath wrote it, or it is damaged.
        """
        doing = f"open {name}"
        try:
            values = read_record(pages)
            schema, version = values.get("schema"), values["version"]
            if schema == SCHEMA:
                return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            cure = f"remove its pins, and `wirepath up {name}`"
            raise PinError(doing, what="its manifest is damaged", cure=cure) from error
        what = f"wirepath {version} put it up, whose manifest this one, {__version__}, cannot read"
        cure = "use that version, or take it down with it"
        raise PinError(doing, what=what, cure=cure)


def describing(
    policy: Policy, mode: Mode, places: Succession, tc: Tc
) -> Callable[[Mapping[Hook, Plan], Tables], bytes]:
    """Give what writes the manifest of a generation once it is planned."""
    return lambda plans, tables: Manifest.of(
        policy,
        plans,
        root_bits=tables.root_bits,
        mode=mode,
        since=time.time(),
        succession=places,
        tc=tc,
    ).text()


def _rows(plan: Plan) -> Rows:
    return {
        "sets": {dimension: plan.row_base[dimension] for dimension in plan.needs},
        "residents": len(plan.filing.residents),
        "words": plan.summary_words + plan.words,
    }
