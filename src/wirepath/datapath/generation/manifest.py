"""The manifest: JSON that describes a generation and is pinned with it, for later processes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from wirepath import __version__
from wirepath.datapath.generation.record import dumps, read_record
from wirepath.errors import DamageError, PinError
from wirepath.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wirepath.kernel.links import Mode
    from wirepath.kernel.maps import Map
    from wirepath.net import Hook
    from wirepath.plan.hook import HookPlan, Rows
    from wirepath.plan.slots import Slots
    from wirepath.policy import Policy
    from wirepath.prefixes import Tables

PAGE: Final = 4096  # MANIFEST_PAGE of bpf/manifest.h
SCHEMA: Final = 2
"""The version of the manifest and of the layout of pins; raise it when either changes."""


Tc = Literal["tcx", "clsact"]
"""How programs are attached at the hooks of TC: by links, or as filters where there are none."""


class Seen(NamedTuple):
    """Counts of packets at the moment a generation is loaded, for `status` to compare with.

    Attributes:
        received: by the interface.
        judged: by our program of ingress.
        misread: by hook, those that are IP but could not be read.
    """

    received: int = 0
    judged: int = 0
    misread: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a later process has to know about a generation.

    Attributes:
        schema: version of the manifest; `wirepath.datapath.older` reads older ones.
        counters_schema: version of the counters that its programs write; older if these were
            adopted.
        version: the version of wirepath that loaded it.
        file: the policy file, as the operator named it.
        mode: native, generic or offload.
        generation: 1 after ``up``, one more after each swap.
        since: when it began to serve, seconds since 1970.
        since_boot_ns: the same moment on CLOCK_BOOTTIME; 0 if the version that loaded it did not
            record it.
        received, judged, misread: packets until then, as in `Seen`.
        policy: the policy, as `Policy.document` gives it.
        counters: by rule, its slot in ``rule_counters``.
        counted: by rule, the counts of its slot when the rule got it; only where they are not 0.
        counting: by set with counters, its number in ``prefix_counters``.
        ranges, secret, learned_ns: as in `Slots`.
        ban_lengths: lengths of the prefixes that limits ban for all packets.
        ban_scopes: rules whose limits ban from their own packets only.
        copies: by rule that copies packets, the target, as the operator wrote it.
        set_root_bits: how many address bits index the root of the set table.
        rows: by hook, where its rows are (`wirepath.plan.hook.Rows`).
        tc: how programs are attached at the hooks of TC.
        need_tags: rules at ingress that need the VLAN tags of frames.
        owner: the pins that it belongs to, as `Pins.owner` gives it; older versions wrote none.
    """

    schema: int = SCHEMA
    counters_schema: int = SCHEMA
    version: str = __version__
    file: str
    mode: Mode
    generation: int
    since: float
    since_boot_ns: int = 0
    received: int
    judged: int
    misread: dict[str, int] = field(default_factory=dict)
    policy: dict[str, Any]
    counters: dict[str, int]
    counted: dict[str, list[int]]
    counting: dict[str, int]
    ranges: dict[str, list[Any]]
    secret: list[int]
    learned_ns: dict[str, int]
    ban_lengths: list[int]
    ban_scopes: list[str]
    copies: dict[str, str]
    set_root_bits: int
    rows: dict[str, Rows]
    tc: Tc
    need_tags: list[str] = field(default_factory=list)
    owner: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        policy: Policy,
        plans: Mapping[Hook, HookPlan],
        *,
        root_bits: int,
        mode: Mode,
        since: float,
        since_boot_ns: int = 0,
        seen: Seen = Seen(),  # noqa: B008 - immutable
        slots: Slots,
        tc: Tc,
        owner: Mapping[str, Any] | None = None,
    ) -> Self:
        """Describe a generation that was loaded from *policy*; *plans* are those of its hooks."""
        from wirepath.datapath.tags import asking
        from wirepath.plan.actions import ban_lengths, ban_scopes, copies

        return cls(
            file=policy.file,
            mode=mode,
            generation=slots.number,
            since=since,
            since_boot_ns=since_boot_ns,
            received=seen.received,
            judged=seen.judged,
            misread=dict(seen.misread),
            policy=policy.document(),
            counters=dict(slots.counters),
            counted={name: list(counts) for name, counts in slots.counted.items()},
            counting=dict(slots.counting),
            ranges={name: list(each) for name, each in slots.ranges.items()},
            secret=list(slots.secret),
            learned_ns=dict(slots.learned_ns),
            ban_lengths=sorted(ban_lengths(policy)),
            ban_scopes=ban_scopes(policy),
            copies=copies(policy),
            set_root_bits=root_bits,
            rows={hook: plan.rows for hook, plan in plans.items()},
            tc=tc,
            need_tags=asking(policy, mode),
            owner=dict(owner or {}),
        )

    @property
    def limits_ban(self) -> bool:
        """Whether some limit bans, so that packets write to the table of bans."""
        return bool(self.ban_lengths or self.ban_scopes)

    @property
    def serving_s(self) -> float:
        """How many seconds it has served, even if the wall clock was set meanwhile."""
        if not self.since_boot_ns:
            return time.time() - self.since
        return (clock.boot_ns() - self.since_boot_ns) / 1_000_000_000

    @property
    def slots(self) -> Slots:
        """The slots of its names, for the next generation to keep."""
        from wirepath.actions import counting
        from wirepath.plan.slots import Range, Slots

        own = {}
        if self.counters_schema == SCHEMA:  # otherwise actions' own counters start in new slots
            own = {rule["name"]: counting(rule).own for rule in self.policy["rule"]}
        return Slots(
            number=self.generation,
            counters=self.counters,
            own={name: counters for name, counters in own.items() if counters},
            counted=self.counted,
            counting=self.counting,
            ranges={name: Range(*each) for name, each in self.ranges.items()},
            secret=tuple(self.secret),
            learned_ns=self.learned_ns,
        )

    def text(self) -> bytes:
        """Serialise the manifest, padded to whole pages."""
        text = dumps({each.name: getattr(self, each.name) for each in fields(self)})
        return text.ljust(-(-len(text) // PAGE) * PAGE, b"\0")

    @classmethod
    def read(cls, pages: Map, name: str, directory: Path) -> Self:
        """Read the manifest of interface *name* that is pinned in *directory*.

        Raises:
            DamageError: it is damaged.
            PinError: a newer wirepath wrote it.
        """
        try:
            values = read_record(pages)
            schema, version = values.get("schema"), values["version"]
            if schema == SCHEMA:
                return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            what = f"{directory / 'manifest'} is not what wirepath wrote"
            raise DamageError(name, what) from error
        what = f"wirepath {version} put it up, whose manifest this one, {__version__}, cannot read"
        cure = "use that version, or take it down with it"
        raise PinError(f"open {name}", what=what, cure=cure)


def describing(
    policy: Policy,
    mode: Mode,
    slots: Slots,
    tc: Tc,
    *,
    seen: Seen,
    owner: Mapping[str, Any],
) -> Callable[[Mapping[Hook, HookPlan], Tables], bytes]:
    """Return a function that makes the text of the manifest once the generation is planned.

    *seen* counts packets until now; *owner* is as in `Manifest`.
    """
    return lambda plans, tables: Manifest.of(
        policy,
        plans,
        root_bits=tables.root_bits,
        mode=mode,
        since=time.time(),
        since_boot_ns=clock.boot_ns(),
        seen=seen,
        slots=slots,
        tc=tc,
        owner=owner,
    ).text()
