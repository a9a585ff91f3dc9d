"""Attaching to the tcx hooks of a veth, next to other programs, and messages of failures."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.raw import send
from wirepath.errors import AttachError, PinError
from wirepath.kernel import features, tcx
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import Direction, TcxLink

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]


@pytest.fixture
def loaded(compiled: Compile) -> Iterator[Object]:
    with Object.load(compiled("tc")) as loaded:
        yield loaded


@pytest.fixture
def programs(loaded: Object) -> dict[str, Program]:
    return loaded.programs


# The counts of both programs.
def seen(loaded: Object) -> tuple[int, int]:
    values = loaded.maps["bss"][0]
    return values["first_seen"], values["second_seen"]


@pytest.mark.parametrize("direction", ["tc_ingress", "egress"])
def test_life_of_a_link(loaded: Object, veth: Interface, direction: Direction) -> None:
    programs = loaded.programs
    with TcxLink.attach(programs["first"], veth.index, direction) as link:
        assert link.program_id == programs["first"].id
        assert link.ifindex == veth.index
        send("wp1" if direction == "tc_ingress" else "wp0")
        assert seen(loaded)[0] >= 1

        link.update(programs["second"], old=programs["first"])
        assert link.program_id == programs["second"].id
        with pytest.raises(AttachError, match=r"replace program .* is in place"):
            link.update(programs["last"], old=programs["first"])
        assert link.program_id == programs["second"].id

        link.detach()
        assert link.ifindex == 0
        link.detach()
        with pytest.raises(AttachError, match=r"the interface is gone"):
            link.update(programs["first"], old=programs["second"])


def test_ours_runs_first(loaded: Object, veth: Interface) -> None:
    programs = loaded.programs
    with (
        TcxLink.attach(programs["last"], veth.index, "egress"),
        TcxLink.attach(programs["first"], veth.index, "egress"),
    ):
        send("wp0")
        assert seen(loaded)[0] >= 1


def test_pinned(programs: dict[str, Program], veth: Interface, bpffs: Path) -> None:
    with TcxLink.attach(programs["first"], veth.index, "egress") as link:
        link.pin(bpffs / "link")
    with TcxLink.open(bpffs / "link") as link:
        assert (link.program_id, link.ifindex) == (programs["first"].id, veth.index)
    with pytest.raises(PinError, match=r"is not an xdp link$"):
        XdpLink.open(bpffs / "link")


def test_twice_the_same(programs: dict[str, Program], veth: Interface) -> None:
    taken = r"attach wp0: this program is there already, on egress \[EEXIST\] \(take it off first"
    with (
        TcxLink.attach(programs["first"], veth.index, "egress"),
        pytest.raises(AttachError, match=taken),
    ):
        TcxLink.attach(programs["first"], veth.index, "egress")


def test_full(compiled: Compile, veth: Interface) -> None:
    with ExitStack() as stack:
        for _ in range(63):
            program = stack.enter_context(Object.load(compiled("tc"))).programs["first"]
            stack.enter_context(TcxLink.attach(program, veth.index, "egress"))
        other = stack.enter_context(Object.load(compiled("tc"))).programs["first"]
        with pytest.raises(AttachError, match=r"attach wp0: 63 programs are there .*\[ERANGE\]"):
            TcxLink.attach(other, veth.index, "egress")


def test_program_of_another_type(programs: dict[str, Program], veth: Interface) -> None:
    with pytest.raises(AttachError, match=r"attach wp0: no program for tc \[EINVAL\]"):
        TcxLink.attach(programs["not_tc"], veth.index, "egress")


def test_no_such_interface(programs: dict[str, Program], netns: str) -> None:
    with pytest.raises(AttachError, match=r"attach interface 4242: .*\[ENODEV\]"):
        TcxLink.attach(programs["first"], 4242, "tc_ingress")


def test_interface_gone_under_a_link(programs: dict[str, Program], veth: Interface) -> None:
    with TcxLink.attach(programs["first"], veth.index, "tc_ingress") as link:
        subprocess.run(["ip", "link", "del", "wp0"], check=True)
        assert link.ifindex == 0
        link.detach()


def test_doctor_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, told in ((True, (True, "yes")), (False, (None, "no: clsact is used"))):
        monkeypatch.setattr(tcx, "supported", lambda able=able: able)
        (found,) = (finding for finding in features.system() if finding.name == "tcx")
        assert (found.ok, found.detail) == told


def test_the_kernel_is_asked(programs: dict[str, Program], veth: Interface) -> None:
    try:
        TcxLink.attach(programs["first"], veth.index, "egress").close()
    except AttachError:
        able = False
    else:
        able = True
    assert tcx.supported() is able
