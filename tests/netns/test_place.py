"""A program on one of several slaves or on a bridge does not meet all traffic, and this is told."""

import json
from pathlib import Path

import pytest

from harness.pair import IFNAME, Pair, ip
from wirepath.cli import main
from wirepath.datapath import Datapath
from wirepath.kernel import devices
from wirepath.kernel.devices import Device
from wirepath.kernel.interface import Interface

MISSED = (
    "a slave of bond bond0 (802.3ad): packets that arrive at eth1 are not filtered"
    " (attach to bond0)"
)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nname = "all"\n')
    return str(file)


@pytest.fixture
def slave(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let netlink describe the interface as a slave; not every kernel can make a bond."""
    among = [
        Device(Interface.of(IFNAME).index, IFNAME, "veth", master=98),
        Device(99, "eth1", master=98),
        Device(98, "bond0", "bond", bond_mode="802.3ad"),
    ]
    monkeypatch.setattr(devices, "devices", lambda: among)


@pytest.mark.usefixtures("slave")
def test_slave_of_a_bond(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", IFNAME, policy, "--json"]) == 0
    told = capsys.readouterr()
    assert told.err == f"warning: {IFNAME}: {MISSED}\n"
    assert json.loads(told.out)["warnings"] == [MISSED]
    assert main(["status"]) == 0
    assert f"  warning  {MISSED}" in capsys.readouterr().out
    assert main(["status", "--check"]) == 1
    assert capsys.readouterr().out == f"{IFNAME}: {MISSED}\n"
    assert main(["doctor", IFNAME]) == 0
    said = capsys.readouterr().out
    assert "unknown  place " in said
    assert "-> attach to bond0" in said
    Datapath.open(IFNAME).down()


def test_bridge(hosts: Pair, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    ip(hosts.near, "link", "add", "br0", "type", "bridge")
    assert main(["up", "br0", policy, "--mode", "generic"]) == 0
    assert capsys.readouterr().err == (
        "note: br0 is a bridge: only packets for this host and from it meet the program, none"
        " between its ports (attach to the ports)\n"
    )
    assert main(["status", "--check"]) == 0
    assert main(["down"]) == 0
