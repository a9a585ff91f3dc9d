"""A guarded WireGuard port, with wireguard-go on both hosts."""

import os
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.pair import IFNAME, IPV4, Pair, ip, run
from harness.wireguard import DATA, INITIATION, message, proved
from wirepath.actions import wireguard
from wirepath.datapath import Datapath
from wirepath.lab.netns import Namespace
from wirepath.policy import Policy

PORT = 51820
TUNNEL = ("10.9.0.1", "10.9.0.2")
_CONTROL = Path("/var/run/wireguard")
_PATIENCE_S = 15.0
_MESSAGES = 12_000
_UNDER_WAY = 50  # fewer datagrams than any queue in wireguard-go and at its interface holds
_ROOM_BYTES = 64 << 20


def policy(public_key: str, more: str = "") -> Policy:
    match = f'match = {{ proto = "udp", dport = {PORT} }}'
    words = f'public_key = "{public_key}"{more}'
    return Policy.parse(f'[[rule]]\nname = "wg"\n{match}\nwireguard = {{ {words} }}\n')


@contextmanager
def up(text: Policy) -> Iterator[Datapath]:
    with Datapath.up(IFNAME, text) as datapath:
        yield datapath
        datapath.down()


@dataclass(frozen=True)
class Keys:
    """A key pair made by ``wg``."""

    private: str
    public: str

    @classmethod
    def make(cls, host: Namespace) -> "Keys":
        private = run(host, "wg", "genkey").strip()
        return cls(private, run(host, "wg", "pubkey", input=private).strip())


@dataclass(frozen=True)
class Peer:
    """A running wireguard-go.

    Attributes:
        host: the host on which it runs.
        name: the name of its interface; unique on the machine.
    """

    host: Namespace
    name: str

    def knows(self, public_key: str, endpoint: str, allowed: str) -> None:
        run(self.host, "wg", "set", self.name, "peer", public_key, "endpoint", endpoint,
            "allowed-ips", allowed)  # fmt: skip

    def shows(self, what: str) -> list[int]:
        """Return the numbers of ``wg show`` for its only peer."""
        return [int(n) for n in run(self.host, "wg", "show", self.name, what).split()[1:]]


@contextmanager
def wireguard_go(host: Namespace, keys: Keys, address: str) -> Iterator[Peer]:
    """Run wireguard-go on *host*, with *address* in the tunnel."""
    peer = Peer(host, host.name)
    process = host.spawn(
        ["wireguard-go", "-f", peer.name], env={**os.environ, "LOG_LEVEL": "error"}
    )
    try:
        await_that((_CONTROL / f"{peer.name}.sock").exists)
        run(host, "wg", "set", peer.name, "listen-port", str(PORT), "private-key", "/dev/stdin",
            input=keys.private)  # fmt: skip
        ip(host, "addr", "add", f"{address}/24", "dev", peer.name)
        ip(host, "link", "set", peer.name, "mtu", "1420", "up")
        yield peer
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)
        with suppress(FileNotFoundError):
            (_CONTROL / f"{peer.name}.sock").unlink()


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def send_through(far: Namespace, near: Namespace, count: int) -> int:
    """Send numbered datagrams through the tunnel; return how many of them arrived."""
    with ExitStack() as stack:
        with near.entered():
            inbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with far.entered():
            out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        inbox.setsockopt(socket.SOL_SOCKET, 33, _ROOM_BYTES)  # SO_RCVBUFFORCE
        inbox.bind((TUNNEL[0], 9))
        inbox.settimeout(_PATIENCE_S)
        came = set()
        with suppress(TimeoutError):
            for number in range(count + _UNDER_WAY):
                if number < count:
                    out.sendto(number.to_bytes(4, "big") + bytes(number % 1388), (TUNNEL[0], 9))
                if number >= _UNDER_WAY:
                    came.add(int.from_bytes(inbox.recv(2048)[:4], "big"))
    return len(came)


def test_a_tunnel_loses_nothing(hosts: Pair) -> None:
    """Every datagram through the tunnel arrives: the guard drops no message."""
    near, far = Keys.make(hosts.near), Keys.make(hosts.far)
    with ExitStack() as stack:
        datapath = stack.enter_context(up(policy(near.public)))
        server = stack.enter_context(wireguard_go(hosts.near, near, TUNNEL[0]))
        client = stack.enter_context(wireguard_go(hosts.far, far, TUNNEL[1]))
        server.knows(far.public, f"{IPV4[1]}:{PORT}", f"{TUNNEL[1]}/32")
        client.knows(near.public, f"{IPV4[0]}:{PORT}", f"{TUNNEL[0]}/32")
        run(hosts.far, "ping", "-c1", "-W5", TUNNEL[0])
        assert send_through(hosts.far, hosts.near, _MESSAGES) == _MESSAGES
        counted = datapath.counters().rules["wg"]
        assert (counted.packets > _MESSAGES, counted.dropped) == (True, 0)


def test_the_protected_host_initiates(hosts: Pair) -> None:
    """The response to its handshake has a mac1 for its own key as well."""
    near, far = Keys.make(hosts.near), Keys.make(hosts.far)
    with ExitStack() as stack:
        datapath = stack.enter_context(up(policy(near.public)))
        client = stack.enter_context(wireguard_go(hosts.near, near, TUNNEL[0]))
        server = stack.enter_context(wireguard_go(hosts.far, far, TUNNEL[1]))
        client.knows(far.public, f"{IPV4[1]}:{PORT}", f"{TUNNEL[1]}/32")
        server.knows(near.public, f"{IPV4[0]}:{PORT}", f"{TUNNEL[0]}/32")
        run(hosts.near, "ping", "-c3", "-i0.2", "-W5", TUNNEL[1])
        counted = datapath.counters().rules["wg"]
        assert (counted.packets >= 4, counted.dropped) == (True, 0)


def test_sessions_are_known_by_their_indexes(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of both directions; messages for no session are dropped once learning is over."""
    monkeypatch.setattr(wireguard, "LEARNING_NS", 1)
    near, far = Keys.make(hosts.near), Keys.make(hosts.far)
    text = policy(near.public, ", indexes = true")
    with ExitStack() as stack:
        datapath = stack.enter_context(up(text))
        server = stack.enter_context(wireguard_go(hosts.near, near, TUNNEL[0]))
        client = stack.enter_context(wireguard_go(hosts.far, far, TUNNEL[1]))
        client.knows(near.public, f"{IPV4[0]}:{PORT}", f"{TUNNEL[0]}/32")
        server.knows(far.public, f"{IPV4[1]}:{PORT}", f"{TUNNEL[1]}/32")
        run(hosts.far, "ping", "-c1", "-W5", TUNNEL[0])
        run(hosts.near, "wg", "set", server.name, "peer", far.public, "remove")
        server.knows(far.public, f"{IPV4[1]}:{PORT}", f"{TUNNEL[1]}/32")
        run(hosts.near, "ping", "-c1", "-W5", TUNNEL[1])
        assert send_through(hosts.far, hosts.near, _MESSAGES // 10) == _MESSAGES // 10
        datapath.apply(text)
        assert send_through(hosts.far, hosts.near, _MESSAGES // 10) == _MESSAGES // 10
        dropped = datapath.counters().rules["wg"].dropped
        with hosts.far.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            for number in range(50):
                forger.sendto(message(DATA, 148, seed=number), (IPV4[0], PORT))
        await_that(lambda: datapath.counters().rules["wg"].dropped == dropped + 50)


def test_who_has_another_key_never_gets_through(hosts: Pair) -> None:
    """The guard drops each initiation with another key; the server sees none."""
    near, far, wrong = (Keys.make(hosts.near) for _ in range(3))
    with ExitStack() as stack:
        datapath = stack.enter_context(up(policy(near.public)))
        server = stack.enter_context(wireguard_go(hosts.near, near, TUNNEL[0]))
        client = stack.enter_context(wireguard_go(hosts.far, far, TUNNEL[1]))
        server.knows(far.public, f"{IPV4[1]}:{PORT}", f"{TUNNEL[1]}/32")
        client.knows(wrong.public, f"{IPV4[0]}:{PORT}", f"{TUNNEL[0]}/32")
        ping = ["ping", "-c8", "-i1", "-W1", TUNNEL[0]]
        assert hosts.far.run(ping, capture_output=True).returncode == 1
        counted = datapath.counters().rules["wg"]
        assert counted.dropped == counted.packets >= 2
        assert datapath.counters().outcomes.reasons["wireguard"].packets == counted.dropped
        assert client.shows("latest-handshakes") == [0]
        [received, transmitted] = client.shows("transfer")
        assert (received, transmitted) == (0, 148 * counted.packets)


def test_what_was_seen_outlives_an_apply(hosts: Pair) -> None:
    key = os.urandom(32)
    text = policy(b64encode(key).decode())
    with ExitStack() as stack:
        datapath = stack.enter_context(up(text))
        inbox = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        inbox.bind((IPV4[0], PORT))
        inbox.settimeout(0.5)
        with hosts.far.entered():
            out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        first, second, third = (proved(INITIATION, key, seed=n) for n in range(3))
        for message in (first, first, second):
            out.sendto(message, (IPV4[0], PORT))
        datapath.apply(text)
        for message in (first, second, third):
            out.sendto(message, (IPV4[0], PORT))
        assert [inbox.recv(2048) for _ in range(3)] == [first, second, third]
        with suppress(TimeoutError):
            raise AssertionError(inbox.recv(2048))
        assert datapath.counters().rules["wg"].dropped == 3
