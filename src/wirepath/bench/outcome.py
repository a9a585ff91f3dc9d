"""What ``wirepath bench`` has measured, and the JSON document of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from wirepath.bench.contenders import BASELINE, SIZES
from wirepath.bench.path import Slice

Workload = Literal["drop_one", "drop_all", "forward"]
"""Packets from one listed address; from all listed addresses in turn; from others, routed on."""

RUNS: Final = 2
"""How often everything is measured, to see whether the figures agree."""


@dataclass
class Figure:
    """The cost of a workload.

    Attributes:
        runs: slices by run, at least one.
        sent: packets sent, also those of no slice.
        arrived, forwarded, overflowed: packets by the counters of interfaces: received, sent on,
            lost because the ring was full.
    """

    runs: list[list[Slice]] = field(default_factory=lambda: [[] for _ in range(RUNS)])
    sent: int = 0
    arrived: int = 0
    forwarded: int = 0
    overflowed: int = 0

    @property
    def by_run(self) -> list[float]:
        """CPU ns per packet of each run: the lowest, since other load on the machine only adds."""
        return [min(each.ns for each in slices) for slices in self.runs if slices]

    @property
    def ns(self) -> float:
        """CPU ns per packet, the lowest of all slices."""
        return min(self.by_run)

    @property
    def mpps(self) -> float:
        """Million packets per second that one core generates and handles."""
        return 1e3 / self.ns

    @property
    def deferred(self) -> float | None:
        """Share of the CPU time that ksoftirqd used; None if it cannot be seen."""
        slices = [each for run in self.runs for each in run]
        seen = [each.deferred_s for each in slices if each.deferred_s is not None]
        if len(seen) < len(slices):
            return None
        return sum(seen) / max(1e-9, sum(each.ns * each.arrived / 1e9 for each in slices))

    @property
    def busy(self) -> float:
        """Share of the time of its slices that is in the figure as CPU time."""
        slices = [each for run in self.runs for each in run]
        used = sum(each.ns * each.arrived / 1e9 for each in slices)
        return used / max(1e-9, sum(each.seconds for each in slices))

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        deferred = self.deferred
        return {
            "ns": round(self.ns, 1),
            "mpps": round(self.mpps, 3),
            "runs_ns": [round(ns, 1) for ns in self.by_run],
            "sent": self.sent,
            "arrived": self.arrived,
            "forwarded": self.forwarded,
            "overflowed": self.overflowed,
            "ksoftirqd": None if deferred is None else round(deferred, 4),
        }


@dataclass
class Entry:
    """One contender with one number of addresses.

    Attributes:
        contender: its name.
        how: what it is.
        size: how many addresses are listed; None if it has no list.
        load_s: how long its command took to list them; None without a list.
        change_s: how long its command takes to list one more, the median; None without a list.
        dropped: packets dropped in all slices, by its own counters; None if it has none.
        figures: costs by workload.
    """

    contender: str
    how: str
    size: int | None
    load_s: float | None = None
    change_s: float | None = None
    dropped: int | None = None
    figures: dict[Workload, Figure] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name for a message."""
        return self.contender if self.size is None else f"{self.contender} with {self.size:,}"

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return {
            "contender": self.contender,
            "how": self.how,
            "entries": self.size,
            "load_s": self.load_s,
            "change_s": self.change_s,
            "dropped": self.dropped,
            **{name: figure.document() for name, figure in self.figures.items()},
        }


@dataclass(frozen=True)
class LeftOut:
    """What is not measured.

    Attributes:
        contender: its name.
        size: the number of addresses; None: with any number.
        why: the reason.
    """

    contender: str
    size: int | None
    why: str

    def __str__(self) -> str:
        size = "" if self.size is None else f" with {self.size:,}"
        return f"{self.contender}{size}: {self.why}"


@dataclass
class Outcome:
    """All that was measured.

    Attributes:
        entries: what was measured.
        spin: a program that takes *spin_ns* for each packet, and then drops it.
        spin_ns: how long that takes.
        left_out: what was not measured, and why.
        seconds: how long it took.
        cpu: CPU of generator and filters.
        quick: whether slices were few and short.
    """

    spin_ns: int
    cpu: int
    quick: bool
    entries: list[Entry] = field(default_factory=list)
    spin: Figure = field(default_factory=Figure)
    left_out: list[LeftOut] = field(default_factory=list)
    seconds: float = 0.0

    def find(self, contender: str, size: int | None, workload: Workload) -> Figure | None:
        """Find a figure; for a contender without a list, *size* does not matter."""
        if size == SIZES[0] and workload == "drop_all":
            workload = "drop_one"  # all listed addresses are one
        fit = (e for e in self.entries if e.contender == contender and e.size in (None, size))
        return next((e.figures[workload] for e in fit if workload in e.figures), None)

    @property
    def contenders(self) -> list[str]:
        """Names of what was measured, in order."""
        return [*dict.fromkeys(entry.contender for entry in self.entries)]

    def largest(self, contender: str) -> Entry | None:
        """Find the entry of *contender* with the most addresses; None if it has no list."""
        sizes = [e for e in self.entries if e.contender == contender and e.size is not None]
        return max(sizes, key=lambda entry: entry.size or 0, default=None)

    def growth(self, contender: str, workload: Workload) -> float | None:
        """Give the cost with the most addresses relative to that with one; None without a list."""
        largest = self.largest(contender)
        least = self.find(contender, SIZES[0], workload)
        most = self.find(contender, largest.size, workload) if largest else None
        return most.ns / least.ns if most and least else None

    def each_ns(self, contender: str) -> float:
        """Give what each address adds, to a packet that none of them matches."""
        largest = self.largest(contender)
        least = self.find(contender, SIZES[0], "forward")
        most = self.find(contender, largest.size, "forward") if largest else None
        if not (least and most and largest and largest.size and largest.size > 1):
            return 0.0
        return (most.ns - least.ns) / (largest.size - 1)

    def spun_ns(self) -> float:
        """Give what the program of known cost adds to the bare one."""
        bare = self.find(BASELINE, None, "drop_one")
        return self.spin.ns - (bare.ns if bare else 0.0)

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return {
            **here(),
            "cpu": self.cpu,
            "quick": self.quick,
            "seconds": round(self.seconds, 1),
            "busy_loop": {"ns": self.spin_ns, "measured_ns": round(self.spun_ns(), 1)},
            "entries": [entry.document() for entry in self.entries],
            "grows": {name: self._grows(name) for name in self.contenders if self.largest(name)},
            "left_out": [
                {"contender": left.contender, "entries": left.size, "why": left.why}
                for left in self.left_out
            ],
        }

    def _grows(self, contender: str) -> dict[str, float | int | None]:
        largest = self.largest(contender)
        ratios = {name: self.growth(contender, name) for name in get_args(Workload)}
        return {
            "entries": largest.size if largest else None,
            **{name: round(ratio, 2) if ratio else None for name, ratio in ratios.items()},
        }


def here() -> dict[str, str]:
    """Give kernel and processor, by name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    uname = os.uname()
    return {
        "kernel": uname.release.partition("-")[0],
        "machine": f"{uname.machine} {model}".strip(),
    }
