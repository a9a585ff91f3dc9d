"""Copies that leave by the mirrored interface, so that its hook sees the copies too."""

from pathlib import Path

from harness.pair import IFNAME, IPV4, Pair, ip, run
from wirepath.datapath import Datapath
from wirepath.kernel import tunnels
from wirepath.policy import Policy

PINGS = 50
POLICY = Policy.parse(f"""
[[rule]]
name = "tap"
hook = "egress"
match = {{ proto = "icmp" }}
mirror = {{ to = "vxlan:{IPV4[1]}:42" }}

[[rule]]
name = "pings"
hook = "egress"
match = {{ proto = "icmp", length = "0-100" }}
dscp = "EF"

[[rule]]
name = "copies"
hook = "egress"
match = {{ proto = "udp", dport = {tunnels.VXLAN_PORT} }}
action = "pass"
""")


def test_a_packet_is_what_it_was_after_its_copy(hosts: Pair, bpffs: Path) -> None:
    run(hosts.near, "ping", "-c", "1", IPV4[1])
    ip(hosts.far, "link", "set", IFNAME, "mtu", "1600")
    with Datapath.up(IFNAME, POLICY) as datapath:
        run(hosts.near, "ping", "-q", "-c", str(PINGS), "-i", "0.01", IPV4[1])
        found = datapath.counters()
        datapath.down()
    assert {name: rule.packets for name, rule in found.rules.items()} == {
        "tap": PINGS,
        "pings": PINGS,
        "copies": PINGS,
    }
    assert found.rules["tap"].own["mirrored"] == PINGS
    reasons = found.hooks["egress"].reasons
    assert (reasons["rule"].packets, reasons["default"].packets >= PINGS) == (PINGS, True)
    ethernet, ping = 14, 84
    outer = ethernet + 20 + 8 + 8  # IPv4, UDP, VXLAN
    assert reasons["rule"].bytes == PINGS * (outer + ethernet + ping)
