"""Limits on live traffic: real connections, and state that survives applies and kill -9."""

import socket

import pytest

from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, IPV6, Pair, await_port, python, run, running
from wirepath.datapath import Datapath
from wirepath.kernel.links import Mode
from wirepath.net import Prefix
from wirepath.policy import Policy

_SSH = """
[[rule]]
name = "ssh"
match = { proto = "tcp", dport = 2222, tcp_flags = "syn" }
limit = { rate = "5/min", per = "src", ban = "5min" }
"""
_SERVE = (
    "import socket, sys\n"
    "server = socket.create_server((sys.argv[1], 2222), family=int(sys.argv[2]), backlog=64)\n"
    "print('ready', flush=True)\n"
    "while True:\n"
    "    client, _ = server.accept()\n"
    "    client.sendall(b'SSH-2.0-test')\n"
    "    client.close()\n"
)
_TRY = (
    "import socket, sys\n"
    "try:\n"
    "    with socket.create_connection((sys.argv[1], 2222), timeout=0.8) as it:\n"
    "        it.settimeout(20)\n"
    "        print(it.recv(64).decode())\n"
    "except TimeoutError:\n"
    "    print('refused')\n"
)


def attempt(hosts: Pair, address: str) -> str:
    return run(hosts.far, *python("-c", _TRY, address)).strip()


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_the_sixth_attempt_is_refused_and_bans(hosts: Pair, mode: Mode) -> None:
    """Real connections over IPv4 and IPv6; the ban survives an apply and is lifted by hand."""
    with Datapath.up(IFNAME, Policy.parse(_SSH), mode=mode) as datapath:
        for address, source in ((IPV4[0], IPV4[1]), (IPV6[0], "2001:db8:a::/64")):
            family = str(int(socket.AF_INET6 if ":" in address else socket.AF_INET))
            server = python("-c", _SERVE, address, family)
            with running(hosts.near, *server, ready="ready"):
                await_port(hosts.near, 2222, address)
                tries = [attempt(hosts, address) for _ in range(6)]
                assert tries == ["SSH-2.0-test"] * 5 + ["refused"]
                [ban] = [ban for ban in datapath.bans.all() if str(ban.prefix) == source]
                assert (ban.rule, ban.scope) == ("ssh", None)
                assert ban.remaining_s is not None
                assert 290 < ban.remaining_s <= 300
        counted = datapath.counters().rules["ssh"]
        assert counted.exceeded == counted.dropped == 2
        datapath.apply(Policy.parse(_SSH + '[[rule]]\nname = "other"\n'))
        assert [ban.rule for ban in datapath.bans.all()] == ["ssh", "ssh"]
        assert datapath.bans.remove(Prefix.parse(IPV4[1]))
        assert len(datapath.bans.all()) == 1
        datapath.down()


_SLOW = (
    '[[rule]]\nname = "{0}"\nmatch = {{ dport = 6001 }}\nlimit = {{ rate = "3/h", per = "src" }}\n'
)


def _map(datapath: Datapath, name: str) -> int:
    with datapath.reading() as handles:
        return handles.maps[name].id


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_what_a_limit_remembers_goes_on_over_applies(hosts: Pair, mode: Mode) -> None:
    """In the same map, in a larger one, and with another policy; but not under another name."""
    ports = [6001]
    many = "".join(_SLOW.format(f"more{n}") for n in range(4)).replace("6001", "6002")
    with Datapath.up(IFNAME, Policy.parse(_SLOW.format("slow")), mode=mode) as datapath:
        with Inbox(hosts.near, ports) as inbox:
            send(hosts.far, ports)
            assert inbox.take() == {6001: [0, 1, 2]}
            before = _map(datapath, "limit_buckets")
            for rest, grows in (('[[rule]]\nname = "count"\n', False), (many, True), ("", False)):
                datapath.apply(Policy.parse(_SLOW.format("slow") + rest))
                send(hosts.far, ports)
                assert inbox.take() == {6001: []}
                assert (_map(datapath, "limit_buckets") != before) == grows
                before = _map(datapath, "limit_buckets")
            datapath.apply(Policy.parse(_SLOW.format("another")))
            send(hosts.far, ports)
            assert inbox.take() == {6001: [0, 1, 2]}
        datapath.down()
