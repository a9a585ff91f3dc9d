"""The output of the demo: a live table on a terminal, otherwise plain lines."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from wirepath.lab.flood import Flood, FloodResult
from wirepath.lab.web import Tally

_EVERY_S: Final = 0.5
_WIDTH: Final = 78


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class _Moment:
    # All figures at one moment.
    sent: int
    flood: FloodResult
    tally: Tally
    stats: Any
    drops_pps: float

    def line(self) -> str:
        return (
            f"flood {self.flood.pps / 1e6:5.2f} Mpps  sent {self.sent:>12,}  "
            f"dropped {_dropped(self.stats):>12,}  web {self.tally.answered}/{self.tally.asked}"
        )

    def table(self) -> Table:
        table = Table(width=_WIDTH, title="a host under attack", title_justify="left")
        table.add_column("", width=12)
        table.add_column("packets", justify="right")
        table.add_column("now", justify="right")
        table.add_column("")
        flood, tally = self.flood, self.tally
        table.add_row("flood", f"{self.sent:,}", _mpps(flood.pps), "sent by blocked sources")
        cost = f"{flood.cpu_ns:.0f} ns of CPU a packet, all in all"
        table.add_row("dropped", f"{_dropped(self.stats):,}", _mpps(self.drops_pps), cost)
        slowest = f"answered; slowest {tally.slowest_s * 1e3:.1f} ms"
        table.add_row("web", "", f"{tally.answered}/{tally.asked}", slowest, end_section=True)
        for name, rule in self.stats["rules"].items():
            table.add_row(
                f"rule {name}", f"{rule['packets']:,}", "", f"{rule['dropped']:,} dropped"
            )
        return table


def watch(flood: Flood, tally: Tally, stats: Callable[[], Any]) -> None:
    """Show progress until *flood* has ended.

    Args:
        flood: a running flood.
        tally: of the web client.
        stats: returns the JSON of ``wirepath stats``.
    """
    console = Console()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for moment in _moments(flood, tally, stats):
                live.update(moment.table(), refresh=True)
    else:
        for moment in _moments(flood, tally, stats):
            say(moment.line())


def _moments(flood: Flood, tally: Tally, stats: Callable[[], Any]) -> Iterator[_Moment]:
    before, then = _dropped(stats()), time.monotonic()
    while flood.running:
        time.sleep(_EVERY_S)
        if not flood.running:
            break  # it ended during this interval, so its rate would be wrong
        counted, now = stats(), time.monotonic()
        pps = (_dropped(counted) - before) / (now - then)
        yield _Moment(flood.sent, flood.result, tally, counted, pps)
        before, then = _dropped(counted), now


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of the demo.

    Attributes:
        flood: packets sent.
        tally: of the web client.
        stats: JSON of ``wirepath stats``, after the flood.
        rule: name of the rule that should drop the flood.
        overflowed: packets lost because the ring of the interface was full.
    """

    flood: FloodResult
    tally: Tally
    stats: Any
    rule: str
    overflowed: int

    @property
    def success(self) -> bool:
        """Whether every request was answered and every packet of the flood dropped."""
        return self.tally.asked == self.tally.answered > 0 and not self._let_through

    @property
    def _let_through(self) -> int:
        dropped: int = self.stats["rules"][self.rule]["dropped"]
        return self.flood.packets - self.overflowed - dropped

    @property
    def summary(self) -> str:
        """The final report, in four lines."""
        flood, tally, rule = self.flood, self.tally, self.stats["rules"][self.rule]
        lost = f", {self.overflowed:,} lost in a full ring before it" if self.overflowed else ""
        failed = f"; the last failure: {tally.failure}" if tally.failure else ""
        return (
            f"flood    {flood.packets:,} packets in {flood.seconds:.1f} s: {_mpps(flood.pps)}\n"
            f"dropped  {rule['dropped']:,} by rule {self.rule}, "
            f"{self._let_through:,} let through{lost}\n"
            f"cost     {flood.cpu_ns:.0f} ns of CPU a packet, sending and delivery included\n"
            f"web      {tally.answered}/{tally.asked} requests answered, "
            f"the slowest in {tally.slowest_s * 1e3:.1f} ms{failed}"
        )


def _dropped(stats: Any) -> int:
    return sum(rule["dropped"] for rule in stats["rules"].values())


def _mpps(pps: float) -> str:
    return f"{pps / 1e6:.2f} Mpps"
