"""The rates that ``wirepath top`` shows: from two looks at the counters of a datapath."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from wirepath.datapath.live import counters
from wirepath.datapath.live.ban_view import BanView
from wirepath.datapath.live.top_keys import TopKey, top_keys
from wirepath.datapath.status import warnings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wirepath.datapath.generation.manifest import Manifest
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.ban_view import BanEntry
    from wirepath.datapath.live.counters import Count
    from wirepath.net import Prefix

    BanKey = tuple[Prefix, str | None]  # its prefix and scope

MOST: Final = 50
"""How many bans and top keys a look contains: more than a screen has lines."""


@dataclass(frozen=True, slots=True)
class Look:
    """A datapath at one moment.

    Attributes:
        at: when, in seconds on the monotonic clock.
        link: the ID of its XDP link; another ID means another datapath, which counts from 0.
        manifest: the manifest of the serving generation.
        counted: all counters.
        banned: how many entries the table of bans has.
        bans: the bans that have dropped most packets.
        talkers: the keys of exact limits that use most of their burst.
        warnings: what needs the operator's attention, one line each.
    """

    at: float
    link: int
    manifest: Manifest
    counted: counters.Stats
    banned: int
    bans: Sequence[BanEntry]
    talkers: Sequence[TopKey]
    warnings: Sequence[str]

    @classmethod
    def of(cls, handles: Handles) -> Self:
        """Look at the generation of *handles*."""
        bans = BanView(handles)
        usage = bans.usage()
        counted = counters.read(handles)
        return cls(
            time.monotonic(),
            handles.link.id,
            handles.manifest,
            counted,
            usage.used,
            bans.busiest(MOST) if usage.used else [],
            top_keys(handles, MOST),
            warnings(handles, usage, counted.hooks),
        )


class RuleRate(NamedTuple):
    """The current rates of a rule, in packets a second, and its counters."""

    name: str
    packets_s: float
    dropped_s: float
    packets: int
    dropped: int


class BanRate(NamedTuple):
    """A ban, and the packets a second that it drops; None if the look before did not have it."""

    entry: BanEntry
    packets_s: float | None


@dataclass(frozen=True, slots=True)
class View:
    """The state of a datapath in `now`, and its rates since `before`.

    Raises:
        ValueError: the two looks are of different datapaths.
    """

    now: Look
    before: Look

    def __post_init__(self) -> None:
        if self.now.link != self.before.link:
            raise ValueError("another datapath")

    @property
    def seconds(self) -> float:
        """The time between the two looks."""
        return self.now.at - self.before.at

    @property
    def packets_s(self) -> float:
        """Packets judged a second."""
        return self._rate(
            self.now.counted.outcomes.packets, self.before.counted.outcomes.packets
        )  # fmt: skip

    @property
    def bits_s(self) -> float:
        """Bits judged a second."""
        return 8 * self._rate(self.now.counted.outcomes.bytes, self.before.counted.outcomes.bytes)

    @property
    def verdicts(self) -> dict[str, float]:
        """Packets a second by verdict: pass, drop, and any other that has occurred."""
        now, before = self.now.counted.outcomes.verdicts, self.before.counted.outcomes.verdicts
        return self._rates(now, before, {"pass", "drop"})

    @property
    def reasons(self) -> dict[str, float]:
        """Packets a second by reason, for reasons that have occurred, highest rate first."""
        now, before = self.now.counted.outcomes.reasons, self.before.counted.outcomes.reasons
        rates = self._rates(now, before, set())
        return dict(sorted(rates.items(), key=lambda item: -item[1]))

    @property
    def rules(self) -> list[RuleRate]:
        """The rates of all rules, highest rate first."""
        none = counters.RuleCount(0, 0, 0)
        before = self.before.counted.rules
        rates = [
            RuleRate(
                name,
                self._rate(count.packets, before.get(name, none).packets),
                self._rate(count.dropped, before.get(name, none).dropped),
                count.packets,
                count.dropped,
            )
            for name, count in self.now.counted.rules.items()
        ]
        return sorted(rates, key=lambda rate: (-rate.packets_s, -rate.packets))

    @property
    def bans(self) -> list[BanRate]:
        """The bans that have dropped most packets, most first."""
        before: dict[BanKey, int] = {(b.prefix, b.scope): b.packets for b in self.before.bans}
        rates = []
        for ban in self.now.bans:
            earlier = before.get((ban.prefix, ban.scope))
            rate = None if earlier is None else self._rate(ban.packets, earlier)
            rates.append(BanRate(ban, rate))
        return rates

    def _rates(
        self, now: Mapping[str, Count], before: Mapping[str, Count], always: set[str]
    ) -> dict[str, float]:
        return {
            name: self._rate(count.packets, before[name].packets)
            for name, count in now.items()
            if count.packets or name in always
        }

    # A counter below its earlier value has restarted from 0: the rule was removed and added again,
    # or the ban was renewed.
    def _rate(self, now: int, before: int) -> float:
        return (now - before if now >= before else now) / self.seconds

    def document(self) -> dict[str, Any]:
        """Give the view as plain values, for JSON."""
        manifest = self.now.manifest
        return {
            "iface": self.now.counted.iface,
            "mode": manifest.mode,
            "policy": manifest.file,
            "generation": manifest.generation,
            "since": manifest.since,
            "seconds": round(self.seconds, 3),
            "packets_s": _rounded(self.packets_s),
            "bits_s": _rounded(self.bits_s),
            "verdicts": {name: _rounded(rate) for name, rate in self.verdicts.items()},
            "reasons": {name: _rounded(rate) for name, rate in self.reasons.items()},
            "rules": [
                rate._asdict()
                | {"packets_s": _rounded(rate.packets_s), "dropped_s": _rounded(rate.dropped_s)}
                for rate in self.rules
            ],
            "banned": self.now.banned,
            "bans": [
                entry.document() | {"packets_s": None if rate is None else _rounded(rate)}
                for entry, rate in self.bans
            ],
            "talkers": [talker.document() for talker in self.now.talkers],
            "warnings": list(self.now.warnings),
        }


def _rounded(rate: float) -> float:
    return round(rate, 1)
