"""The measurement of ``wirepath bench``: all contenders attached at once, measured in turn."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from wirepath.bench.contenders import BASELINE, CONTENDERS, OURS, SIZES, Attached, Contender
from wirepath.bench.outcome import RUNS, Entry, Figure, LeftOut, Outcome, Workload
from wirepath.bench.packets import Packets
from wirepath.bench.path import Lane, attached, lane, spin
from wirepath.bench.tools import Lacking
from wirepath.bench.trust import AGREE_WITHIN, disagreement
from wirepath.bench.wire import Counts, Wire, routed
from wirepath.errors import KernelError
from wirepath.kernel import features
from wirepath.lab.signals import ends_on_signals, undisturbed
from wirepath.lab.traffic import Traffic

SPIN_NS: Final = 2_000
_PATIENCE_S: Final = 1.0  # for packets on their way

Told = Callable[[str, float], None]
"""Told what is being done, and the part of all work that is done."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        seconds: duration of a slice.
        rounds: slices in each of two runs.
        limit_s: after this time fewer rounds have to do, but one for each run.
        sizes: how many addresses are listed.
        contenders: those to measure; the first is the baseline.
    """

    seconds: float
    rounds: int
    limit_s: float
    sizes: tuple[int, ...] = SIZES
    contenders: tuple[Contender, ...] = CONTENDERS


QUICK: Final = Effort(seconds=0.1, rounds=3, limit_s=100)
THOROUGH: Final = Effort(seconds=0.3, rounds=5, limit_s=900)


@dataclass
class _Measured:
    """A lane, and the figure that its slices go to."""

    lane: Lane
    figure: Figure

    def slice(self, run: int) -> None:
        """Measure one slice, and count its packets at the interfaces."""
        wire, figure = self.lane.wire, self.figure
        before, sent = wire.counts(), self.lane.flood.sent
        figure.runs[run].append(self.lane.slice())
        sent = self.lane.flood.sent - sent
        now = _settled(wire, before.arrived + before.overflowed + sent)
        figure.sent += sent
        figure.arrived += now.arrived - before.arrived
        figure.forwarded += now.forwarded - before.forwarded
        figure.overflowed += now.overflowed - before.overflowed


# Packets may still be on their way to the counters, if ksoftirqd has them.
def _settled(wire: Wire, expected: int) -> Counts:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        now = wire.counts()
        if now.arrived + now.overflowed >= expected or time.monotonic() > deadline:
            return now
        time.sleep(0.01)


def run(effort: Effort, tell: Told, *, quick: bool) -> Outcome:
    """Measure all contenders, in namespaces that are gone afterwards.

    Args:
        effort: how much is measured.
        tell: told about the progress.
        quick: what the outcome says of *effort*.

    Raises:
        KernelError: this process may not, or this kernel cannot, run what is needed.
    """
    if why := features.missing():
        raise KernelError("bench", what=why)
    begun = time.monotonic()
    outcome = Outcome(SPIN_NS, max(os.sched_getaffinity(0)), quick)
    with _cleaned_up() as stack:
        contest = _Contest(stack, effort, tell, outcome)
        contest.attach()
        contest.measure()
        contest.count()
        tell("removing the namespaces", 1.0)
    _leave_out(effort, outcome)
    outcome.seconds = time.monotonic() - begun
    return outcome


# Everything is undone, however often Ctrl-C is pressed meanwhile.
@contextmanager
def _cleaned_up() -> Iterator[ExitStack]:
    stack = ExitStack()
    with ends_on_signals():
        try:
            yield stack
        finally:
            with undisturbed():
                stack.close()


class _Contest:
    def __init__(self, stack: ExitStack, effort: Effort, tell: Told, outcome: Outcome) -> None:
        self._stack = stack
        self._effort = effort
        self._tell = tell
        self._outcome = outcome
        self._packets = Packets(effort.sizes)
        self._lanes: list[_Measured] = []
        self._counted: list[tuple[Entry, Wire, Callable[[], int], int]] = []
        self._wires = 0
        self._deadline = time.monotonic() + effort.limit_s
        self._directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wirepath-bench-"))
        )

    def attach(self) -> None:
        """Attach everything that this machine has."""
        self._spin()
        for number, contender in enumerate(self._effort.contenders):
            part = number / len(self._effort.contenders) / 3
            self._tell(f"attaching {contender.name}", part)
            if contender.passes:
                self._bare(contender)
            else:
                self._listing(contender)
        for left in self._outcome.left_out:
            if left.contender in {BASELINE, OURS}:
                raise KernelError("bench", what=str(left))

    def _spin(self) -> None:
        wire = self._stack.enter_context(routed("spin"))
        self._stack.enter_context(attached(wire, spin(SPIN_NS).attach))
        self._lane(wire, "spin", self._packets.one(self._effort.sizes[0]), self._outcome.spin)

    def _bare(self, contender: Contender) -> None:
        entry = Entry(contender.name, contender.how, None)
        most = max(self._effort.sizes)
        drops: dict[Workload, Traffic] = {"drop_one": self._packets.one(most)}
        drops["drop_all"] = self._packets.all(most)
        passes: dict[Workload, Traffic] = {"forward": self._packets.others}
        try:
            for attach, traffic in ((contender.attach, drops), (contender.passes, passes)):
                assert attach  # noqa: S101 - the caller has looked
                wire = self._wire()
                self._stack.enter_context(attached(wire, partial(attach, (), self._directory)))
                self._workloads(entry, wire, traffic)
        except Lacking as error:
            self._outcome.left_out.append(LeftOut(contender.name, None, str(error)))
            return
        self._outcome.entries.append(entry)

    def _listing(self, contender: Contender) -> None:
        for size in self._effort.sizes:
            if size > contender.most:
                return
            entry = Entry(contender.name, contender.how, size)
            try:
                self._list(contender, entry, size)
            except Lacking as error:
                none = size == self._effort.sizes[0]
                left = LeftOut(contender.name, None if none else size, str(error))
                self._outcome.left_out.append(left)
                return
            self._outcome.entries.append(entry)

    def _list(self, contender: Contender, entry: Entry, size: int) -> None:
        wire = self._wire()
        at = self._directory / wire.receiver.name
        at.mkdir()
        begun = time.perf_counter()
        attach = partial(contender.attach, self._packets.listed[:size], at)
        there: Attached = self._stack.enter_context(attached(wire, attach))
        entry.load_s = time.perf_counter() - begun
        assert there.add  # noqa: S101 - all that have a list can add
        with wire.receiver.entered():
            changes = []
            for address in self._packets.added:
                begun = time.perf_counter()
                there.add(address)
                changes.append(time.perf_counter() - begun)
        entry.change_s = statistics.median(changes)
        traffic: dict[Workload, Traffic] = {"drop_one": self._packets.one(size)}
        if size > 1:
            traffic["drop_all"] = self._packets.all(size)
        traffic["forward"] = self._packets.others
        self._workloads(entry, wire, traffic)
        if there.dropped:
            with wire.receiver.entered():
                self._counted.append((entry, wire, there.dropped, there.dropped()))

    def _wire(self) -> Wire:
        self._wires += 1
        return self._stack.enter_context(routed(str(self._wires)))

    def _workloads(self, entry: Entry, wire: Wire, traffic: Mapping[Workload, Traffic]) -> None:
        for workload, packets in traffic.items():
            figure = entry.figures[workload] = Figure()
            self._lane(wire, f"{entry.label}, {workload}", packets, figure)

    def _lane(self, wire: Wire, name: str, traffic: Traffic, figure: Figure) -> None:
        made = lane(name, wire, traffic, seconds=self._effort.seconds)
        self._lanes.append(_Measured(self._stack.enter_context(made), figure))

    def measure(self) -> None:
        """Measure all lanes in turn, again and again, each time beginning with another one."""
        rounds, turn, begun = self._effort.rounds, 0, time.monotonic()
        while turn < RUNS * rounds:
            self._turn(turn, rounds)
            turn += 1
            each = (time.monotonic() - begun) / turn
            left = self._deadline - time.monotonic()
            while rounds > 1 and (RUNS * rounds - turn) * each > left and turn < rounds:
                rounds -= 1
        self._again()

    # Figures whose runs disagree are measured again while there is time, in both runs.
    def _again(self) -> None:
        while time.monotonic() < self._deadline:
            apart = [each for each in self._lanes if disagreement(each.figure) > AGREE_WITHIN]
            if not apart:
                return
            self._tell(f"measuring {len(apart)} of {len(self._lanes)} again", 1.0)
            for run in range(RUNS):
                for measured in apart:
                    measured.slice(run)

    def _turn(self, turn: int, rounds: int) -> None:
        count, turns = len(self._lanes), RUNS * rounds
        for number in range(count):
            part = (turn + number / count) / turns
            self._tell(f"measuring, turn {turn + 1} of {turns}", (1 + 2 * part) / 3)
            self._lanes[(turn * count // turns + number) % count].slice(turn // rounds)

    def count(self) -> None:
        """Read the contenders' own counters."""
        for entry, wire, dropped, before in self._counted:
            with wire.receiver.entered():
                entry.dropped = dropped() - before


def _leave_out(effort: Effort, outcome: Outcome) -> None:
    for contender in effort.contenders:
        measured = outcome.largest(contender.name)
        for size in effort.sizes:
            if measured and size > contender.most:
                why = contender.why
                if contender.linear:
                    each = outcome.each_ns(contender.name)
                    why = f"{why} ({each * size / 1e6:.1f} ms)"
                outcome.left_out.append(LeftOut(contender.name, size, why))
