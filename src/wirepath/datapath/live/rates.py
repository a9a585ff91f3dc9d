"""What ``wirepath top`` shows of one datapath: two looks at its counters, and the time between."""

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

    Who = tuple[Prefix, str | None]

MOST: Final = 50
"""Bans and talkers that are looked for: more than a screen has lines."""


@dataclass(frozen=True, slots=True)
class Look:
    """A datapath at one moment.

    Attributes:
        at: seconds, of a clock that only goes forward.
        link: its number: another one is another datapath, that counts from 0.
        banned: entries in the table of bans.
        bans: the busiest.
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
        """Look at what *handles* are of."""
        bans = BanView(handles)
        usage = bans.usage()
        return cls(
            time.monotonic(),
            handles.link.id,
            handles.manifest,
            counters.read(handles),
            usage.used,
            bans.busiest(MOST) if usage.used else [],
            top_keys(handles, MOST),
            warnings(handles, usage),
        )


class RuleRate(NamedTuple):
    """What a rule matches now: packets a second, and how many so far."""

    name: str
    packets_s: float
    dropped_s: float
    packets: int
    dropped: int


class BanRate(NamedTuple):
    """A ban, and the packets a second that it drops; None if it is new to the busiest."""

    entry: BanEntry
    packets_s: float | None


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: `now`, and rates since `before`.

    Raises:
        ValueError: the two are not of one datapath.
    """

    now: Look
    before: Look

    def __post_init__(self) -> None:
        if self.now.link != self.before.link:
            raise ValueError("another datapath")

    @property
    def seconds(self) -> float:
        """Between the two."""
        return self.now.at - self.before.at

    @property
    def packets_s(self) -> float:
        """All packets judged, a second."""
        return self._rate(
            self.now.counted.outcomes.packets, self.before.counted.outcomes.packets
        )  # fmt: skip

    @property
    def bits_s(self) -> float:
        """The bits of their frames."""
        return 8 * self._rate(self.now.counted.outcomes.bytes, self.before.counted.outcomes.bytes)

    @property
    def verdicts(self) -> dict[str, float]:
        """Packets a second by verdict: pass and drop, and others that have occurred."""
        now, before = self.now.counted.outcomes.verdicts, self.before.counted.outcomes.verdicts
        return self._rates(now, before, {"pass", "drop"})

    @property
    def reasons(self) -> dict[str, float]:
        """Packets a second by reason that has occurred, most first."""
        now, before = self.now.counted.outcomes.reasons, self.before.counted.outcomes.reasons
        rates = self._rates(now, before, set())
        return dict(sorted(rates.items(), key=lambda item: -item[1]))

    @property
    def rules(self) -> list[RuleRate]:
        """All rules, those that match most packets now first."""
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
        """The bans that have dropped most, most first."""
        before: dict[Who, int] = {(ban.prefix, ban.scope): ban.packets for ban in self.before.bans}
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

    # A rule that was removed and came back, or a ban that was renewed, counts from 0.
    def _rate(self, now: int, before: int) -> float:
        return (now - before if now >= before else now) / self.seconds

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
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
