"""Pins that were tampered with: the link shows which generation serves; the others go."""

from pathlib import Path

import pytest

from harness.living import ONE, end, left, serving
from harness.pair import IFNAME, Pair
from wirepath.datapath import Datapath
from wirepath.errors import RequestError
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink


def test_without_a_word_which_one_serves(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    Pins.find().withdraw(IFNAME)
    assert datapath.policy == ONE
    assert serving(hosts) == "odd"
    end(bpffs)


def test_without_a_link_that_is_attached_either(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    pins = Pins.find()
    with XdpLink.open(pins.generation(IFNAME, 1) / "link") as link:
        link.detach()
    pins.withdraw(IFNAME)
    with pytest.raises(RequestError, match="not up"):
        datapath.status()
    assert not left(bpffs)
    assert not Interface.of(IFNAME).xdp_id


def test_an_empty_directory(hosts: Pair, bpffs: Path) -> None:
    pins = Pins.find()
    with pins.locked():
        pins.directory(IFNAME).mkdir()
    assert Datapath.names() == []
    assert not left(bpffs)
