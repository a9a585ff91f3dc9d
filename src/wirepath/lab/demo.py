"""A host under attack goes on serving: ``python -m wirepath.lab.demo``, or ``make demo``.

A client fetches a page again and again while millions of packets per second from 100,000 blocked
sources hit the same interface.  The demo runs wirepath by its command line, as an operator would.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wirepath.errors import KernelError, WirepathError
from wirepath.lab import screen
from wirepath.lab.flood import Flood
from wirepath.lab.network import Host, Lab
from wirepath.lab.traffic import addresses, from_sources, random_sources, syn
from wirepath.lab.web import WebClient, WebServer

_SOURCES: Final = 100_000
_RULE: Final = "blocked"
_POLICY: Final = """\
# What the demo runs: a block list first, then two rules that only count and let through.
[set.blocked]
files = ["blocked.txt"]

[[rule]]
name = "blocked"
match = { src = "@blocked" }
action = "drop"

[[rule]]
name = "web"
match = { proto = "tcp", dport = 80 }
action = "pass"

[[rule]]
name = "ping"
match = { proto = ["icmp", "icmpv6"], icmp_type = "echo-request" }
"""
_CALM_S: Final = 0.5  # of web traffic without the flood, before and after it
_PORTS: Final = range(1024, 65536)  # source ports of the flood
_INTERRUPTED: Final = 130  # exit code that a shell gives after SIGINT


@dataclass(frozen=True, slots=True)
class Wirepath:
    """The command line of wirepath, run on one host.

    Attributes:
        host: the host whose interface it protects.
    """

    host: Host

    def __call__(self, *arguments: str) -> Any:
        """Run ``wirepath ARGUMENTS --json`` and return the JSON that it prints.

        Raises:
            KernelError: the command failed; the message is the command's own.
        """
        argv = [sys.executable, "-m", "wirepath", *arguments, "--json"]
        # In a session of its own, Ctrl-C does not reach the command, so that it can finish.
        done = self.host.namespace.run(argv, capture_output=True, text=True, start_new_session=True)
        if done.returncode != 0:
            doing = f"wirepath {' '.join(arguments)}"
            raise KernelError(doing, what=done.stderr.strip() or f"exit {done.returncode}")
        return json.loads(done.stdout or "null")

    @contextmanager
    def up(self, policy: Path) -> Iterator[float]:
        """Protect the host while the body runs; yield how many seconds `wirepath up` took."""
        begun = time.monotonic()
        self("up", self.host.interface, str(policy))
        try:
            yield time.monotonic() - begun
        finally:
            self("down", self.host.interface)

    def stats(self) -> Any:
        """Return the JSON of ``wirepath stats``."""
        return self("stats", "--iface", self.host.interface)


def run(seconds: float) -> bool:
    """Run the demo; return whether every request was answered and every flood packet dropped.

    Args:
        seconds: duration of the flood.

    Raises:
        WirepathError: this process is not root, or the host lacks a feature.
    """
    sources = random_sources(_SOURCES)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirepath-demo-")))
        (directory / "blocked.txt").write_text("\n".join(addresses(sources)) + "\n")
        (directory / "policy.toml").write_text(_POLICY)
        lab = stack.enter_context(Lab("wp-demo"))
        server, client = lab.server, lab.client
        screen.say(f"lab      {client.ipv4} (client) and {lab.attacker.ipv4} (attacker) "
                   f"reach {server.ipv4} (server)")  # fmt: skip
        wirepath = Wirepath(server)
        took = stack.enter_context(wirepath.up(directory / "policy.toml"))
        screen.say(f"wirepath up on {server.interface}, native, {_SOURCES:,} prefixes blocked, "
                   f"in {took:.2f} s")  # fmt: skip
        traffic = from_sources(syn(server.ipv4, 80), sources, _PORTS)
        *rest, attacking = sorted(os.sched_getaffinity(0))
        flood = stack.enter_context(Flood(lab.net, server.port, traffic, cpu=attacking))
        os.sched_setaffinity(0, rest or [attacking])  # leave the flood a CPU of its own
        stack.enter_context(WebServer(server.namespace))
        with WebClient(client.namespace, [server.ipv4, server.ipv6]) as web:
            time.sleep(_CALM_S)
            flood.start(seconds=seconds)
            screen.watch(flood, web.tally, wirepath.stats)
            flood.stop()
            time.sleep(_CALM_S)
        outcome = screen.Outcome(
            flood.result, web.tally, wirepath.stats(), _RULE, _overflowed(server)
        )
    screen.say(outcome.summary)
    return outcome.success


def _overflowed(host: Host) -> int:
    with host.namespace.netlink() as netlink:
        link = netlink.get_links(ifname=host.interface)[0]
    return int(link.get_attr("IFLA_STATS64")["rx_dropped"])


def main() -> int:
    """Run the demo from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="wirepath.lab.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long the flood lasts")
    seconds = parser.parse_args().seconds
    try:
        return 0 if run(seconds) else 1
    except WirepathError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("demo: interrupted; nothing is left behind", file=sys.stderr)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
