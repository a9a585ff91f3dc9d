"""Programs as clsact filters on a veth, next to filters of others; nothing is left afterwards."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.raw import send
from wirepath.errors import AttachError
from wirepath.kernel.clsact import PRIORITY, Filter
from wirepath.kernel.interface import Interface
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import Direction

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]


@pytest.fixture
def loaded(compiled: Compile) -> Iterator[Object]:
    with Object.load(compiled("tc")) as loaded:
        yield loaded


@pytest.fixture
def programs(loaded: Object) -> dict[str, Program]:
    return loaded.programs


def seen(loaded: Object, variable: str) -> int:
    count: int = loaded.maps["bss"][0][variable]
    return count


def tc(*words: str) -> str:
    return subprocess.run(["tc", *words], check=True, capture_output=True, text=True).stdout


def qdiscs() -> str:
    return tc("qdisc", "show", "dev", "wp0")


@pytest.mark.parametrize("direction", ["tc_ingress", "egress"])
def test_life_of_a_filter(loaded: Object, veth: Interface, direction: Direction) -> None:
    programs = loaded.programs
    sender = "wp1" if direction == "tc_ingress" else "wp0"
    place = Filter.attach(programs["first"], veth.index, direction)
    assert (place.program_id, place.ifindex) == (programs["first"].id, veth.index)
    assert Filter(veth.index, direction).program_id == programs["first"].id
    before = seen(loaded, "first_seen")
    send(sender)
    assert seen(loaded, "first_seen") > before

    place.update(programs["second"], old=programs["first"])
    assert place.program_id == programs["second"].id
    with pytest.raises(AttachError, match=rf"program {programs['second'].id} is in place \[EPERM"):
        place.update(programs["last"], old=programs["first"])
    before = seen(loaded, "second_seen")
    send(sender)
    assert seen(loaded, "second_seen") > before

    place.detach()
    assert (place.program_id, place.ifindex) == (0, 0)
    assert "clsact" not in qdiscs()
    place.detach()
    with pytest.raises(AttachError, match=r"no program is in place"):
        place.update(programs["first"], old=programs["second"])


def test_both_directions_share_the_qdisc(programs: dict[str, Program], veth: Interface) -> None:
    inward = Filter.attach(programs["first"], veth.index, "tc_ingress")
    outward = Filter.attach(programs["second"], veth.index, "egress")
    inward.detach()
    assert outward.program_id == programs["second"].id
    outward.detach()
    assert "clsact" not in qdiscs()


def test_beside_others(loaded: Object, compiled: Compile, veth: Interface, netns: str) -> None:
    tc("qdisc", "add", "dev", "wp0", "clsact")
    theirs = ("filter", "add", "dev", "wp0", "egress", "prio", "88", "bpf", "direct-action")
    tc(*theirs, "object-file", str(compiled("tc")), "section", "tc")
    place = Filter.attach(loaded.programs["first"], veth.index, "egress")
    send("wp0")
    assert seen(loaded, "first_seen") >= 1
    place.detach()
    assert "pref 88" in tc("filter", "show", "dev", "wp0", "egress")


def test_our_place_taken(programs: dict[str, Program], veth: Interface) -> None:
    taken = (
        rf"attach wp0: program {programs['first'].id} is there already, on egress \[EEXIST\] "
        rf"\(take it off first: `(tc filter del dev wp0 egress prio {PRIORITY})`\)$"
    )
    Filter.attach(programs["first"], veth.index, "egress")
    with pytest.raises(AttachError, match=taken):
        Filter.attach(programs["second"], veth.index, "egress")
    tc("filter", "del", "dev", "wp0", "egress", "prio", str(PRIORITY))
    Filter.attach(programs["second"], veth.index, "egress").detach()


def test_priority_taken_by_another_kind(programs: dict[str, Program], veth: Interface) -> None:
    tc("qdisc", "add", "dev", "wp0", "clsact")
    tc("filter", "add", "dev", "wp0", "ingress", "prio", str(PRIORITY), "protocol", "ip",
       "u32", "match", "u32", "0", "0")  # fmt: skip
    with pytest.raises(AttachError, match=rf"another filter has priority {PRIORITY} on tc_ingress"):
        Filter.attach(programs["first"], veth.index, "tc_ingress")
    assert "clsact" in qdiscs()


def test_ingress_qdisc_in_the_way(programs: dict[str, Program], veth: Interface) -> None:
    tc("qdisc", "add", "dev", "wp0", "ingress")
    with pytest.raises(AttachError, match=r"the qdisc ingress is there, which has no egress"):
        Filter.attach(programs["first"], veth.index, "egress")
    Filter.attach(programs["first"], veth.index, "tc_ingress").detach()
    assert "ingress" in qdiscs()


def test_shared_block(programs: dict[str, Program], veth: Interface) -> None:
    for each in ("wp0", "wp1"):
        tc("qdisc", "add", "dev", each, "ingress_block", "5", "clsact")
    with pytest.raises(AttachError, match=r"its filters are shared with other interfaces"):
        Filter.attach(programs["first"], veth.index, "tc_ingress")


def test_program_of_another_type(programs: dict[str, Program], veth: Interface) -> None:
    with pytest.raises(AttachError, match=r"attach wp0: no program for tc \[EINVAL\]"):
        Filter.attach(programs["not_tc"], veth.index, "egress")
    assert "clsact" not in qdiscs()


def test_no_such_interface(programs: dict[str, Program], netns: str) -> None:
    with pytest.raises(AttachError, match=r"attach interface 4242: .*\[ENODEV\]"):
        Filter.attach(programs["first"], 4242, "tc_ingress")


def test_interface_gone_under_a_filter(programs: dict[str, Program], veth: Interface) -> None:
    place = Filter.attach(programs["first"], veth.index, "tc_ingress")
    subprocess.run(["ip", "link", "del", "wp0"], check=True)
    assert (place.program_id, place.ifindex) == (0, 0)
    with pytest.raises(AttachError, match=r"the interface is gone"):
        place.update(programs["second"], old=programs["first"])
    place.detach()
