"""Frames for other hosts' MACs, on real devices: no answer, limit or ban is for them."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.frames import Eth, Frame, IPv4, Tcp, Udp
from harness.pair import IFNAME, IPV4, Pair, ip, run
from wirepath.datapath import Datapath
from wirepath.datapath.generation import load
from wirepath.kernel.interface import mac_of
from wirepath.kernel.links import Mode
from wirepath.policy import Policy

OTHER = bytes.fromhex("020000000099")
GROUP = bytes.fromhex("01005e000001")
_PATIENCE_S = 20.0
# Bans are for packets of its rule, so that a ban does not hide the answers.
LIMITING = """
[[rule]]
name = "few"
hook = "{hook}"
match = {{ proto = "udp", dport = 53 }}
limit = {{ rate = "1/h", burst = 2, per = "src", ban = "1h", ban_scope = "rule" }}
"""
ANSWERING = '[[rule]]\nname = "no"\nmatch = { proto = "tcp", dport = 23 }\nreject = true\n'


def udp(to: bytes) -> Frame:
    return Eth(dst=to) / IPv4(src=IPV4[1], dst=IPV4[0]) / Udp(dport=53)


def syn(to: bytes) -> Frame:
    return Eth(dst=to) / IPv4(src=IPV4[1], dst=IPV4[0]) / Tcp(flags="S", dport=23)


def send(hosts: Pair, *frames: Frame) -> None:
    with hosts.far.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((IFNAME, 0))
        for frame in frames:
            raw.send(bytes(frame))


def await_counted(datapath: Datapath, rule: str, packets: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while (counted := datapath.counters().rules[rule].packets) < packets:
        assert time.monotonic() < deadline, counted
        time.sleep(0.01)
    assert counted == packets


def limited(hosts: Pair, datapath: Datapath, to: bytes) -> bool:
    """Send more frames than the limit allows, and tell whether it has dropped and banned."""
    before = datapath.counters().rules["few"]
    send(hosts, *[udp(to)] * 5)
    await_counted(datapath, "few", before.packets + 5)
    dropped = datapath.counters().rules["few"].dropped - before.dropped
    assert dropped in (0, 3, 5)  # the second time, the burst is used up
    assert bool(list(datapath.bans)) == bool(dropped)
    datapath.bans.remove_all()
    return bool(dropped)


@contextmanager
def answers(hosts: Pair) -> Iterator[Callable[[], int]]:
    """Yield a function that counts the RSTs that have arrived at the far host since its last call.

    It pings first: on this cable an answer to a ping overtakes no other.
    """
    with hosts.far.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.bind((IFNAME, 0x0800))
        raw.settimeout(0)

        def count() -> int:
            run(hosts.far, "ping", "-c", "1", "-W", "5", IPV4[0])
            return sum(frame[23] == 6 and bool(frame[47] & 4) for frame in arrived(raw))

        yield count


def arrived(raw: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield raw.recv(2048)


@contextmanager
def serving(hosts: Pair, text: str, mode: Mode = "native") -> Iterator[Datapath]:
    """Put a policy on the near host; the far veth takes answers of XDP only with a program too."""
    with hosts.far.entered():
        listener = Datapath.up(IFNAME, Policy.parse(""))
    try:
        with Datapath.up(IFNAME, Policy.parse(text), mode=mode).temporarily() as datapath:
            yield datapath
    finally:
        with hosts.far.entered():
            listener.down()


HOOKS = [("ingress", "native"), ("ingress", "generic"), ("tc_ingress", "native")]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "copied"])
@pytest.mark.parametrize(("hook", "mode"), HOOKS)
def test_limits_and_bans(
    hosts: Pair, hook: str, mode: Mode, *, typed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a promiscuous interface; *typed* is false as on Linux 6.1."""
    monkeypatch.setattr(load, "has_function", lambda _: typed)
    ip(hosts.near, "link", "set", IFNAME, "promisc", "on")
    with serving(hosts, LIMITING.format(hook=hook), mode) as datapath:
        assert not limited(hosts, datapath, OTHER)
        assert limited(hosts, datapath, mac_of(IFNAME))


def test_groups_are_ours(hosts: Pair) -> None:
    with serving(hosts, LIMITING.format(hook="ingress")) as datapath:
        assert limited(hosts, datapath, GROUP)
    with serving(hosts, LIMITING.format(hook="tc_ingress")) as datapath:
        assert limited(hosts, datapath, b"\xff" * 6)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_answers(hosts: Pair, mode: Mode) -> None:
    with serving(hosts, ANSWERING, mode) as datapath, answers(hosts) as count:
        send(hosts, *[syn(OTHER)] * 3)
        await_counted(datapath, "no", 3)
        assert count() == 0
        send(hosts, *[syn(mac_of(IFNAME))] * 3)
        assert count() == 3
        assert datapath.counters().rules["no"].packets == 6


def test_the_policy_may_ask_for_them(hosts: Pair) -> None:
    judging = '[datapath]\nforeign_frames = "judge"\n'
    with serving(hosts, judging + LIMITING.format(hook="ingress") + ANSWERING) as datapath:
        assert limited(hosts, datapath, OTHER)
        with answers(hosts) as count:
            send(hosts, syn(OTHER))
            assert count() == 1
    with serving(hosts, judging + LIMITING.format(hook="tc_ingress")) as datapath:
        assert limited(hosts, datapath, OTHER)


@pytest.mark.parametrize(("hook", "mode"), HOOKS)
def test_a_new_mac_takes_effect_at_once(hosts: Pair, hook: str, mode: Mode) -> None:
    """Linux 6.1 goes on to judge frames for the old one, until the next `apply`."""
    with serving(hosts, LIMITING.format(hook=hook), mode) as datapath:
        old = mac_of(IFNAME)
        ip(hosts.near, "link", "set", IFNAME, "address", "02:00:00:00:00:77")
        assert not limited(hosts, datapath, old)
        assert limited(hosts, datapath, mac_of(IFNAME))


@pytest.mark.parametrize(("hook", "mode"), HOOKS)
def test_a_bridge_takes_frames_for_others(hosts: Pair, hook: str, mode: Mode) -> None:
    """The frames of a port go on to other hosts, so they are judged; also if it comes later."""
    with serving(hosts, LIMITING.format(hook=hook), mode) as datapath:
        assert not limited(hosts, datapath, OTHER)
        ip(hosts.near, "link", "add", "br0", "type", "bridge")
        ip(hosts.near, "link", "set", IFNAME, "master", "br0")
        assert limited(hosts, datapath, OTHER)


def test_a_bridge_itself(hosts: Pair) -> None:
    """It takes frames for the MACs of all its ports."""
    ip(hosts.near, "link", "add", "br0", "address", "02:00:00:00:00:78", "type", "bridge")
    ip(hosts.near, "link", "set", IFNAME, "master", "br0")
    ip(hosts.near, "link", "set", "br0", "up")
    policy = Policy.parse(LIMITING.format(hook="ingress"))
    with Datapath.up("br0", policy, mode="generic").temporarily() as datapath:
        assert limited(hosts, datapath, mac_of("br0"))
        assert limited(hosts, datapath, mac_of(IFNAME))


@pytest.mark.parametrize(("hook", "mode"), HOOKS)
def test_a_macvlan_on_top(hosts: Pair, hook: str, mode: Mode) -> None:
    made = hosts.near.run(
        ("ip", "link", "add", "mv0", "link", IFNAME, "type", "macvlan"), check=False
    )
    if made.returncode:
        pytest.skip("this kernel has no macvlan")
    with serving(hosts, LIMITING.format(hook=hook), mode) as datapath:
        assert limited(hosts, datapath, mac_of("mv0"))
    if hook == "ingress":
        ip(hosts.near, "link", "set", "mv0", "up")
        policy = Policy.parse(LIMITING.format(hook=hook))
        with Datapath.up("mv0", policy, mode="generic").temporarily() as datapath:
            assert limited(hosts, datapath, mac_of("mv0"))


def test_loopback(hosts: Pair, bpffs: Path) -> None:
    policy = Policy.parse(LIMITING.format(hook="ingress"))
    with (
        Datapath.up("lo", policy, mode="generic").temporarily() as datapath,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        for _ in range(5):
            sender.sendto(b"x", ("127.0.0.1", 53))
        await_counted(datapath, "few", 5)
        assert datapath.counters().rules["few"].dropped == 3
