"""Answers of the datapath, as real programs understand them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.pair import IFNAME, IPV4, IPV6, Pair
from wirepath.datapath import Datapath
from wirepath.kernel.links import Mode
from wirepath.policy import Policy


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
