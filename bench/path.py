"""The cost of packets on their whole path, compared: CPU ns per packet over veth, on one CPU.

Every subject has its own namespace and veth and stays attached.  A generator floods the subjects in
turn, A B C A B C, beginning with another one each time.  A figure is the CPU time per packet of the
generator's thread, to which the kernel charges the receiver's softirq.  Other load on the machine
disturbs only the caches; still, trust ratios more than nanoseconds.

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
_WARM_UP = 20_000  # packets, so that the first slice runs under the conditions of later ones
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
class _Load:
    traffic: Traffic
    seconds: float  # per slice
    cpu: int | None
    wires: Callable[[str], AbstractContextManager[Wire]]


@dataclass(frozen=True)
class _Lane:
    subject: Subject
    wire: Wire
    flood: Flood
    count: int  # packets per slice


def program(path: Path, name: str, hook: Hook = "ingress") -> Subject:
    """Make a subject from a program that needs no setup besides loading."""

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
    """Measure the cost of *traffic* through each of *subjects*, relative to the first.

    Args:
        subjects: at least one.
        traffic: for subjects that have none of their own.
        repetitions: slices per subject.
        seconds: duration of a slice; much shorter ones measure mostly their beginning and end.
        cpu: CPU of generator and receivers.
        wires: makes the wire of a subject; called with the number of the subject.
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
    veth = stack.enter_context(load.wires(str(number)))
    stack.enter_context(_attached(veth, subject))
    traffic = subject.traffic or load.traffic
    flood = stack.enter_context(Flood(veth.sender, IFNAME, traffic, cpu=load.cpu))
    count = _WARM_UP
    for _ in range(2):
        cost = flood.run(packets=count, seconds=load.seconds).cpu_ns
        count = max(1_000, int(load.seconds * 1e9 / cost))
    return _Lane(subject, veth, flood, count)


@contextmanager
def _attached(veth: Wire, subject: Subject) -> Iterator[None]:
    with ExitStack() as inside:
        with veth.receiver.entered():
            inside.enter_context(subject.attach(veth.ifname))
        try:
            yield
        finally:
            with veth.receiver.entered():
                inside.close()


def _slice(lane: _Lane) -> float:
    lane.flood.run(packets=lane.count // 10)
    before = lane.wire.received()
    result = lane.flood.run(packets=lane.count)
    arrived = lane.wire.received() - before
    if arrived < lane.count * (1 - _LOST):
        print(f"{lane.subject.name}: {1 - arrived / lane.count:.0%} of the packets did not arrive")
    return result.cpu_s / arrived * 1e9


def main() -> None:
    """Compare programs named on the command line."""
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
