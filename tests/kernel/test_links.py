"""Attaching to a veth pair, and the messages when that fails."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wirepath.errors import AttachError, RequestError
from wirepath.kernel import features
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode, XdpLink
from wirepath.kernel.netlink import xdp_features
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]


@pytest.fixture
def programs(compiled: Compile) -> Iterator[dict[str, Program]]:
    with Object.load(compiled("sample")) as loaded:
        yield loaded.programs


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_life_of_a_link(programs: dict[str, Program], veth: Interface, mode: Mode) -> None:
    with XdpLink.attach(programs["sample"], veth.index, mode) as link:
        assert link.program_id == programs["sample"].id
        assert link.ifindex == veth.index
        now = Interface.of("wp0")
        assert (now.xdp_id, now.xdp_mode) == (programs["sample"].id, mode)

        link.update(programs["other"], old=programs["sample"])
        assert link.program_id == programs["other"].id
        with pytest.raises(AttachError, match=r"replace program .* is in place"):
            link.update(programs["linear"], old=programs["sample"])
        assert link.program_id == programs["other"].id

        link.detach()
        assert link.ifindex == 0
        assert Interface.of("wp0").xdp_id == 0
        link.detach()
        with pytest.raises(AttachError, match=r"the interface is gone"):
            link.update(programs["sample"], old=programs["other"])


def test_closing_an_unpinned_link_detaches(programs: dict[str, Program], veth: Interface) -> None:
    XdpLink.attach(programs["sample"], veth.index).close()
    assert Interface.of("wp0").xdp_id == 0


def test_taken(programs: dict[str, Program], veth: Interface) -> None:
    number = programs["sample"].id
    taken = (
        rf"attach wp0: XDP program sample \(id {number}\) is there already, in native mode "
        r"\[EBUSY\] \(take it off first\)$"
    )
    with XdpLink.attach(programs["sample"], veth.index):
        with pytest.raises(AttachError, match=taken):
            XdpLink.attach(programs["other"], veth.index)
        # For the other mode the kernel returns EEXIST or EBUSY; the cause is the same.
        with pytest.raises(AttachError, match=r"XDP program sample \(id"):
            XdpLink.attach(programs["other"], veth.index, "generic")


def test_driver_without_native_xdp(programs: dict[str, Program], netns: str) -> None:
    lo = Interface.of("lo")
    what = r"attach lo: driver unknown has no native XDP \[EOPNOTSUPP\] \(use --mode generic"
    with pytest.raises(AttachError, match=what):
        XdpLink.attach(programs["sample"], lo.index)


def test_offload_without_a_card(programs: dict[str, Program], veth: Interface) -> None:
    with pytest.raises(AttachError, match=r"attach wp0: "):
        XdpLink.attach(programs["sample"], veth.index, "offload")


def test_mtu(programs: dict[str, Program], veth: Interface) -> None:
    for each in ("wp0", "wp1"):
        subprocess.run(["ip", "link", "set", each, "mtu", "9000"], check=True)
    with pytest.raises(AttachError, match=r"MTU 9000 is too large for driver veth \[ERANGE\]"):
        XdpLink.attach(programs["linear"], veth.index)
    XdpLink.attach(programs["sample"], veth.index).close()


def test_no_such_interface(programs: dict[str, Program], netns: str) -> None:
    with pytest.raises(AttachError, match=r"attach interface 4242: .*\[ENODEV\]"):
        XdpLink.attach(programs["sample"], 4242)
    for name in ("nope", "much-too-long-a-name"):
        with pytest.raises(RequestError, match=f"{name}: no such interface"):
            Interface.of(name)


def test_interface_gone_under_a_link(programs: dict[str, Program], veth: Interface) -> None:
    with XdpLink.attach(programs["sample"], veth.index) as link:
        subprocess.run(["ip", "link", "del", "wp0"], check=True)
        assert link.ifindex == 0
        link.detach()


def test_what_an_interface_is(veth: Interface) -> None:
    assert (veth.driver, veth.mtu, veth.up, veth.xdp_mode) == ("veth", 1500, True, "none")
    assert veth.rx_queues >= 1
    assert "basic" in (xdp_features(veth.index) or {"basic"})


def test_port_of_a_bridge_with_a_program(programs: dict[str, Program], veth: Interface) -> None:
    """The kernel allows no program below another, and says EEXIST."""
    subprocess.run(["ip", "link", "add", "br0", "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", "wp0", "master", "br0"], check=True)
    number = programs["sample"].id
    told = (
        rf"^attach wp0: XDP program sample \(id {number}\) is on bridge br0, which is"
        r" above it \[EEXIST\] \(attach to br0, or take the program off there\)$"
    )
    with (
        XdpLink.attach(programs["sample"], Interface.of("br0").index, "generic"),
        pytest.raises(AttachError, match=told),
    ):
        XdpLink.attach(programs["other"], veth.index)
    found = {finding.name: finding for finding in features.interface("br0")}
    assert found["place"].cure == "attach to the ports"
    assert "place" not in {finding.name for finding in features.interface("wp0")}


def test_doctor(veth: Interface) -> None:
    kernel = {finding.name: finding.ok for finding in features.system()}
    assert kernel["bpf"]
    assert kernel["xdp"]
    assert kernel["xdp.frags"]
    assert kernel["batches"]
    found = {finding.name: finding for finding in features.interface("wp0")}
    assert found["native xdp"].ok is not False
    assert found["driver"].detail == "veth, up"
    with pytest.raises(RequestError):
        features.interface("nope")
