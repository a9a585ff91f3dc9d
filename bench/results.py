"""Results of measurements: tables to print and lines to record."""

import json
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from wirepath.bench.path import Cost

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: of the subject.
        value: the median.
        unit: of *value*: ``ns`` of CPU per packet, ``ms``, ``frames/s``.
        low, high: the extremes; 0 for a plain count.
        ratio: cost relative to the first row, the median of paired ratios; None: no ratio.
        goal: upper bound of *ratio*, or of *value* if there is no ratio; None: no goal.
        at_least: whether *goal* is a lower bound instead.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    ratio: float | None = None
    goal: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        if self.goal is None:
            return None
        figure = self.value if self.ratio is None else self.ratio
        return figure >= self.goal if self.at_least else figure <= self.goal

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"x {self.ratio:.2f}"
        bound = "" if self.goal is None else f"{'>=' if self.at_least else '<='} {self.goal:g}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        spread = f"[{_short(self.low)} .. {_short(self.high)}]" if self.high else ""
        return (
            f"  {self.name:32} {_short(self.value):>8} {self.unit:9} {ratio:>8} "
            f"{spread:>20} {bound:>9} {verdict}"
        )


@dataclass
class Table:
    """Figures of one run that can be compared with each other.

    Attributes:
        title: what was measured, and how.
        rows: the figures; ratios are relative to the first one.
    """

    title: str
    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.rows)])


def costs(title: str, measured: Sequence[Cost], goals: dict[str, float] | None = None) -> Table:
    """Make a table of the costs of packets; *goals* are ratios by name."""
    rows = [
        Row(
            cost.name,
            cost.median,
            "ns",
            min(cost.ns),
            max(cost.ns),
            cost.ratio,
            (goals or {}).get(cost.name),
        )
        for cost in measured
    ]
    return Table(title, rows)


def added(title: str, measured: Sequence[Cost], to: str) -> Table:
    """Make a table of costs in addition to subject *to*: medians of paired differences."""
    base = next(cost for cost in measured if cost.name == to)
    table = Table(title)
    for cost in measured:
        if cost is not base:
            more = [a - b for a, b in zip(cost.ns, base.ns, strict=True)]
            table.rows.append(Row(cost.name, statistics.median(more), "ns", min(more), max(more)))
    return table


def times(name: str, runs: Sequence[float], *, goal: float | None = None) -> Row:
    """Make a row of durations in seconds; *goal* is in ms."""
    ms = [seconds * 1e3 for seconds in runs]
    return Row(name, statistics.median(ms), "ms", min(ms), max(ms), goal=goal)


def timed(action: Callable[[], object]) -> float:
    """Run *action* and return how long it takes, in seconds."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def keep(case: str, table: Table) -> None:
    """Append every figure of *table* to ``results/CASE.jsonl``, with its provenance."""
    directory = HERE / "results"
    directory.mkdir(exist_ok=True)
    here = provenance()
    with (directory / f"{case}.jsonl").open("a") as lines:
        for row in table.rows:
            lines.write(json.dumps({"table": table.title, **asdict(row), **here}) + "\n")


def provenance() -> dict[str, Any]:
    """Return time, machine, kernel, compiler and commit, by name."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1] for line in cpus.splitlines() if "model name" in line), "")
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": f"{platform.machine()} {model.strip()}",
        "kernel": platform.release(),
        "clang": _first_line("clang", "--version"),
        "commit": _first_line("git", "describe", "--always", "--dirty"),
    }


def _first_line(*argv: str) -> str:
    if not shutil.which(argv[0]):
        return "not installed"
    done = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
