"""Damaged pins: every command names the file, and `down` takes all off and restores the host."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess, check_output

import pytest

from harness.hooked import EVEN, MODES, NOTHING, check_nothing, on_hooks, served
from harness.hooked import serving as at_each_hook
from harness.living import ONE, child, left
from harness.pair import IFNAME, Pair, ip, python
from harness.stopping import stop_at
from wirepath.datapath import Datapath, salvage
from wirepath.datapath.generation.manifest import Tc
from wirepath.datapath.host import arrange
from wirepath.errors import AttachError, DamageError, RequestError
from wirepath.kernel import offloads, qdisc
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.clsact import Filter
from wirepath.kernel.handle import Handle
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file
from wirepath.kernel.program import Program
from wirepath.kernel.tcx import TcxLink
from wirepath.lab.netns import Namespace
from wirepath.native import lib
from wirepath.net import HOOKS
from wirepath.policy import Policy

COOKIES = Path("/proc/sys/net/ipv4/tcp_syncookies")
MIRROR = "mirror0"
_DROPS = "".join(
    f'[[rule]]\nname = "{hook}"\nhook = "{hook}"\naction = "drop"\n'
    f'match = {{ proto = "udp", dport = {list(EVEN[hook])} }}\n'
    for hook in HOOKS
)
TEXT = f"""
[set.far]
prefixes = ["203.0.113.0/24", "2001:db8:f::/48"]
counters = true
{_DROPS}
[[rule]]
name = "far"
match = {{ src = "@far" }}
action = "drop"
[[rule]]
name = "ssh"
match = {{ proto = "tcp", dport = 22, tcp_flags = "syn" }}
limit = {{ rate = "5/min", per = "src", ban = "5min", exact = true }}
[[rule]]
name = "web"
match = {{ proto = "tcp", dport = 80 }}
challenge = {{ mode = "cookie", above = "100/s" }}
[[rule]]
name = "new"
hook = "tc_ingress"
match = {{ proto = "tcp", ct = "new" }}
limit = {{ rate = "50/s", per = "src" }}
[[rule]]
name = "tap"
hook = "egress"
match = {{ proto = "tcp" }}
mirror = {{ to = "{MIRROR}", snap = 96 }}
[[rule]]
name = "cap"
hook = "egress"
match = {{ proto = "tcp" }}
limit = {{ rate = "100mbit", per = "dst", shape = true }}
"""
ALL = Policy.parse(TEXT)


@pytest.fixture
def host(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Make a near host with all that the policy changes; not every kernel has fq."""
    monkeypatch.setattr(qdisc, "_PACER", "pfifo")
    ip(hosts.near, "link", "add", MIRROR, "type", "veth", "peer", "name", "mirror1")
    COOKIES.write_text("0")
    return hosts


def settings() -> dict[str, object]:
    """Give the state of all that `up` changes on the host."""
    on = {feature: offloads.get(MIRROR, feature) for feature in ("tso", "gso", "tx")}
    filters = Filter(Interface.of(MIRROR).index, "egress").ifindex
    return {
        "cookies": COOKIES.read_text().strip(),
        "nft": check_output(["nft", "list", "tables"], text=True),
        "qdisc": qdisc.root(Interface.of(IFNAME).index),
        "mirror": check_output(["tc", "qdisc", "show", "dev", MIRROR], text=True),
        "offloads": on,
        "filters": filters,
    }


def up(tc: Tc) -> Datapath:
    return Datapath.up(IFNAME, ALL, tc=tc, sysctl=True, qdisc=True)


def generation() -> Path:
    pins = Pins.find()
    return pins.generation(IFNAME, pins.serving(IFNAME) or 0)


def remove(*names: str) -> None:
    """Remove files or whole directories of a generation; ``..`` leads to those next to it."""
    found = generation()
    for name in names:
        for path in found.glob(name):
            if path.is_dir() and not path.is_symlink():
                check_output(["rm", "-r", str(path.resolve())])
            else:
                path.unlink()


def pinned(path: Path) -> Handle:
    kinds: tuple[type[Handle], ...] = (XdpLink, TcxLink, Program, Map)
    for kind in kinds:
        with suppress(Exception):
            return kind.open(path)  # type: ignore[attr-defined,no-any-return]
    raise AssertionError(path)


# Without these, `apply` attaches again, as after another tool has removed the link.
_MENDED = {"egress/link", "tc_ingress/link"}


@pytest.mark.parametrize("tc", MODES)
def test_each_file_is_missed_and_named(host: Pair, bpffs: Path, tc: Tc) -> None:
    datapath = up(tc)
    files = [path for path in generation().rglob("*") if not path.is_dir()]
    assert len(files) > 90
    for path in files:
        with pinned(path) as handle:
            path.unlink()
            if str(path.relative_to(generation())) in _MENDED:
                assert datapath.status().warnings
            else:
                with pytest.raises(DamageError) as raised:
                    datapath.bans.add("192.0.2.1")
                assert str(raised.value) == (
                    f"{IFNAME}: its pins are damaged: {path} is missing"
                    f" (`wirepath down {IFNAME}`, then `wirepath up {IFNAME} POLICY`)"
                )
            handle.pin(path)
    assert datapath.bans.add("192.0.2.1")
    datapath.down()
    check_nothing(bpffs)


_ONE = [
    "ingress", "link", "manifest", "host", "rows", "bans", "ban_filters", "limit_exact_cells",
    "set_lines",
    "mirror_counters", "egress/program", "egress/rows", "tc_ingress",
]  # fmt: skip
_MORE = [
    ("link", "host"),
    ("manifest", "host"),
    ("manifest", "link"),
    ("ingress", "egress/program"),
    ("../serving", "ingress"),
    ("../serving", "rows"),
    ("egress/link", "manifest"),
]


_TCX = [("truncate",), ("truncate/*",)]  # links, which filters have none of


@pytest.mark.parametrize(
    ("lost", "tc"),
    [
        *((lost, tc) for lost in [*((name,) for name in _ONE), *_MORE] for tc in MODES),
        *((lost, "tcx") for lost in _TCX),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_down(host: Pair, bpffs: Path, lost: tuple[str, ...], tc: Tc) -> None:
    before = settings()
    datapath = up(tc)
    assert settings() != before
    assert at_each_hook(host) == served("odd")
    remove(*lost)
    with pytest.raises(DamageError):
        Datapath.open()
    assert Datapath.names() == [IFNAME]
    if "link" not in lost and "tc_ingress" not in lost and "egress/link" not in lost:
        assert at_each_hook(host) == served("odd"), "the programs still serve"
    removal = Datapath.open(damaged=True).down()
    assert removal
    assert removal.unknown == ()
    assert removal.restored == ("sysctls", "conntrack", "mirrors", "fq")
    assert at_each_hook(host) == NOTHING
    assert settings() == before
    check_nothing(bpffs)
    with pytest.raises(RequestError, match="not up"):
        datapath.down()


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold all links, as a process does that looks at them: they outlive their pins."""
    links = [pinned(path) for path in directory.rglob("link")]
    try:
        yield
    finally:
        for link in links:
            link.close()


@pytest.mark.parametrize("tc", MODES)
@pytest.mark.parametrize("what", ["*", "../*", "../../*"])
def test_a_directory_is_empty_or_gone(host: Pair, bpffs: Path, what: str, tc: Tc) -> None:
    before = settings()
    up(tc)
    with held(generation()):
        remove(what)
        assert at_each_hook(host) == served("odd")
        with pytest.raises(DamageError, match="is missing"):
            Datapath.open(IFNAME)
        with pytest.raises(DamageError, match="is missing"):
            up(tc)
        removal = Datapath.open(damaged=True).down()
    assert removal
    assert removal.taken_off == ("ingress", "tc_ingress", "egress")
    assert at_each_hook(host) == NOTHING
    assert settings() == before
    check_nothing(bpffs)


def test_nothing_is_left_that_knows_the_host(host: Pair, bpffs: Path) -> None:
    """Without pins the links go, and with them all records: what bears our name goes too."""
    up("tcx")
    remove("*")
    while on_hooks():  # the kernel detaches a link some time after its last pin has gone
        time.sleep(0.02)
    assert at_each_hook(host) == NOTHING
    removal = Datapath.open(damaged=True).down()
    assert removal
    assert removal.taken_off == removal.restored == ()
    assert removal.unknown == ("sysctls", "fq", "offloads")
    assert "wirepath" not in str(settings()["nft"])
    check_nothing(bpffs)


def test_records_that_are_not_what_wirepath_wrote(host: Pair, bpffs: Path) -> None:
    before = settings()
    for name in ("host", "manifest"):
        datapath = up("tcx")
        with Map.open(generation() / name) as pages, pages.memory() as memory:
            memory[: len(memory) // 2] = b"x" * (len(memory) // 2)
        with pytest.raises(DamageError, match=f"{name}:? is not what wirepath wrote"):
            datapath.apply(ONE)
        assert at_each_hook(host) == served("odd")
        removal = datapath.down()
        assert removal
        assert at_each_hook(host) == NOTHING
        check_nothing(bpffs)
        if name == "manifest":
            assert settings() == before
        else:
            assert "net.ipv4.tcp_syncookies" in removal.unknown
            assert f"offloads of {MIRROR}" in removal.unknown
            COOKIES.write_text("0")
            qdisc.restore(Interface.of(IFNAME).index, "default")
            for feature in ("tx", "gso", "tso"):
                offloads.put(MIRROR, feature, on=True)


def test_apply_and_up_change_nothing(host: Pair, bpffs: Path) -> None:
    datapath = up("tcx")
    remove("rows")
    pins, state = left(bpffs), settings()
    for refused in (lambda: datapath.apply(ONE), lambda: Datapath.up(IFNAME, ONE)):
        with pytest.raises(DamageError, match="rows is missing"):
            refused()
    assert (left(bpffs), settings()) == (pins, state)
    assert at_each_hook(host) == served("odd")
    datapath.down()
    check_nothing(bpffs)


def test_a_renamed_interface(host: Pair, bpffs: Path) -> None:
    up("clsact")
    for words in (("down",), ("name", "wan0")):
        ip(host.near, "link", "set", IFNAME, *words)
    remove("bans")
    with pytest.raises(DamageError, match=r"wan0: .*bans is missing \(`wirepath down wan0`"):
        Datapath.open()
    removal = Datapath.open("wan0", damaged=True).down()
    assert removal
    assert (removal.iface, removal.taken_off) == ("wan0", HOOKS)
    ip(host.near, "link", "set", "wan0", "name", IFNAME)
    check_nothing(bpffs)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_STEPS = (
    (Pins, "condemn"),
    (salvage._Left, "keep_records"),
    (salvage, "_detach"),
    (arrange, "restore"),
    (Pins, "remove"),
    (Path, "unlink"),
)


@pytest.mark.parametrize("tc", MODES)
def test_a_down_that_is_killed_is_finished(host: Pair, bpffs: Path, tc: Tc) -> None:
    """Killed before any of its steps: the next `down` does the rest."""
    before = settings()
    for nth in (*range(1, 8), 10, 30, 100):
        up(tc)
        remove("host", "rows", "egress/program")

        def down(nth: int = nth) -> None:
            with pytest.MonkeyPatch.context() as patch:
                stop_at(patch, nth, _die, _STEPS)
                Datapath.open(damaged=True).down()

        assert os.waitpid(child(down), 0)[1] == signal.SIGKILL, nth
        with suppress(RequestError):  # it was down already
            Datapath.open(damaged=True).down()
        assert at_each_hook(host) == NOTHING, nth
        assert settings() == before, nth
        check_nothing(bpffs)


def test_a_change_that_was_killed_and_damaged(host: Pair, bpffs: Path) -> None:
    """Neither undone nor finished by half: it serves until `down`."""
    for when, lost in (("do", "rows"), ("do", "ingress")):
        datapath = up("tcx")

        def apply(when: str = when, datapath: Datapath = datapath) -> None:
            from wirepath.datapath.steps import Publish

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Publish, when, lambda *_: _die())
                datapath.apply(ALL)

        assert os.waitpid(child(apply), 0)[1] == signal.SIGKILL
        (Pins.find().generation(IFNAME, 2) / lost).unlink()
        with pytest.raises(DamageError, match=f"2/{lost} is missing"):
            datapath.status()
        assert at_each_hook(host) == served("odd")
        assert datapath.down()
        assert at_each_hook(host) == NOTHING
        check_nothing(bpffs)


@pytest.mark.parametrize("lost", ["link", "../*"])
def test_programs_of_others_stay(host: Pair, bpffs: Path, lost: str) -> None:
    index = Interface.of(IFNAME).index
    up("tcx")
    remove(lost)
    with (
        Object.load(object_file("bare"), programs=["bare_drop"]) as bare,
        Object.load(object_file("mirror"), programs=["cut"]) as other,
        TcxLink.attach(other.programs["cut"], index, "egress") as tcx,
    ):
        with XdpLink.attach(bare.programs["bare_drop"], index) as xdp:
            with suppress(RequestError):  # nothing of ours is left if all pins are gone
                Datapath.open(damaged=True).down()
            assert (xdp.ifindex, tcx.ifindex) == (index, index)
            assert Interface.of(IFNAME).xdp_id == bare.programs["bare_drop"].id
            with pytest.raises(AttachError, match="is there already"):
                Datapath.up(IFNAME, ONE)
            xdp.detach()
        tcx.detach()
    check_nothing(bpffs)


def test_pins_of_another_bpffs_are_not_ours_to_judge(
    hosts: Pair, bpffs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert lib.wp_mount_bpffs(os.fsencode(other)) == 0
    with monkeypatch.context() as patch:
        patch.setenv("WIREPATH_BPFFS", str(other))
        theirs = Datapath.up(IFNAME, ONE)
    assert Datapath.names() == []
    with pytest.raises(RequestError, match="not up"):
        Datapath.open(IFNAME, damaged=True)
    theirs.down()
    check_output(["umount", "--lazy", str(other)])
    check_nothing(bpffs)


def test_another_namespace_has_its_own(hosts: Pair, bpffs: Path) -> None:
    """The same name of an interface, the same bpffs: the cookie tells them apart."""
    here = Datapath.up(IFNAME, ONE)
    with hosts.far.entered():
        there = Datapath.up(IFNAME, ONE)
        remove("rows")
        assert there.damage()
    assert here.damage() is None
    with hosts.far.entered():
        assert there.down()
    assert here.status().warnings == ()
    here.down()
    check_nothing(bpffs)


def wirepath(near: Namespace) -> Callable[..., CompletedProcess[str]]:
    def run(*words: str) -> CompletedProcess[str]:
        return near.run(python("-m", "wirepath", *words), capture_output=True, text=True)

    return run


def test_what_commands_say_and_how_they_exit(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(_DROPS)
    run = wirepath(hosts.near)
    assert run("up", IFNAME, str(file)).returncode == 0
    lost = generation() / "egress" / "rows"
    lost.unlink()
    damage = f"{lost} is missing"
    cure = f"`wirepath down {IFNAME}`, then `wirepath up {IFNAME} POLICY`"
    for words in (
        ["ban", "192.0.2.1"], ["unban", "192.0.2.1"], ["bans"], ["stats"], ["rules"],
        ["test", "192.0.2.1"], ["set", "list"], ["apply", str(file)], ["up", IFNAME, str(file)],
    ):  # fmt: skip
        done = run(*words)
        said = f"wirepath: {IFNAME}: its pins are damaged: {damage} ({cure})\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said), words
    serves = "still in force at ingress, tc_ingress, egress"
    warning = f"its pins are damaged, {serves}: {damage} ({cure})"
    done = run("status")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{IFNAME}: DAMAGED, still up\n  damage   {damage}\n  hooks  ")
    assert done.stdout.endswith(f"  warning  {warning}\n")
    done = run("status", "--check")
    assert (done.returncode, done.stdout) == (1, f"{IFNAME}: {warning}\n")
    [interface] = json.loads(run("status", "--json").stdout)["interfaces"]
    assert (interface["damage"], interface["filtering"]) == (damage, True)
    assert list(interface["hooks"]) == list(HOOKS)
    done = run("down", "--json")
    assert json.loads(done.stdout) == {
        "iface": IFNAME,
        "damage": damage,
        "taken_off": list(HOOKS),
        "restored": [],
        "unknown": [],
    }
    assert run("down").returncode == 2
    assert run("up", IFNAME, str(file)).returncode == 0
    remove("ingress")
    done = run("down")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{IFNAME}: down; its pins were damaged: {lost.parents[1] / 'ingress'} is missing;"
        " taken off: ingress, tc_ingress, egress\n"
    )
