"""Connections of real programs while SYNs flood the server from forged addresses."""

import time

import pytest

from harness.flooded import PORT, connect, connected, echo, flood, server
from harness.pair import IPV4, IPV6, Pair, run


def challenging(value: str) -> str:
    return f'[[rule]]\nname = "web"\nmatch = {{ dport = {PORT} }}\nchallenge = {value}\n'


@pytest.mark.parametrize("address", [IPV4[0], IPV6[0]], ids=["ipv4", "ipv6"])
def test_a_client_proves_itself_and_does_not_notice(hosts: Pair, address: str) -> None:
    with server(hosts, challenging('"reset"')) as datapath:
        begun = time.monotonic()
        with connected(hosts, address) as first:
            took = time.monotonic() - begun
            connected(hosts, address).close()
            echo(first)
        reasons = datapath.counters().outcomes.reasons
        assert reasons["challenge"].packets == 2  # its SYN, and its RST
        assert took < 0.9  # the timer of a first SYN takes a second


# The usual firewall of a client: packets of connections that it has not seen begin are dropped.
TRACKING = """
table inet far {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        meta l4proto ipv6-icmp accept
    }
    chain output {
        type filter hook output priority 0; policy accept;
        ct state invalid drop
    }
}
"""


def test_a_client_behind_connection_tracking(hosts: Pair) -> None:
    with server(hosts, challenging('"reset"')):
        run(hosts.far, "nft", "-f", "-", input=TRACKING)
        begun = time.monotonic()
        connected(hosts).close()
        assert time.monotonic() - begun < 0.9


@pytest.mark.parametrize("above", ["", ', above = "100/s"'], ids=["always", "above"])
def test_clients_connect_through_a_flood(hosts: Pair, above: str) -> None:
    """SYNs that come before the rate is exceeded have to fit into the server's backlog."""
    policy = challenging(f'{{ mode = "reset"{above} }}')
    with server(hosts, policy), connected(hosts) as before, flood(hosts) as sending:
        for _ in range(20):
            connected(hosts).close()
            echo(before)
        assert sending.sent > 50_000


def test_without_it_they_do_not(hosts: Pair) -> None:
    """The same flood without the challenge shows that the test above depends on it."""
    with server(hosts, ""), flood(hosts):
        for _ in range(4):
            assert not connect(hosts, patience_s=1.0)
