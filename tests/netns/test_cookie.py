"""SYN cookies of a real listener, from XDP."""

import json
import socket
from pathlib import Path

import pytest

from harness.answered import Answer
from harness.flooded import PORT, connected, echo, flood, server
from harness.frames import Eth, HopByHop, IPv4, IPv6, Layer, Tcp, Vlan
from harness.pair import IFNAME, IPV4, IPV6, Pair, python
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.errors import RequestError
from wirepath.kernel.program import XdpAction
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

SETTING = Path("/proc/sys/net/ipv4/tcp_syncookies")


def challenging(value: str = '"cookie"', match: str = f"dport = {PORT}") -> str:
    return f'[[rule]]\nname = "web"\nmatch = {{ {match} }}\nchallenge = {value}\n'


def challenged(datapath: Datapath) -> int:
    reasons = datapath.counters().outcomes.reasons
    return reasons["challenge"].packets if "challenge" in reasons else 0


def counted(name: str) -> int:
    """Read a counter of the kernel in this namespace."""
    lines = Path("/proc/thread-self/net/netstat").read_text().splitlines()
    names, values = (line.split() for line in lines[:2])
    return int(values[names.index(name)])


@pytest.mark.parametrize("address", [IPV4[0], IPV6[0]], ids=["ipv4", "ipv6"])
def test_the_kernel_takes_the_ack_for_its_own(hosts: Pair, address: str) -> None:
    with server(hosts, challenging(), cookies=2) as datapath:
        with connected(hosts, address) as client:
            for _ in range(3):
                echo(client)
            client.sendall(bytes(300_000))
            left = 300_000
            while left:
                left -= len(client.recv(65536))
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) >= 1200
        assert challenged(datapath) == 1
        assert counted("SyncookiesRecv") == 1


def test_in_peace_syns_go_on(hosts: Pair) -> None:
    """No cookie is sent unless the queue is full and the rate is exceeded."""
    with server(hosts, challenging(), cookies=1) as datapath:
        connected(hosts).close()
        assert challenged(datapath) == 0
        datapath.apply(Policy.parse(challenging('{ mode = "cookie", above = "3/min" }')))
        SETTING.write_text("2")
        for _ in range(4):
            connected(hosts).close()
        assert 1 <= challenged(datapath) <= 2


@pytest.mark.parametrize("cookies", [1, 2])
def test_clients_connect_through_a_flood(hosts: Pair, cookies: int) -> None:
    with server(hosts, challenging(), cookies=cookies) as datapath:
        with connected(hosts) as before, flood(hosts) as sending:
            for _ in range(20):
                connected(hosts).close()
                echo(before)
            assert sending.sent > 50_000
        assert challenged(datapath) > 1000


_IPS = [IPv4(dst=IPV4[0]), IPv4(dst=IPV4[0], options=bytes(8)), IPv6(dst=IPV6[0]),
        IPv6(dst=IPV6[0]) / HopByHop()]  # fmt: skip


@pytest.mark.parametrize("link", [Eth(), Eth() / Vlan(3)], ids=["plain", "tagged"])
@pytest.mark.parametrize("between", _IPS, ids=range(len(_IPS)))
def test_bytes(hosts: Pair, link: Layer, between: Layer) -> None:
    """An answer has only the MSS option; SYNs without a listener and other packets go on."""
    SETTING.write_text("2")
    policy = Policy.parse(challenging(match=""))
    with (
        Generation.load(policy, read_contents(policy).members, sizes={"bans": 1}) as generation,
        socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True),
    ):
        head, program = link / between, generation.program
        mss = b"\x02\x04\x05\xb4"
        for options in (b"", mss, mss + bytes(36)):
            frame = bytes(head / Tcp(4321, PORT, "S", seq=0xFFFFFFFF, options=options))
            run = program.test_run(frame)
            assert run.retval == XdpAction.TX
            got = Answer.read(run.frame)
            assert (got.macs, got.tags) == ((frame[6:12], frame[:6]), bytes(link)[12:-2])
            assert (got.ports, got.ack, got.flags) == ((PORT, 4321), 0, "SA")
            own = 65536 - 40 if got.proto == 6 and ":" not in got.ends[0] else 65536 - 60
            assert got.options == b"\x02\x04" + min(own, 65535).to_bytes(2, "big")
        for tcp in (Tcp(4321, PORT + 1), Tcp(4321, PORT, "A"), Tcp(4321, PORT, "SF")):
            assert program.test_run(bytes(head / tcp)).retval == XdpAction.PASS


def test_a_setting_is_changed_by_the_operators_word_alone(hosts: Pair, tmp_path: Path) -> None:
    """`down` restores the setting; a policy that fails to come up changes nothing."""
    SETTING.write_text("0")
    policy = tmp_path / "p.toml"
    policy.write_text(challenging())
    done = hosts.near.run(
        python("-m", "wirepath", "up", IFNAME, str(policy)), capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr.endswith(
        "rule.web: needs net.ipv4.tcp_syncookies to be 1 or 2, it is 0 (set it, or allow it to be "
        "set until `wirepath down`: `--sysctl`)\n"
    )
    assert SETTING.read_text() == "0\n"
    with pytest.raises(RequestError):
        Datapath.up("none0", Policy.load(policy), sysctl=True)
    for words in (["up", IFNAME, str(policy), "--sysctl", "--json"], ["status", "--json"]):
        done = hosts.near.run(python("-m", "wirepath", *words), capture_output=True, text=True)
        assert json.loads(done.stdout)
        assert SETTING.read_text() == "1\n"
    with Datapath.open(IFNAME) as datapath:
        datapath.apply(Policy.parse(""))
        with datapath.reading() as handles:
            assert handles.host == {"sysctls": {"net.ipv4.tcp_syncookies": "0"}}
        datapath.down()
    assert SETTING.read_text() == "0\n"
    with Datapath.up(IFNAME, Policy.parse("")) as datapath:
        with pytest.raises(RequestError):
            datapath.apply(Policy.load(policy))
        datapath.apply(Policy.load(policy), sysctl=True)
        assert SETTING.read_text() == "1\n"
        datapath.down()
    assert SETTING.read_text() == "0\n"
