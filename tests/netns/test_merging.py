"""Offloads that a program turns off are on again after `down`, and after an `up` that failed.

A veth has none of these, so another offload stands in for them, and the test turns it off where the
kernel or a driver would.
"""

import subprocess
from pathlib import Path

import pytest

from harness.living import left
from harness.pair import IFNAME, Pair
from wirepath.datapath import Datapath
from wirepath.errors import AttachError
from wirepath.kernel import offloads
from wirepath.kernel.links import XdpLink
from wirepath.policy import Policy

ONE = Policy.parse('[[rule]]\nname = "one"\n')
TWO = Policy.parse('[[rule]]\nname = "two"\n')
STAND_IN = "rx-vlan-hw-parse"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offloads, "MERGING", frozenset({STAND_IN}))


def is_on() -> bool:
    return offloads.are_on(IFNAME, [STAND_IN]) == [STAND_IN]


def turn(word: str) -> None:
    subprocess.run(["ethtool", "-K", IFNAME, "rxvlan", word], check=True)


def test_on_again_after_down(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    turn("off")
    datapath.apply(TWO)
    assert not is_on()
    datapath.down()
    assert is_on()
    assert not left(bpffs)


def test_off_before_and_after(hosts: Pair, bpffs: Path) -> None:
    turn("off")
    datapath = Datapath.up(IFNAME, ONE)
    datapath.apply(TWO)
    datapath.down()
    assert not is_on()


def test_on_again_after_a_failure(
    hosts: Pair, bpffs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        turn("off")
        raise AttachError("attach wp0", what="the driver does not like it")

    monkeypatch.setattr(XdpLink, "attach", refuse)
    with pytest.raises(AttachError, match="does not like it"):
        Datapath.up(IFNAME, ONE)
    assert is_on()
    assert not left(bpffs)
