"""Pins of an older wirepath continue to serve; a newer one reads, replaces and removes them."""

import os
import signal
import socket
from itertools import count
from pathlib import Path

import pytest

from harness.hooked import MODES, check_nothing, policy, served
from harness.hooked import serving as at_each_hook
from harness.living import ONE, OPPOSITE, child, end, left, serving
from harness.older import age
from harness.pair import IFNAME, IPV4, Pair, ip
from harness.stopping import stop_at
from wirepath.datapath import Datapath
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.manifest import Tc
from wirepath.errors import PinError, RequestError
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.links import XdpLink
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy


def test_it_is_read_and_changed(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    datapath.bans.add("192.0.2.1")
    assert serving(hosts) == "odd"
    before = datapath.counters().rules
    age(IFNAME)
    assert Datapath.names() == [IFNAME]
    assert datapath.policy == ONE
    assert datapath.counters().rules == before
    assert [str(ban.prefix) for ban in datapath.bans] == ["192.0.2.1"]
    assert datapath.status().warnings == ()
    datapath.bans.add(IPV4[1])
    assert serving(hosts) not in ("odd", "even")
    assert datapath.bans.remove(IPV4[1])
    assert datapath.sets.add("far", ["203.0.113.0/24"]).done == 1
    assert not datapath.apply(OPPOSITE).empty
    assert serving(hosts) == "even"
    assert [str(ban.prefix) for ban in datapath.bans] == ["192.0.2.1"]
    assert datapath.manifest.generation == 2
    end(bpffs)


@pytest.mark.parametrize("tc", MODES)
def test_at_every_hook(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    Datapath.up(IFNAME, policy("odd"), tc=tc)
    age(IFNAME)
    datapath = Datapath.open()
    assert at_each_hook(hosts) == served("odd")
    assert datapath.status().warnings == ()
    datapath.apply(policy("even"))
    assert at_each_hook(hosts) == served("even")
    age(IFNAME)
    datapath.down()
    check_nothing(bpffs)


def test_what_it_has_changed_on_the_host_is_put_back(hosts: Pair, bpffs: Path) -> None:
    ip(hosts.near, "link", "add", "mirror0", "type", "veth", "peer", "name", "mirror1")
    mirror = (
        '[[rule]]\nname = "tap"\nhook = "egress"\nmatch = { ct = "new" }\n'
        'mirror = { to = "mirror0", snap = 96 }\n'
    )
    datapath = Datapath.up(IFNAME, Policy.parse(mirror))
    age(IFNAME)
    with datapath.reading() as handles:
        assert handles.host["mirrors"]["truncated"] == ["mirror0"]
        assert "conntrack" in handles.host
    assert datapath.status().warnings == ()
    datapath.down()
    check_nothing(bpffs)


@pytest.mark.parametrize("serves", [True, False])
def test_a_change_that_the_older_one_left_half_done(hosts: Pair, bpffs: Path, serves: bool) -> None:  # noqa: FBT001
    """Of its two generations, the one that serves stays."""
    datapath = Datapath.up(IFNAME, ONE)
    age(IFNAME)
    pins = Pins.find()
    flat, staged = pins.directory(IFNAME), pins.older_staging / pins.directory(IFNAME).name
    pins.older_staging.mkdir()
    other = staged
    if serves:
        flat.rename(staged)
        other = flat
    other.mkdir()
    serving_now = staged if serves else flat
    with (
        Generation.load(OPPOSITE, read_contents(OPPOSITE).members) as generation,
        XdpLink.open(serving_now / "link") as link,
    ):
        generation.pin(other)
        link.pin(other / "link")
    assert datapath.policy == ONE
    assert serving(hosts) == "odd"
    assert not pins.unsettled()
    end(bpffs)


def test_a_down_that_the_older_one_left_half_done(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    age(IFNAME)
    pins = Pins.find()
    pins.older_staging.mkdir()
    pins.directory(IFNAME).rename(pins.older_staging / pins.directory(IFNAME).name)
    ip(hosts.near, "link", "del", IFNAME)
    with pytest.raises(RequestError, match="not up"):
        datapath.status()
    assert not left(bpffs)


def test_killed_while_it_is_adopted(hosts: Pair, bpffs: Path) -> None:
    """Killed at any step: the next command continues."""
    steps = ((Path, "rename"), (Path, "mkdir"), (Path, "unlink"), (Pins, "publish"))
    for nth in count(1):
        Datapath.up(IFNAME, ONE)
        age(IFNAME)

        def read(nth: int = nth) -> None:
            with pytest.MonkeyPatch.context() as patch:
                stop_at(patch, nth, lambda: os.kill(os.getpid(), signal.SIGKILL), steps)
                Datapath.open().status()
            os._exit(0)

        status = os.waitpid(child(read), 0)[1]
        assert Datapath.open().policy == ONE, nth
        assert serving(hosts) == "odd"
        end(bpffs)
        if status == 0:
            assert nth > 4
            return


def test_a_newer_one_is_refused(hosts: Pair) -> None:
    from wirepath.datapath.generation import manifest

    datapath = Datapath.up(IFNAME, ONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "SCHEMA", manifest.SCHEMA - 1)
        message = "wirepath .* put it up, whose manifest this one, .*, cannot read [(]use that"
        with pytest.raises(PinError, match=message):
            datapath.status()
    datapath.down()
    assert socket.if_nametoindex(IFNAME)
