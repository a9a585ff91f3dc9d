"""A client, a router and a server; a subject may cap the router's interface to the server."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from wirepath.lab.netns import Namespace
from wirepath.lab.signals import ends_on_signals

IFNAME: Final = "wp0"  # of the router, to the server; also of client and server
CLIENT, SERVER = "198.51.100.2", "203.0.113.2"
_ROUTER: Final = {"client": "198.51.100.1", "server": "203.0.113.1"}
_PORT: Final = 9  # closed
_PAYLOAD: Final = 1_400
_PAUSE_S: Final = 0.0005
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Path3:
    """Three namespaces in a row, connected by plain veths.

    Attributes:
        client, router, server: the namespaces; the router forwards.
    """

    client: Namespace
    router: Namespace
    server: Namespace

    def delivered(self) -> tuple[int, int]:
        """Return packets, and bytes of whole frames, that the server's interface has received."""
        with self.server.netlink() as netlink:
            [link] = netlink.get_links(ifname=IFNAME)
        statistics = link.get_attr("IFLA_STATS64")
        return int(statistics["rx_packets"]), int(statistics["rx_bytes"])


@contextmanager
def routed(name: str) -> Iterator[Path3]:
    """Make the path while the body runs; *name* must be unique within the process."""
    ends = [Namespace(f"wp-{os.getpid():x}-{name}{end}") for end in "crs"]
    with ends_on_signals():
        try:
            for namespace in ends:
                namespace.create()
            made = Path3(*ends)
            _connect(made.router, "wp1", made.client, _ROUTER["client"], CLIENT)
            _connect(made.router, IFNAME, made.server, _ROUTER["server"], SERVER)
            with made.router.entered():
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            yield made
        finally:
            for namespace in ends:
                namespace.remove()


def _connect(router: Namespace, port: str, end: Namespace, gateway: str, address: str) -> None:
    peer = {"ifname": IFNAME, "net_ns_fd": end.name}
    with router.netlink() as near, end.netlink() as far:
        near.link("add", ifname=port, kind="veth", peer=peer)
        for netlink, ifname, its in ((near, port, gateway), (far, IFNAME, address)):
            index = netlink.link_lookup(ifname=ifname)[0]
            netlink.link("set", index=index, state="up")
            netlink.addr("add", index=index, address=its, prefixlen=24)
        far.route("add", dst="0.0.0.0/0", gateway=gateway)


@dataclass(frozen=True)
class Delivered:
    """The result of a transfer.

    Attributes:
        sent_bits, bits: bits of whole frames, sent and received.
        seconds: from the first packet to the last.
    """

    sent_bits: int
    bits: int
    seconds: float


def udp(path: Path3, bits_per_s: float, seconds: float, cpus: int) -> Delivered:
    """Send UDP from the client to the server, from *cpus* CPUs at once."""
    _resolve(path)
    before = path.delivered()[1]
    each = bits_per_s / cpus
    with ProcessPoolExecutor(cpus, mp_context=get_context("fork")) as pool:
        begin = time.monotonic() + 0.3
        runs = [pool.submit(_send, path.client, n, each, begin, seconds) for n in range(cpus)]
        spans = [run.result() for run in runs]
    time.sleep(0.1)
    elapsed = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
    frame = _PAYLOAD + 42
    sent = sum(count for _, _, count in spans)
    return Delivered(sent * frame * 8, (path.delivered()[1] - before) * 8, elapsed)


def refill() -> None:
    """Wait until a burst of one second has refilled."""
    time.sleep(1.2)


# Resolves the neighbours' addresses; otherwise packets would be dropped meanwhile.
def _resolve(path: Path3) -> None:
    path.client.run(["ping", "-c", "1", "-W", "2", SERVER], capture_output=True)


# Returns the times of begin and end, and the number of packets sent.
def _send(
    client: Namespace, cpu: int, bits_per_s: float, begin: float, seconds: float
) -> tuple[float, float, int]:
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[cpu]})
    payload, interval = bytes(_PAYLOAD), (_PAYLOAD + 42) * 8 / bits_per_s
    with client.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect((SERVER, _PORT))
    time.sleep(max(0.0, begin - time.monotonic()))
    start, sent = time.monotonic(), 0
    while (now := time.monotonic()) < start + seconds:
        for _ in range(int((now - start) / interval) + 1 - sent):
            try:
                sender.send(payload)
            except ConnectionRefusedError:
                sender.send(payload)  # reports an earlier packet; this one was not sent
            sent += 1
        time.sleep(_PAUSE_S)
    return start, time.monotonic(), sent


def tcp(path: Path3, seconds: int, omit: int = 0) -> float:
    """Run iperf3 for *seconds* after *omit* seconds that do not count; return payload bits/s."""
    server = path.server.spawn(["iperf3", "-s", "-1", "--forceflush"], stdout=-3, stderr=-3)
    try:
        _await_listener(path)
        command = ["iperf3", "-c", SERVER, "-t", str(seconds), "-O", str(omit), "-J"]
        done = path.client.run(command, capture_output=True, text=True, timeout=seconds + omit + 30)
        return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"])
    finally:
        server.terminate()
        server.wait(_PATIENCE_S)


def _await_listener(path: Path3) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if ":5201 " in path.server.run(["ss", "-Hltn"], capture_output=True, text=True).stdout:
            return
        time.sleep(0.05)
    raise TimeoutError("iperf3 does not listen")
