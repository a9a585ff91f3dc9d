"""The nft rule is added when a policy needs connections, and removed when none does."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from harness.living import child
from harness.pair import IFNAME, Pair, python, run
from wirepath.datapath import Datapath
from wirepath.errors import NotSupported
from wirepath.kernel import conntrack
from wirepath.policy import Policy

RULE = "inet wirepath_wp0 prerouting ct state invalid"
ASKS = Policy.parse('[[rule]]\nname = "new"\nmatch = { ct = "new" }\n')
ASKS_NOT = Policy.parse('[[rule]]\nname = "new"\nmatch = { tcp_flags = "syn" }\n')


def rules(hosts: Pair) -> str:
    return run(hosts.near, "nft", "list", "ruleset")


def test_comes_and_goes(hosts: Pair) -> None:
    with Datapath.up(IFNAME, ASKS_NOT) as datapath:
        assert rules(hosts) == ""
        datapath.apply(ASKS)
        assert rules(hosts).count("ct state invalid") == 1
        assert datapath.status().conntrack == RULE
        datapath.apply(ASKS)
        assert rules(hosts).count("ct state invalid") == 1
        datapath.apply(ASKS_NOT)
        assert rules(hosts) == ""
        assert datapath.status().conntrack is None
        datapath.apply(ASKS)
        datapath.down()
        assert rules(hosts) == ""


def test_who_flushes_it_is_told(hosts: Pair) -> None:
    with Datapath.up(IFNAME, ASKS) as datapath:
        assert datapath.status().warnings == ()
        run(hosts.near, "nft", "flush", "ruleset")
        (warning,) = datapath.status().warnings
        assert warning == "conntrack: our rule of nft is gone (`wirepath apply` adds it again)"
        datapath.apply(ASKS)
        assert datapath.status().warnings == ()
        datapath.down()


def test_a_kernel_that_lets_nobody_ask(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conntrack, "_LOOKUP", "no such function")
    refused = r"^look connections up on wp0: not supported by this kernel \[\w+\] \(needs CONFIG_"
    with pytest.raises(NotSupported, match=refused):
        Datapath.up(IFNAME, ASKS)
    assert rules(hosts) == ""
    with Datapath.up(IFNAME, ASKS_NOT) as datapath:
        with pytest.raises(NotSupported):
            datapath.apply(ASKS)
        assert datapath.policy == ASKS_NOT
        assert rules(hosts) == ""
        datapath.down()


def test_what_a_dead_process_left_goes(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def begin() -> None:
        monkeypatch.setattr("wirepath.kernel.links.XdpLink.attach", die)
        Datapath.up(IFNAME, ASKS)

    os.waitpid(child(begin), 0)
    assert rules(hosts).count("ct state invalid") == 1
    with Datapath.up(IFNAME, ASKS_NOT) as datapath:
        assert rules(hosts) == ""
        datapath.down()


def test_what_is_printed(hosts: Pair, tmp_path: Path) -> None:
    asks, other = tmp_path / "asks.toml", tmp_path / "other.toml"
    asks.write_text('[[rule]]\nname = "new"\nhook = "egress"\nmatch = { ct = "new" }\n')
    other.write_text("")

    def wirepath(*words: str) -> str:
        return run(hosts.near, *python("-m", "wirepath", *words))

    printed = wirepath("up", IFNAME, str(asks)).splitlines()
    assert printed[1] == f"wp0: nft rule added, so that connections are tracked: {RULE}"
    assert f"  tracked  by nft rule {RULE}\n" in wirepath("status")
    (status,) = json.loads(wirepath("status", "--json"))["interfaces"]
    assert status["conntrack"] == RULE
    counted = json.loads(wirepath("stats", "--json"))
    assert list(counted["conntrack"]) == [
        "untracked", "new", "established", "related", "invalid",
    ]  # fmt: skip
    assert "conntrack" in counted["hooks"]["egress"]
    assert "conntrack" not in counted["hooks"]["ingress"]
    assert "\nconntrack    ingress  egress\n" in wirepath("stats")
    assert f"- nft rule {RULE}\n" in wirepath("apply", str(other))
    assert "conntrack" not in json.loads(wirepath("stats", "--json"))
    assert f"+ nft rule {RULE}\n" in wirepath("apply", str(asks))
    wirepath("down")
    assert rules(hosts) == ""
