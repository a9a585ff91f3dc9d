"""A forged source is not banned; a client that connects too often is."""

import json
import time

import numpy as np

from harness.flooded import PORT, connect, connected, server
from harness.pair import IFNAME, IPV4, Pair, run
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import syn, written_out

_BAN = f"""
[[rule]]
name = "bruteforce"
match = {{ proto = "tcp", dport = {PORT}, tcp_flags = "syn" }}
limit = {{ rate = "5/h", per = "src", ban = "1h" }}
"""
_PROOF = f"""
[[rule]]
name = "proof"
match = {{ proto = "tcp", dport = {PORT} }}
challenge = {{ mode = "reset", admit = "24h" }}
"""
_VICTIM = "198.51.100.77"


def _forge(hosts: Pair) -> None:
    [link] = json.loads(run(hosts.near, "ip", "-json", "link", "show", IFNAME))
    source = np.array([[int(part) for part in _VICTIM.split(".")]], dtype=np.uint8)
    traffic = written_out(syn(IPV4[0], PORT, mac=link["address"]), source)
    with Flood(hosts.far, IFNAME, traffic) as sending:
        sending.start(seconds=10)
        while sending.sent < 100:
            assert sending.running
            time.sleep(0.01)
        sending.stop()


def test_forged_syns_ban_nobody_and_real_ones_do(hosts: Pair) -> None:
    with server(hosts, _PROOF + _BAN) as datapath:
        _forge(hosts)
        assert not list(datapath.bans)
        for _ in range(5):
            connected(hosts).close()
        assert connect(hosts, patience_s=1) is None
        assert [str(ban.prefix) for ban in datapath.bans] == [IPV4[1]]


def test_without_a_proof_they_would(hosts: Pair) -> None:
    with server(hosts, _BAN) as datapath:
        _forge(hosts)
        assert [str(ban.prefix) for ban in datapath.bans] == [_VICTIM]
