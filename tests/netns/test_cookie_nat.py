"""SYN cookies where NAT moves ports: refused, unless the operator writes otherwise."""

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.flooded import PORT, connect, connected, server
from harness.pair import IFNAME, IPV4, IPV6, Pair, python, run
from wirepath.datapath import Datapath
from wirepath.errors import RequestError
from wirepath.kernel import nft_uses
from wirepath.policy import Policy

if TYPE_CHECKING:
    from subprocess import CompletedProcess

OTHER = PORT + 1
INSIDE = "10.77.0.2"


def policy(port: int = PORT, more: str = "", match: str = "") -> str:
    return f"""
[[rule]]
name = "web"
match = {{ proto = "tcp", dport = {port}{match} }}
challenge = {{ mode = "cookie"{more} }}
"""


def nat(hosts: Pair, rule: str, family: str = "inet", hook: str = "prerouting") -> None:
    """Replace the rule set of the near host by one rule."""
    table = f"table {family} wpnat"
    chain = f"type nat hook {hook} priority -100; {rule}"
    text = f"add {table}\ndelete {table}\n{table} {{\nchain c {{ {chain};\n}}\n}}\n"
    run(hosts.near, "nft", "-f", "-", input=text)


def docker(hosts: Pair, port: int = PORT) -> None:
    """Publish *port* as Docker does; its proxy listens at the same port of the host."""
    text = f"""
    table ip nat {{
        chain PREROUTING {{
            type nat hook prerouting priority -100
            fib daddr type local jump DOCKER
        }}
        chain OUTPUT {{
            type nat hook output priority -100
            ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER
        }}
        chain DOCKER {{
            iifname "docker0" return
            iifname != "docker0" tcp dport {port} dnat to {INSIDE}:80
        }}
    }}
    """
    run(hosts.near, "nft", "-f", "-", input=text)


def handle(hosts: Pair, word: str) -> str:
    listed = run(hosts.near, "nft", "-a", "list", "ruleset").splitlines()
    return next(line for line in listed if word in line).split()[-1]


def wirepath(hosts: Pair, *words: str) -> "CompletedProcess[str]":
    return hosts.near.run(python("-m", "wirepath", *words), capture_output=True, text=True)


def refused(text: str) -> str:
    with pytest.raises(RequestError) as error:
        Datapath.up(IFNAME, Policy.parse(text))
    assert Datapath.names() == []
    return str(error.value)


def test_a_redirected_port(hosts: Pair) -> None:
    """The connection would be reset: the cookie is of the listener that NAT bypasses."""
    nat(hosts, f"tcp dport {PORT} redirect to :{OTHER}")
    with (
        server(hosts, policy(more=', nat = "ignore"'), cookies=2) as datapath,
        socket.create_server(("::", OTHER), family=socket.AF_INET6, dualstack_ipv6=True),
    ):
        for address in (IPV4[0], IPV6[0]):
            assert connect(hosts, address, patience_s=3) is None
        assert datapath.status().warnings == ()
    said = refused(policy())
    where = f"rule {handle(hosts, 'redirect')} of nft chain inet wpnat c (redirect)"
    assert said == (
        f"rule.web: port {PORT} is moved elsewhere by {where}, and SYN cookies are those of the "
        'listener on the port itself (leave the port out, use mode = "reset", or write nat = '
        '"ignore")'
    )


def test_dockers_shape(hosts: Pair) -> None:
    docker(hosts)
    assert f"port {PORT} is moved elsewhere by rule" in refused(policy())
    assert "nft chain ip nat DOCKER (dnat)" in refused(policy())
    # The service on another port of a Docker host is none of NAT's business.
    with (
        server(hosts, policy(OTHER), cookies=2) as datapath,
        socket.create_server((IPV4[0], OTHER)) as listener,
    ):
        with hosts.far.entered():
            client = socket.create_connection((IPV4[0], OTHER), timeout=20)
        with client, listener.accept()[0] as accepted:
            accepted.sendall(b"!")
            assert client.recv(9) == b"!"
        assert datapath.counters().outcomes.reasons["challenge"].packets == 1
        assert datapath.status().warnings == ()


def test_a_port_that_docker_does_not_publish(hosts: Pair) -> None:
    docker(hosts, OTHER)
    with server(hosts, policy(), cookies=2) as datapath:
        for address in (IPV4[0], IPV6[0]):
            connected(hosts, address).close()
        assert datapath.counters().outcomes.reasons["challenge"].packets == 2


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        ("udp dport {port} redirect to :9", ""),
        ('iifname "docker0" tcp dport {port} redirect to :9', ""),
        ("ip daddr 10.0.0.0/8 tcp dport {port} redirect to :9", f', dst = "{IPV4[0]}"'),
        ("ip saddr 10.0.0.0/8 tcp dport {port} redirect to :9", ', src = "198.51.100.0/24"'),
        ("meta nfproto ipv4 tcp dport {port} redirect to :9", ', dst = "2001:db8::/32"'),
    ],
)
def test_others_packets_are_none_of_ours(hosts: Pair, rule: str, match: str) -> None:
    nat(hosts, rule.format(port=PORT))
    Path("/proc/sys/net/ipv4/tcp_syncookies").write_text("2")
    with Datapath.up(IFNAME, Policy.parse(policy(match=match))) as datapath:
        assert datapath.status().warnings == ()
        datapath.down()


def test_a_reset_is_never_misled(hosts: Pair) -> None:
    nat(hosts, f"tcp dport {PORT} redirect to :{OTHER}")
    text = policy().replace("cookie", "reset")
    Datapath.up(IFNAME, Policy.parse(text)).down()


def test_nat_that_comes_later(hosts: Pair, tmp_path: Path) -> None:
    """`status` warns, `status --check` fails, `apply` refuses; live changes go on."""
    file = tmp_path / "p.toml"
    file.write_text(f'[set.some]\nprefixes = ["203.0.113.1"]\n{policy()}')
    Path("/proc/sys/net/ipv4/tcp_syncookies").write_text("2")
    assert wirepath(hosts, "up", IFNAME, str(file)).returncode == 0
    assert wirepath(hosts, "status", "--check").returncode == 0
    nat(hosts, f"tcp dport {PORT}-{OTHER} redirect to :9")
    warning = f"rule.web: port {PORT} is moved elsewhere by rule"
    checked = wirepath(hosts, "status", "--check")
    assert checked.returncode == 1
    assert checked.stdout.startswith(f"{IFNAME}: {warning}")
    [status] = json.loads(wirepath(hosts, "status", "--json").stdout)["interfaces"]
    [told] = status["warnings"]
    assert told.startswith(warning)
    applied = wirepath(hosts, "apply", str(file))
    assert (applied.returncode, applied.stdout) == (2, "")
    assert f"wirepath: {warning}" in applied.stderr
    # A set that outgrows its table is laid out anew, under the policy that serves.
    many = tmp_path / "many"
    many.write_text("\n".join(f"203.0.{n // 256}.{n % 256}" for n in range(0, 60_000, 2)))
    assert wirepath(hosts, "set", "load", "some", str(many)).returncode == 0
    assert wirepath(hosts, "status", "--check").returncode == 1
    doctor = wirepath(hosts, "doctor", IFNAME).stdout
    assert f"moves ports {PORT}-{OTHER} elsewhere (redirect)" in doctor
    run(hosts.near, "nft", "flush", "ruleset")
    assert wirepath(hosts, "status", "--check").returncode == 0
    assert "no rule of nft moves ports elsewhere" in wirepath(hosts, "doctor", IFNAME).stdout
    assert wirepath(hosts, "down").returncode == 0


def test_iptables_legacy_is_a_note(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from wirepath.datapath.host import nat as host
    from wirepath.plan.requirements import requirements

    monkeypatch.setattr(nft_uses, "legacy_tables", lambda: ["filter", "nat"])
    said = host.unread(requirements(Policy.parse(policy())))
    assert said
    assert said.startswith("rule.web: iptables-legacy has a nat table, which wirepath cannot read")
    assert host.unread(requirements(Policy.parse(""))) is None
    monkeypatch.setattr(nft_uses, "legacy_tables", lambda: ["filter"])
    assert host.unread(requirements(Policy.parse(policy()))) is None
