"""Caps at egress on live traffic, with wide bounds; `bench/cases/caps.py` has exact figures."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

import routed
from harness.living import child
from harness.pair import IFNAME, IPV4, Pair, ip
from wirepath.cli import main
from wirepath.datapath import Datapath
from wirepath.errors import KernelError, NotSupported, RequestError
from wirepath.kernel import qdisc
from wirepath.kernel.interface import Interface
from wirepath.policy import Policy

_RATE = 100e6
_CAP = '[[rule]]\nname = "cap"\nhook = "egress"\nlimit = { rate = "100mbit", per = "dst" }\n'
_SHAPED = _CAP.replace(" }", ", shape = true }")


@pytest.fixture
def path(bpffs: Path) -> Iterator[routed.Path3]:
    with routed.routed("t") as made:
        yield made


@pytest.fixture
def capped(path: routed.Path3) -> Iterator[routed.Path3]:
    with path.router.entered():
        datapath = Datapath.up(routed.IFNAME, Policy.parse(_CAP))
    yield path
    with path.router.entered(), datapath:
        assert datapath.counters().rules["cap"].exceeded > 0
        datapath.down()


@pytest.mark.parametrize("cpus", [1, 2])
def test_udp_gets_what_is_due(capped: routed.Path3, cpus: int) -> None:
    """UDP at three times the cap gets the cap, plus the burst of one second at once."""
    found = routed.udp(capped, 3 * _RATE, 1.5, min(cpus, os.cpu_count() or 1))
    due = _RATE * found.seconds + _RATE
    if found.sent_bits < due:
        pytest.skip("this machine did not send enough (let it have less to do)")
    assert 0.9 < found.bits / due < 1.03


def test_tcp_gets_most_of_it(capped: routed.Path3) -> None:
    """TCP in merged packets of 64 KiB; with the overhead of the wire 95.6 Mbit/s are possible."""
    before, begin = capped.delivered()[1], time.monotonic()
    assert routed.tcp(capped, 3, omit=2) > 60e6
    bits = (capped.delivered()[1] - before) * 8
    assert bits < 1.03 * _RATE * (time.monotonic() - begin + 1)


def test_shaping_needs_fq_and_says_so(hosts: Pair) -> None:
    policy = Policy.parse(_SHAPED)
    with pytest.raises(RequestError) as raised:
        Datapath.up(IFNAME, policy)
    assert str(raised.value) == (
        "rule.cap: shape needs the root qdisc fq on wp0, it is noqueue"
        " (`tc qdisc replace dev wp0 root fq`, or allow it until down: `--qdisc`)"
    )
    assert Datapath.names() == []


def test_a_kernel_without_fq_says_what_it_needs(
    hosts: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qdisc, "_PACER", "wp-none")
    with pytest.raises(NotSupported, match="CONFIG_NET_SCH_FQ"):
        Datapath.up(IFNAME, Policy.parse(_SHAPED), qdisc=True)
    assert Datapath.names() == []


def test_fq_is_there_until_down(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every kernel has fq: pfifo stands in for it."""
    monkeypatch.setattr(qdisc, "_PACER", "pfifo")
    index = Interface.of(IFNAME).index
    before = qdisc.root(index)
    policy = Policy.parse(_SHAPED)
    with Datapath.up(IFNAME, policy, qdisc=True) as datapath:
        assert qdisc.paces(index)
        with datapath.reading() as handles:
            assert handles.host.keys() == {"fq"}
        datapath.apply(Policy.parse(_CAP))
        datapath.apply(policy)
        assert qdisc.paces(index)
        datapath.down()
    assert qdisc.root(index) == before


def test_fq_is_gone_if_attaching_fails(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdisc, "_PACER", "pfifo")
    monkeypatch.setattr("wirepath.datapath.generation.load.Generation.pin", _refuse)
    index = Interface.of(IFNAME).index
    before = qdisc.root(index)
    with pytest.raises(KernelError, match="pin"):
        Datapath.up(IFNAME, Policy.parse(_SHAPED), qdisc=True)
    assert qdisc.root(index) == before


def _refuse(*_: object) -> None:
    raise KernelError("pin", 1)


def test_up_warns_of_a_burst_that_starves_tcp(
    hosts: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(_CAP.replace(" }", ', burst = "20kbyte" }'))
    assert main(["up", IFNAME, str(file)]) == 0
    said = capsys.readouterr().err
    assert said == (
        f"note: {file}:4: rule.cap.limit.burst: less than one packet of 64 KiB before"
        ' segmentation: TCP starves (write at least "2500kbyte")\n'
    )
    assert main(["down"]) == 0


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[list[Path]]:
    """Make two cgroups for one test."""
    mounted = tmp_path / "cgroup2"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", str(mounted)], check=True)
    made = [Path(mkdtemp(dir=mounted, prefix="wp-")) for _ in range(2)]
    yield made
    for group in made:
        group.rmdir()
    subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.parametrize("exact", ["", ", exact = true"])
def test_each_cgroup_has_a_cap_of_its_own(hosts: Pair, groups: list[Path], exact: str) -> None:
    """A socket counts for the cgroup in which it was made."""
    policy = Policy.parse(
        '[[rule]]\nname = "cap"\nhook = "egress"\nmatch = { dport = 6001 }\n'
        f'limit = {{ rate = "3/h", per = "cgroup"{exact} }}\n'
    )
    ip(hosts.near, "neigh", "replace", IPV4[1], "lladdr", "02:00:00:00:00:01", "dev", IFNAME)
    with Datapath.up(IFNAME, policy) as datapath:
        for group, passed in ((groups[0], 3), (groups[1], 6), (groups[0], 6)):
            pid = child(lambda group=group: _send_from(group, 5))
            os.waitpid(pid, 0)
            counted = datapath.counters().rules["cap"]
            assert counted.packets - counted.dropped == passed
        datapath.down()


def _send_from(group: Path, count: int) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(b"x", (IPV4[1], 6001))
    os._exit(0)
