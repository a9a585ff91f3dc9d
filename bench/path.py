"""What packets cost on their whole way, side by side: CPU ns a packet over veth, on one CPU.

Every subject gets a namespace and a veth of its own and stays attached; a generator floods them in
turn, A B C A B C, beginning with another one each time.  A figure is the CPU time of the generating
thread, to which the kernel charges the receiver's softirq, divided by the packets.  What else the
machine does disturbs caches only; still, read ratios, not nanoseconds.

    python bench/path.py --sources 100000 build/bare.bpf.o:bare_drop mine.bpf.o:program
"""

import argparse
import socket
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wire import ADDRESS, IFNAME, MAC, Wire, wire
from wirepath.kernel.links import XdpLink
from wirepath.kernel.object import Object
from wirepath.kernel.tcx import TcxLink
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import Traffic, from_sources, random_sources, udp
from wirepath.net import Hook

BARE = Path(__file__).parents[1] / "build" / "bare.bpf.o"
_WARM_UP = 20_000  # packets, so that the first slice finds what later ones find
_LOST = 0.05  # of a slice: what overflows a ring costs less than what arrives


@dataclass(frozen=True)
class Subject:
    """Something that packets are sent through.

    Attributes:
        name: for the table.
        attach: called with the interface's name in the receiver's namespace; what it returns keeps
            the subject in place until it is left.
        traffic: what to send it, if not what the others get.
    """

    name: str
    attach: Callable[[str], AbstractContextManager[object]]
    traffic: Traffic | None = None


@dataclass
class Cost:
    """What a subject came to.

    Attributes:
        name: of the subject.
        ns: CPU time a packet, a figure a repetition.
        ratios: the same against the first subject's figure of that repetition.
    """

    name: str
    ns: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """CPU ns a packet."""
        return statistics.median(self.ns)

    @property
    def ratio(self) -> float:
        """How many times the first subject's cost, the median of paired ratios."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        spread = f"[{min(self.ns):.0f} .. {max(self.ns):.0f}]"
        return f"{self.median:9.1f} ns  x {self.ratio:5.2f}  {spread:16}  {self.name}"


@dataclass(frozen=True)
class _Load:
    traffic: Traffic
    seconds: float  # a slice
    cpu: int | None
    wires: Callable[[str], AbstractContextManager[Wire]]


@dataclass(frozen=True)
class _Lane:
    subject: Subject
    way: Wire
    flood: Flood
    count: int  # packets a slice


def program(path: Path, name: str, hook: Hook = "ingress") -> Subject:
    """Make a subject of a program that needs nothing but to be loaded."""

    @contextmanager
    def attach(ifname: str) -> Iterator[None]:
        ifindex = socket.if_nametoindex(ifname)
        with Object.load(path, programs=[name]) as loaded:
            it = loaded.programs[name]
            xdp = hook == "ingress"
            with XdpLink.attach(it, ifindex) if xdp else TcxLink.attach(it, ifindex, hook):
                yield

    return Subject(name, attach)


def compare(
    subjects: Sequence[Subject],
    traffic: Traffic,
    *,
    repetitions: int = 15,
    seconds: float = 0.3,
    cpu: int | None = None,
    wires: Callable[[str], AbstractContextManager[Wire]] = wire,
) -> list[Cost]:
    """Send *traffic* through each of *subjects*; the first is what the others are held against.

    Args:
        subjects: at least one.
        traffic: for those that have none of their own.
        repetitions: slices a subject.
        seconds: of a slice; one far shorter measures how a test run begins and ends.
        cpu: where generator and receivers run.
        wires: makes a subject's wire, called with its number.
    """
    costs = [Cost(subject.name) for subject in subjects]
    load = _Load(traffic, seconds, cpu, wires)
    with ExitStack() as stack:
        lanes = [_lane(stack, number, subject, load) for number, subject in enumerate(subjects)]
        for turn in range(repetitions):
            order = [(turn + n) % len(lanes) for n in range(len(lanes))]
            for number in order:
                costs[number].ns.append(_slice(lanes[number]))
    for cost in costs:
        cost.ratios = [a / b for a, b in zip(cost.ns, costs[0].ns, strict=True)]
    return costs


def _lane(stack: ExitStack, number: int, subject: Subject, load: _Load) -> _Lane:
    way = stack.enter_context(load.wires(str(number)))
    stack.enter_context(_attached(way, subject))
    traffic = subject.traffic or load.traffic
    flood = stack.enter_context(Flood(way.sender, IFNAME, traffic, cpu=load.cpu))
    count = _WARM_UP
    for _ in range(2):
        cost = flood.run(packets=count, seconds=load.seconds).cpu_ns
        count = max(1_000, int(load.seconds * 1e9 / cost))
    return _Lane(subject, way, flood, count)


@contextmanager
def _attached(way: Wire, subject: Subject) -> Iterator[None]:
    with ExitStack() as inside:
        with way.receiver.entered():
            inside.enter_context(subject.attach(way.ifname))
        try:
            yield
        finally:
            with way.receiver.entered():
                inside.close()


def _slice(lane: _Lane) -> float:
    lane.flood.run(packets=lane.count // 10)
    before = lane.way.received()
    result = lane.flood.run(packets=lane.count)
    arrived = lane.way.received() - before
    if arrived < lane.count * (1 - _LOST):
        print(f"{lane.subject.name}: {1 - arrived / lane.count:.0%} of the packets did not arrive")
    return result.cpu_s / arrived * 1e9


def main() -> None:
    """Compare objects named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("objects", nargs="+", help="OBJECT:PROGRAM; the first is the baseline")
    parser.add_argument("--sources", type=int, default=100_000, help="random, in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a slice")
    parser.add_argument("--cpu", type=int)
    asked = parser.parse_args()
    subjects = [program(Path(path), name) for path, name in (o.split(":") for o in asked.objects)]
    traffic = from_sources(udp(ADDRESS, 9, mac=MAC), random_sources(asked.sources, seed=asked.seed))
    for cost in compare(
        subjects, traffic, repetitions=asked.repetitions, seconds=asked.seconds, cpu=asked.cpu
    ):
        print(cost)


if __name__ == "__main__":
    main()
