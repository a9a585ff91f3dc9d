"""Turning connection tracking on and off, checked in the kernel's list of connections."""

import socket
import subprocess
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Udp
from wirepath.errors import KernelError
from wirepath.kernel import conntrack
from wirepath.kernel.interface import Interface

pytestmark = pytest.mark.kernel
HERE, THERE = "192.0.2.1", "192.0.2.2"


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True).stdout


def tracked(what: str) -> bool:
    return what in Path("/proc/self/net/nf_conntrack").read_text()


@pytest.fixture
def wired(veth: Interface) -> None:
    subprocess.run(["ip", "address", "add", f"{HERE}/24", "dev", "wp0"], check=True)


def send_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"?", (THERE, 9))


def receive(veth: Interface) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("wp1", 0))
        raw.send(bytes(Eth(dst=b"\xff" * 6) / IPv4(src=THERE, dst=HERE) / Udp(dport=7)))


def test_both_ways(veth: Interface, wired: None) -> None:
    inward, outward = f"src={THERE} dst={HERE}", f"src={HERE} dst={THERE}"
    assert not conntrack.watched("wp0")
    send_out()
    receive(veth)
    assert not tracked(inward)
    assert not tracked(outward)

    conntrack.watch("wp0")
    assert conntrack.watched("wp0")
    send_out()
    receive(veth)
    assert tracked(inward)
    assert tracked(outward)

    conntrack.unwatch("wp0")
    assert not conntrack.watched("wp0")
    assert nft("list", "ruleset") == ""
    conntrack.unwatch("wp0")


def test_leftovers_are_replaced(netns: str) -> None:
    nft("add", "table", "inet", "wirepath_wp0")
    assert not conntrack.watched("wp0")
    for _ in range(2):
        conntrack.watch("wp0")
        assert nft("list", "table", "inet", "wirepath_wp0").count("ct state") == 1
    nft("flush", "table", "inet", "wirepath_wp0")
    assert not conntrack.watched("wp0")


def test_the_rule_is_what_nft_takes(netns: str) -> None:
    conntrack.watch("wp0")
    assert conntrack.rule("wp0") == "inet wirepath_wp0 prerouting ct state invalid"
    nft("--check", "add", "rule", *conntrack.rule("wp0").split())


@pytest.mark.parametrize("one", ["eth0.100", "wg-0", "br@x", "a;b{", '"q', "sch\xf6n", "x*"])
def test_any_name(netns: str, one: str) -> None:
    conntrack.watch(one)
    assert conntrack.watched(one)
    conntrack.unwatch(one)
    assert not conntrack.watched(one)


def test_no_two_interfaces_share_a_table() -> None:
    names = ["a-b", "a_b", "a_2db", "a__b", "a.b"]
    assert len({conntrack.rule(name) for name in names}) == len(names)


def test_others_go_on(netns: str) -> None:
    conntrack.watch("wp0")
    conntrack.watch("wp1")
    conntrack.unwatch("wp0")
    assert conntrack.watched("wp1")


def test_without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    missing = (
        r"^track connections for eth0: the program nft is missing .* \(`apt install nftables`\)$"
    )
    with pytest.raises(KernelError, match=missing):
        conntrack.watch("eth0")


def test_nft_refuses(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conntrack, "_RULE", "no such thing")
    with pytest.raises(KernelError, match=r"^track connections for eth0: syntax error"):
        conntrack.watch("eth0")
