"""One hook of a generation: a program with the tables of its rules.

Here plan meets kernel: names become numbers by BTF, arrays become maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from wirepath.datapath.generation import state as actions
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.plan import SET_DIMENSIONS
from wirepath.plan.spaces import FRAGMENTS, STATES
from wirepath.policy import SETS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wirepath.datapath.generation.slots import Succession
    from wirepath.kernel.btf import Btf
    from wirepath.kernel.maps import Map
    from wirepath.kernel.program import Program
    from wirepath.net import Hook
    from wirepath.plan import Plan


_NO_SLOT: Final = (1 << 32) - 1  # RULE_NONE of bpf/packet/pkt.h, of what nobody counts
# Dimensions whose values are those of an enum of that name.
_NAMED: Final[Mapping[str, Sequence[str]]] = {"fragment": FRAGMENTS, "ct": STATES}


@dataclass(frozen=True, slots=True)
class HookProgram:
    """What judges packets at one hook.

    Attributes:
        hook: which.
        loaded: its program and its maps, those that hooks share included.
        plan: what they were written from.
    """

    hook: Hook
    loaded: Object
    plan: Plan

    @classmethod
    def load(
        cls,
        hook: Hook,
        plan: Plan,
        *,
        set_root_bits: int,
        shared: Mapping[str, Map],
        sizes: Mapping[str, int],
        succession: Succession,
        devices: Mapping[str, int],
        replaying: bool,
        ifindex: int,
    ) -> Self:
        """Load the program of *hook* and write the tables of its rules.

        Args:
            hook: which.
            plan: of its rules.
            set_root_bits: of the set table, which the caller writes.
            shared: maps that there are already, by name.
            sizes: capacities of others, beside those of the rules' tables.
            succession: the places of the policy's names.
            devices: where mirrors send copies; as in `actions.write`.
            replaying: the clock and the length of a frame come with it (``bpf/trace.h``).
            ifindex: for hardware offload, the interface.

        Raises:
            KernelError: the kernel does not take it.
        """
        constants: dict[str, object] = {
            "hook": hook,
            "replaying": replaying,
            "set_root_bits": set_root_bits,
        }
        loaded = Object.load(
            object_file(),
            constants=lambda btf: constants | _constants(plan, btf, succession),
            sizes=_sizes(plan) | actions.sizes(plan.policy) | dict(sizes),
            reuse=shared,
            programs=[hook],
            ifindex=ifindex,
        )
        program = cls(hook, loaded, plan)
        try:
            program._write(succession, devices)
        except BaseException:
            loaded.close()
            raise
        return program

    @property
    def program(self) -> Program:
        """What judges packets."""
        return self.loaded.programs[self.hook]

    def _write(self, places: Succession, devices: Mapping[str, int]) -> None:
        self._write_values()
        actions.write(self.loaded.maps, self.plan.policy, places, devices)
        self._write_clauses(places.counters)
        self._write_filing()
        self._write_prefixes()
        self._field("rows", "clauses", self.plan.rows)
        for dimension, needs in self.plan.needs.items():
            array = self._array(f"{dimension}_needs")
            array["any"][: len(needs)] = needs[:, 0]
            array["none"][: len(needs)] = needs[:, 1]

    def _array(self, name: str) -> NDArray[Any]:
        # The memory of a map, by the types that BTF gives it.
        of = self.loaded.maps[name]
        return np.frombuffer(of.memory(), dtype=np.dtype(of.value.dtype))

    def _field(self, name: str, field: str, values: NDArray[Any]) -> None:
        self._array(name)[field][: len(values)] = values

    def _write_values(self) -> None:
        places = self._array("values")[0]
        for dimension, classes in self.plan.values.items():
            if dimension == "icmp_type":
                places["icmp"], places["icmpv6"] = np.split(classes, 2)
            elif dimension in _NAMED:
                names = self.loaded.btf.enum(dimension)
                for name, number in zip(_NAMED[dimension], classes, strict=True):
                    places[dimension][names[name]] = number
            else:
                places[dimension][:] = classes

    def _write_clauses(self, counters: Mapping[str, int]) -> None:
        plan = self.plan
        verdicts = self.loaded.btf.enum("verdict")
        kinds = self.loaded.btf.enum("action")
        placed = actions.places(plan.policy)
        rules = [plan.policy.rules[clause.rule] for clause in plan.clauses]
        does = [placed[clause.rule] for clause in plan.clauses]
        ends, bits = plan.rule_ends()
        slots = np.array([counters.get(r.name, _NO_SLOT) for r in rules], dtype=np.uint32)
        decided = [verdicts[rule.action.verdict or "continue"] for rule in rules]
        self._field("clauses", "next", ends)
        self._field("clauses", "next_resident", bits)
        self._field("clauses", "rule", slots)
        self._field("clauses", "verdict", np.array(decided, dtype=np.uint32))
        self._field("clauses", "action", np.array([kinds[d.kind] for d in does], dtype=np.uint16))
        self._field("clauses", "config", np.array([d.place for d in does], dtype=np.uint16))
        self._field("clauses", "src_counters", plan.counter_sets("src_set"))
        self._field("clauses", "dst_counters", plan.counter_sets("dst_set"))
        self._field("residents", "clause", plan.filing.residents)

    def _write_filing(self) -> None:
        filing = self.plan.filing
        self._field("lists", "narrow", filing.lists[:, 0])
        self._field("lists", "wide", filing.lists[:, 1])
        self._field("blocks", "low", filing.block_low)
        self._field("blocks", "high", filing.block_high)
        numbers = self.loaded.btf.enum("dimension")
        runs = self._array("runs")
        for dimension, (low, high) in filing.in_runs.items():
            runs["low"][filing.filed, numbers[dimension]] = low
            runs["high"][filing.filed, numbers[dimension]] = high

    def _write_prefixes(self) -> None:
        maps = self.loaded.maps
        self._field("management", "never_block", self.plan.never_block)
        if _needs_literals(self.plan):
            self.plan.literals.layout.write(
                lines=maps["literal_lines"].memory(),
                fences=maps["literal_fences"].memory(),
                leaves=maps["literal_leaves"].memory(),
                prefix_head=maps["literal_head"].memory(),
            )


def _needs_literals(plan: Plan) -> bool:
    return bool(plan.policy.datapath.never_block or {"src", "dst"} & set(plan.dimensions))


def _constants(plan: Plan, btf: Btf, places: Succession) -> dict[str, object]:
    counting = places.counting
    datapath, filing = plan.policy.datapath, plan.filing
    numbers = btf.enum("dimension")
    drop_fragments = datapath.fragments == "drop"
    return {
        "parse_config": {
            "malformed": datapath.malformed,
            "answers": any("tx" in rule.action.may for rule in plan.policy.rules),
        },
        "guard_config": {
            "never_block": bool(datapath.never_block),
            "fragment": "drop" if drop_fragments else "continue",
        },
        "dimensions_used": _bits(plan.dimensions, numbers),
        "actions_used": _bits(
            {rule.action.kind for rule in plan.policy.rules} - {"none"}, btf.enum("action")
        ),
        "wireguard_indexed": actions.indexed(plan.policy),
        "limit_config": actions.limit_config(plan.policy, places.secret),
        "literal_root_bits": plan.literals.layout.root_bits,
        "prefix_counters_config": {
            "counting": bool(counting),
            "number": bytes(counting.get(name, 0) for name in plan.set_ids).ljust(SETS_MAX, b"\0"),
        },
        "classify_config": {
            "words": plan.words,
            "summary_words": plan.summary_words,
            "default_verdict": datapath.default,
            "row_base": _by_dimension(plan.row_base, numbers),
        },
        "candidates_config": {
            "lists": len(filing.lists),
            "filed_by": _bits(filing.base, numbers),
            "base": _by_dimension(filing.base, numbers),
        },
        "lanes_config": {
            "guards": filing.guards,
            "in_lanes": _bits(filing.lane_at, numbers),
            "in_runs": _bits(filing.in_runs, numbers),
            "lane_at": bytes(_by_dimension(filing.lane_at, numbers)),
        },
    }


def _bits(dimensions: Any, numbers: Mapping[str, int]) -> int:
    return sum(1 << numbers[dimension] for dimension in dimensions)


def _by_dimension(values: Mapping[str, int], numbers: Mapping[str, int]) -> list[int]:
    return [values.get(name, 0) for name in numbers if name != "max"]


def _sizes(plan: Plan) -> dict[str, int]:
    filing, literals = plan.filing, plan.literals.layout
    if not _needs_literals(plan):
        sizes = {}
    else:
        sizes = {
            "literal_lines": literals.lines,
            "literal_fences": literals.fences,
            "literal_leaves": literals.leaves,
        }
    sizes |= {
        "management": plan.literals.classes,
        "rows": len(plan.rows),
        "clauses": len(plan.clauses),
        "residents": len(filing.residents),
        "lists": len(filing.lists),
        "blocks": len(filing.block_low),
        "runs": len(plan.clauses) if filing.in_runs else 0,
    }
    sizes |= {f"{d}_needs": len(plan.needs.get(d, ())) for d in SET_DIMENSIONS}
    return {name: max(1, size) for name, size in sizes.items()}
