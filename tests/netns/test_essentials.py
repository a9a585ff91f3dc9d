"""A host whose policy drops by default keeps its IPv6 neighbours, without a rule for them."""

from pathlib import Path

import pytest

from harness.pair import IFNAME, IPV6, Pair, ip
from wirepath.datapath import Datapath
from wirepath.kernel.links import Mode
from wirepath.net import Hook
from wirepath.policy import Policy

_ONLY_PINGS = """
[datapath]
default = "drop"
{essentials}
[[rule]]
name = "pings"
hook = {hooks}
match = {{ icmp_type = ["echo-request", "echo-reply"] }}
action = "pass"
"""


def _pings(hosts: Pair) -> bool:
    for host in (hosts.near, hosts.far):
        ip(host, "-6", "neigh", "flush", "all")
    words = ["ping", "-q", "-c1", "-W2", IPV6[0]]
    return hosts.far.run(words, capture_output=True).returncode == 0


@pytest.mark.parametrize("hooks", [["ingress"], ["ingress", "tc_ingress", "egress"]])
@pytest.mark.parametrize("mode", ["native", "generic"])
def test_neighbours_find_each_other(
    hosts: Pair, bpffs: Path, mode: Mode, hooks: list[Hook]
) -> None:
    def policy(essentials: str) -> Policy:
        return Policy.parse(_ONLY_PINGS.format(essentials=essentials, hooks=hooks))

    datapath = Datapath.up(IFNAME, policy(""), mode=mode)
    assert _pings(hosts)
    at = datapath.counters().hooks
    assert all(at[hook].reasons["essential"].packets > 0 for hook in hooks)
    datapath.apply(policy("essentials = false"))
    assert not _pings(hosts)
    datapath.down()
