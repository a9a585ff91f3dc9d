"""The cost of packets on their whole path, compared: CPU ns per packet over veth, on one CPU.

Every subject has its own namespace and veth and stays attached.  A generator floods the subjects in
turn, A B C A B C, beginning with another one each time.  A figure is the CPU time per packet of the
generator's thread, to which the kernel charges the receiver's softirq.  Other load on the machine
disturbs only the caches; still, trust ratios more than nanoseconds.
"""

import math
import socket
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from wirepath.bench.tools import Lacking
from wirepath.bench.wire import IFNAME, Wire, wire
from wirepath.kernel import tcx
from wirepath.kernel.clsact import Filter
from wirepath.kernel.links import Mode, XdpLink
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import Traffic
from wirepath.net import Hook

T = TypeVar("T")

BARE = object_file("bare")
_WARM_UP = 20_000  # packets, so that the first slice runs under the conditions of later ones
_WARM_UPS = 3  # each tells better how many packets a slice takes
_LEAST = 1_000  # packets of a slice
_LOST = 0.05  # of a slice; more is reported, since lost packets cost less than others


@dataclass(frozen=True)
class Subject:
    """A packet filter whose cost is measured.

    Attributes:
        name: its name in the table.
        attach: called with the name of the interface, in the receiver's namespace; the subject is
            attached while the context that it returns is entered.
        traffic: the packets to send through it, if not the same as for others.
    """

    name: str
    attach: Callable[[str], AbstractContextManager[object]]
    traffic: Traffic | None = None


@dataclass
class Cost:
    """The measured cost of a subject.

    Attributes:
        name: of the subject.
        ns: CPU time per packet, for each repetition.
        ratios: quotient of *ns* and that of the first subject, for each repetition.
    """

    name: str
    ns: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median CPU ns per packet."""
        return statistics.median(self.ns)

    @property
    def ratio(self) -> float:
        """Cost relative to the first subject: the median of the ratios."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        spread = f"[{min(self.ns):.0f} .. {max(self.ns):.0f}]"
        return f"{self.median:9.1f} ns  x {self.ratio:5.2f}  {spread:16}  {self.name}"


@dataclass(frozen=True)
class Slice:
    """The result of one slice of a lane.

    Attributes:
        ns: CPU time per packet that arrived.
        sent, arrived: packets.
        deferred_s: of the CPU time, that of ksoftirqd; None if it cannot be seen.
        seconds: duration.
    """

    ns: float
    sent: int
    arrived: int
    deferred_s: float | None
    seconds: float

    @property
    def lost(self) -> float:
        """The share of packets that did not arrive."""
        return 1 - self.arrived / self.sent


@dataclass(frozen=True)
class Lane:
    """A wire with a subject, and a loaded generator.

    Attributes:
        name: of the subject.
        wire: where packets are counted.
        flood: the generator.
        count: packets per slice.
    """

    name: str
    wire: Wire
    flood: Flood
    count: int

    def slice(self) -> Slice:
        """Send the packets of a slice, after a tenth that is not measured."""
        self.flood.run(packets=max(1, self.count // 10))
        before = self.wire.received()
        result = self.flood.run(packets=self.count)
        arrived = self.wire.received() - before
        ns = result.cpu_s / max(1, arrived) * 1e9
        return Slice(ns, result.packets, arrived, result.deferred_s, result.seconds)


@contextmanager
def lane(
    name: str, veth: Wire, traffic: Traffic, *, seconds: float, cpu: int | None = None
) -> Iterator[Lane]:
    """Load a generator of *traffic* for a wire whose subject is attached, and measure its pace.

    Args:
        name: of the subject.
        veth: the wire.
        traffic: the packets to send.
        seconds: duration of a slice; much shorter ones measure mostly their beginning and end.
        cpu: CPU of generator and receiver.
    """
    with Flood(veth.sender, IFNAME, traffic, cpu=cpu) as flood:
        count, cost = _WARM_UP, math.inf
        for _ in range(_WARM_UPS):
            # The lowest, since bursts that other work interrupts are short, and cost more a packet.
            cost = min(cost, flood.run(packets=count, seconds=seconds).cpu_ns)
            count = max(_LEAST, int(seconds * 1e9 / cost))
        yield Lane(name, veth, flood, count)


def program(path: Path, name: str, hook: Hook = "ingress", mode: Mode = "native") -> Subject:
    """Make a subject from a program that needs no setup besides loading."""
    return Subject(name, partial(_attached, path, name, hook=hook, mode=mode))


def spin(ns: int) -> Subject:
    """Make a subject that takes *ns* for each packet before it drops it."""
    attach = partial(_attached, BARE, "bare_spin", hook="ingress", mode="native", spin_ns=ns)
    return Subject("spin", attach)


@contextmanager
def _attached(
    path: Path, name: str, ifname: str, *, hook: Hook, mode: Mode, **constants: int
) -> Iterator[None]:
    ifindex = socket.if_nametoindex(ifname)
    with Object.load(path, constants=constants, programs=[name]) as loaded:
        it = loaded.programs[name]
        if hook == "ingress":
            with XdpLink.attach(it, ifindex, mode):
                yield
        elif tcx.supported():
            with tcx.TcxLink.attach(it, ifindex, hook):
                yield
        else:
            place = Filter.attach(it, ifindex, hook)
            try:
                yield
            finally:
                place.detach()


def compare(
    subjects: Sequence[Subject],
    traffic: Traffic,
    *,
    repetitions: int = 15,
    seconds: float = 0.3,
    cpu: int | None = None,
    wires: Callable[[str], AbstractContextManager[Wire]] = wire,
) -> list[Cost]:
    """Measure the cost of *traffic* through each of *subjects*, relative to the first.

    Args:
        subjects: at least one.
        traffic: for subjects that have none of their own.
        repetitions: slices per subject.
        seconds: duration of a slice; much shorter ones measure mostly their beginning and end.
        cpu: CPU of generator and receivers.
        wires: makes the wire of a subject; called with the number of the subject.
    """
    with ExitStack() as stack:
        lanes = []
        for number, subject in enumerate(subjects):
            own = subject.traffic or traffic
            try:
                veth = stack.enter_context(wires(str(number)))
                stack.enter_context(attached(veth, subject.attach))
                made = lane(subject.name, veth, own, seconds=seconds, cpu=cpu)
                lanes.append(stack.enter_context(made))
            except Lacking as error:
                if not number:
                    raise  # there is nothing to compare the others with
                print(f"left out: {subject.name}: {error}")
        costs = [Cost(each.name) for each in lanes]
        for turn in range(repetitions):
            order = [(turn + n) % len(lanes) for n in range(len(lanes))]
            for number in order:
                costs[number].ns.append(_measured(lanes[number]))
    for cost in costs:
        cost.ratios = [a / b for a, b in zip(cost.ns, costs[0].ns, strict=True)]
    return costs


@contextmanager
def attached(veth: Wire, attach: Callable[[str], AbstractContextManager[T]]) -> Iterator[T]:
    """Attach a subject to the receiver of a wire while the body runs, in this namespace."""
    with ExitStack() as inside:
        with veth.receiver.entered():
            there = inside.enter_context(attach(veth.ifname))
        try:
            yield there
        finally:
            with veth.receiver.entered():
                inside.close()


def _measured(it: Lane) -> float:
    result = it.slice()
    if result.lost > _LOST:
        print(f"{it.name}: {result.lost:.0%} of the packets did not arrive")
    return result.ns
