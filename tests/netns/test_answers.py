"""Answers of the datapath, as real programs understand them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EPERM
from pathlib import Path

import pytest

from harness.pair import IFNAME, IPV4, IPV6, Pair, ip
from wirepath.cli import main
from wirepath.datapath import Datapath
from wirepath.kernel import offloads, rtnetlink
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode
from wirepath.kernel.veth import Peer, peer_of
from wirepath.policy import Policy

REJECTING = '[[rule]]\nname = "no"\nmatch = { dport = 23 }\nreject = true\n'


@contextmanager
def serving(hosts: Pair, policy: str, mode: Mode) -> Iterator[Datapath]:
    """Put *policy* on the near host; the far veth takes answers of XDP only with a program too."""
    with hosts.far.entered():
        listener = Datapath.up(IFNAME, Policy.parse(""))
    try:
        with Datapath.up(IFNAME, Policy.parse(policy), mode=mode) as datapath:
            yield datapath
            datapath.down()
    finally:
        with hosts.far.entered(), listener:
            listener.down()


def client(hosts: Pair, address: str, kind: socket.SocketKind) -> socket.socket:
    with hosts.far.entered():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.settimeout(20)
    return made


@pytest.mark.parametrize("mode", ["native", "generic"])
@pytest.mark.parametrize("address", [IPV4[0], IPV6[0]], ids=["ipv4", "ipv6"])
def test_a_connecting_program_is_refused_at_once(hosts: Pair, address: str, mode: Mode) -> None:
    rule = '[[rule]]\nname = "no"\nmatch = { dport = [23, 24] }\nreject = true\n'
    with serving(hosts, rule, mode):
        with (
            client(hosts, address, socket.SOCK_STREAM) as tcp,
            pytest.raises(ConnectionRefusedError),
        ):
            tcp.connect((address, 23))
        with client(hosts, address, socket.SOCK_DGRAM) as udp:
            udp.connect((address, 24))
            # IP_RECVERR: without it "prohibited" is not reported as a refusal.
            udp.setsockopt(socket.IPPROTO_IP, 11, 1)
            if ":" in address:
                udp.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
            udp.send(bytes(600))
            with pytest.raises(OSError, match=r"No route to host|Permission denied"):
                udp.recv(1)


def refused(hosts: Pair) -> bool:
    """Tell whether a RST arrives at a connecting program."""
    with client(hosts, IPV4[0], socket.SOCK_STREAM) as tcp:
        tcp.settimeout(0.5)
        try:
            tcp.connect((IPV4[0], 23))
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    raise AssertionError("a rejected connection was accepted")


def test_a_peer_with_gro_alone_takes_no_answers(
    hosts: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` notes it, `status` warns once it has happened, `doctor` tells it."""
    policy = tmp_path / "policy.toml"
    policy.write_text(REJECTING)
    with hosts.far.entered():
        offloads.put(IFNAME, "gro", on=True)
    assert main(["up", IFNAME, str(policy)]) == 0
    note = capsys.readouterr().err
    assert note.startswith(f"note: {policy}: answers of rule no do not arrive over veth wp0: its")
    assert "wp0 in another network namespace, has no native XDP program (attach one" in note
    assert main(["status", "--check"]) == 0
    assert not refused(hosts)
    capsys.readouterr()
    assert main(["status", "--check"]) == 1
    warned = capsys.readouterr().out
    assert "and none arrives as long as the peer of this veth, wp0, has no native XDP" in warned
    assert main(["doctor", IFNAME, "--json"]) in (0, 1)
    findings = json.loads(capsys.readouterr().out)["findings"]
    [peer] = [finding for finding in findings if finding["name"] == "veth peer"]
    assert peer["ok"] is None
    assert "answers in native mode do not arrive" in peer["detail"]
    with hosts.far.entered():
        listener = Datapath.up(IFNAME, Policy.parse(""))
    assert refused(hosts)
    assert main(["status", "--check"]) == 0
    assert main(["apply", IFNAME, str(policy)]) == 0
    assert main(["doctor", IFNAME]) in (0, 1)
    said = capsys.readouterr()
    assert "note" not in said.err
    assert "takes answers of XDP" in said.out
    with hosts.far.entered():
        listener.down()
    assert main(["apply", IFNAME, str(policy)]) == 0
    assert "do not arrive over veth" in capsys.readouterr().err
    assert main(["down", IFNAME]) == 0


def test_generic_mode_answers_without_a_program_at_the_peer(
    hosts: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(REJECTING)
    assert main(["up", IFNAME, str(policy), "--mode", "generic"]) == 0
    assert refused(hosts)
    assert main(["status", "--check"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["down", IFNAME]) == 0


def test_where_the_peer_is(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert peer_of(Interface.of("lo")) is None
    assert peer_of(Interface.of(IFNAME)) == Peer(IFNAME, here=False, takes_answers=False)
    ip(hosts.near, "link", "add", "one", "type", "veth", "peer", "name", "two")
    assert peer_of(Interface.of("one")) == Peer("two", here=True, takes_answers=False)
    with Datapath.up("two", Policy.parse(""), mode="generic").temporarily():
        assert peer_of(Interface.of("one")) == Peer("two", here=True, takes_answers=False)
    with Datapath.up("two", Policy.parse("")).temporarily():
        assert peer_of(Interface.of("one")) == Peer("two", here=True, takes_answers=True)
    look = rtnetlink.link

    def forbidden(index: int, namespace: int | None = None) -> dict[int, bytes]:
        if namespace is not None:
            raise OSError(EPERM, "not there")
        return look(index)

    monkeypatch.setattr(rtnetlink, "link", forbidden)
    assert peer_of(Interface.of(IFNAME)) == Peer("", here=False, takes_answers=None)


def test_a_peer_that_cannot_be_seen(
    hosts: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(REJECTING)
    unseen = Peer("", here=False, takes_answers=None)
    monkeypatch.setattr("wirepath.datapath.answers.peer_of", lambda _: unseen)
    assert main(["up", IFNAME, str(policy)]) == 0
    assert "need a native XDP program on the peer of veth wp0, which cannot be seen from here" in (
        capsys.readouterr().err
    )
    assert not refused(hosts)
    assert Datapath.open(IFNAME).status().warnings == ()
    assert main(["down", IFNAME]) == 0
