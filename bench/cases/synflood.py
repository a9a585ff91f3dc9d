"""SYN floods: the share of real connections that succeed, and the cost of a SYN."""

import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from results import Row, Table
from wirepath.bench.path import BARE
from wirepath.bench.wire import ADDRESS, IFNAME, MAC, Wire, wire
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program
from wirepath.lab.flood import Flood
from wirepath.lab.netns import Namespace, tune_veth
from wirepath.lab.traffic import random_sources, syn, written_out
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

PORT: Final = 80
CLIENTS: Final = [f"192.0.2.{n}" for n in range(10, 210)]
FORGED: Final = 262_144  # source addresses of the flood
AGAIN: Final = BARE.with_name("again.bpf.o")
_PATIENCE_S: Final = 3.0
_SPACING_S: Final = 0.02
_PPS: Final = 1_000_000
_BURST_S: Final = 0.1
_RUNS: Final = 200_000

_SERVER: Final = f"""
import socket
server = socket.create_server(("", {PORT}), backlog=4096)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""

# For the senders' side: drops the answers of the server to forged addresses.
_SENDERS: Final = """
[datapath]
default = "drop"
[[rule]]
name = "clients"
match = { dst = "192.0.2.0/24" }
action = "pass"
"""

_CHALLENGE: Final = """
[[rule]]
name = "web"
match = {{ proto = "tcp", dport = 80 }}
challenge = {}
"""


@dataclass(frozen=True)
class Way:
    """A defence against the flood.

    Attributes:
        name: its name in the table.
        policy: the policy of the server.
        cookies: the sysctl tcp_syncookies of the server.
        goal: percentage of connections that should succeed; None: no goal.
    """

    name: str
    policy: str
    cookies: int
    goal: float | None = None


_RESET: Final = _CHALLENGE.format('"reset"')
_ABOVE: Final = _CHALLENGE.format('{ mode = "reset", above = "1000/s" }')
_COOKIE: Final = _CHALLENGE.format('"cookie"')
WAYS: Final = (
    Way("nothing", "", 0),
    Way("tcp_syncookies = 1", "", 1),
    Way("challenge reset", _RESET, 0, 99.0),
    Way("challenge reset above 1000/s", _ABOVE, 0, 99.0),
    Way("challenge cookie", _COOKIE, 2, 99.0),
)


def measure(directory: Path, repetitions: int) -> Iterator[Table]:  # noqa: ARG001 - no files
    """Measure connections during a flood, then the cost of a SYN."""
    yield _connections(max(1, repetitions // 5))
    yield _costs(repetitions)


def _connections(repetitions: int) -> Table:
    shares: dict[str, list[float]] = {way.name: [] for way in WAYS}
    rates: dict[str, list[float]] = {way.name: [] for way in WAYS}
    with wire("syn") as made, _server(made):
        _configure(made)
        for _ in range(repetitions):
            for way in WAYS:
                share, rate = _through(made, way)
                shares[way.name].append(share)
                rates[way.name].append(rate)
    table = Table("connections within 3 s during a SYN flood from random sources, and the flood")
    for way in WAYS:
        got, sent = shares[way.name], [rate / 1e6 for rate in rates[way.name]]
        middle = statistics.median(got)
        table.rows.append(
            Row(way.name, middle, "%", min(got), max(got), goal=way.goal, at_least=True)
        )
        table.rows.append(
            Row(f"{way.name}: flood", statistics.median(sent), "Mpps", min(sent), max(sent))
        )
    return table


def _configure(made: Wire) -> None:
    tune_veth(made.sender, IFNAME)
    with made.sender.netlink() as netlink:
        index = netlink.link_lookup(ifname=IFNAME)[0]
        for client in CLIENTS:
            netlink.addr("add", index=index, address=client, prefixlen=24)


@contextmanager
def _server(made: Wire) -> Iterator[None]:
    argv = [sys.executable, "-c", _SERVER]
    with made.receiver.spawn(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield
        finally:
            process.kill()


@contextmanager
def _serving(made: Wire, way: Way) -> Iterator[None]:
    with ExitStack() as stack:
        with made.receiver.entered():
            Path("/proc/sys/net/ipv4/tcp_syncookies").write_text(str(way.cookies))
        for end, policy in ((made.sender, _SENDERS), (made.receiver, way.policy)):
            with end.entered():
                datapath = stack.enter_context(Datapath.up(IFNAME, Policy.parse(policy)))
            stack.callback(_down, end, datapath)
        yield


def _down(end: Namespace, datapath: Datapath) -> None:
    with end.entered():
        datapath.down()


def _through(made: Wire, way: Way) -> tuple[float, float]:
    # Returns the percentage of connections that succeed, and packets per second of the flood.
    traffic = written_out(syn(ADDRESS, PORT, mac=MAC), random_sources(FORGED))
    with _serving(made, way), Flood(made.sender, IFNAME, traffic) as flood:
        over = threading.Event()
        flooding = threading.Thread(target=_pace, args=(flood, over))
        flooding.start()
        time.sleep(1.0)
        sent, begun = flood.sent, time.monotonic()
        with made.sender.entered():
            succeeded = _connect_all()
        rate = (flood.sent - sent) / (time.monotonic() - begun)
        over.set()
        flooding.join()
    return 100 * succeeded / len(CLIENTS), rate


def _pace(flood: Flood, over: threading.Event) -> None:
    # In bursts, since a flood has no rate of its own; the receiver may be slower than the rate.
    due = time.monotonic()
    while not over.is_set():
        flood.run(packets=int(_PPS * _BURST_S))
        due = max(due + _BURST_S, time.monotonic() - _BURST_S)
        time.sleep(max(0.0, due - time.monotonic()))


def _connect_all() -> int:
    waiting: dict[int, tuple[socket.socket, float]] = {}
    poll = select.poll()
    todo, succeeded = list(CLIENTS), 0
    while todo or waiting:
        now = time.monotonic()
        if todo:
            client = socket.socket()
            client.setblocking(False)  # noqa: FBT003 - the name is the socket's
            client.bind((todo.pop(), 0))
            client.connect_ex((ADDRESS, PORT))
            waiting[client.fileno()] = (client, now + _PATIENCE_S)
            poll.register(client, select.POLLOUT)
        for number, _ in poll.poll(_SPACING_S * 1000):
            client, _ = waiting.pop(number)
            poll.unregister(client)
            succeeded += not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            client.close()
        for number, (client, until) in list(waiting.items()):
            if until < now:
                del waiting[number]
                poll.unregister(client)
                client.close()
        time.sleep(max(0.0, now + _SPACING_S - time.monotonic()) if todo else 0)
    return succeeded


def _costs(repetitions: int) -> Table:
    bare: list[float] = []
    asked = _CHALLENGE.format('{ mode = "reset", above = "1000m/s" }')
    cases = {
        "SYN, challenged": (_RESET, _frame(0x02)),
        "SYN, rate not exceeded": (asked, _frame(0x02)),
        "RST of another number": (_RESET, _frame(0x04)),
        "ACK": (_RESET, _frame(0x10)),
        "ACK, no rule": ("", _frame(0x10)),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    with ExitStack() as stack:
        baseline = stack.enter_context(Object.load(BARE, programs=["bare_drop"]))
        subjects = {
            name: _again(stack, frame, stack.enter_context(_loaded(policy)).program)
            for name, (policy, frame) in cases.items()
        }
        nothing = _again(stack, _frame(0x02), baseline.programs["bare_drop"])
        for _ in range(repetitions):
            bare.append(nothing.nanoseconds(bytes(64), repeat=_RUNS))
            for name, subject in subjects.items():
                found[name].append(subject.nanoseconds(bytes(64), repeat=_RUNS) - bare[-1])
    return Table(
        "a packet by test run, beyond a bare drop",
        [Row(name, statistics.median(ns), "ns", min(ns), max(ns)) for name, ns in found.items()],
    )


def _frame(flags: int) -> bytes:
    template = syn(ADDRESS, PORT, mac=MAC)
    frame = bytearray(template.frame.ljust(64, b"\0"))
    at, layer4 = template.config["saddr"], template.config["sport"]
    frame[at : at + 4] = socket.inet_aton("198.51.100.1")
    frame[layer4 + 13] = flags
    return bytes(frame)


def _loaded(text: str) -> Generation:
    policy = Policy.parse(text)
    return Generation.load(policy, read_contents(policy).members, sizes={"bans": 1})


def _again(stack: ExitStack, frame: bytes, program: Program) -> Program:
    words = np.frombuffer(frame, dtype=np.uint64).tolist()
    loaded = stack.enter_context(Object.load(AGAIN, constants={"frame": words}, programs=["again"]))
    loaded.maps["under_test"][0] = program.fd
    return loaded.programs["again"]
