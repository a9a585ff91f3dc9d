"""A lost program: every command reports it, and it is attached again with all of its state."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.hooked import MODES, check_nothing, policy, served
from harness.hooked import serving as at_each_hook
from harness.living import ONE, OPPOSITE, end, left, serving
from harness.pair import IFNAME, IPV4, IPV6, Pair, ip, python, run
from wirepath.datapath import Datapath
from wirepath.datapath.generation.manifest import Tc
from wirepath.errors import AttachError, RequestError
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.object import Object
from wirepath.kernel.object_file import object_file

BANNED = "192.0.2.77"


def detach() -> None:
    with Datapath.open(IFNAME).reading() as handles:
        handles.link.detach()


def make_anew(hosts: Pair) -> None:
    """Delete the cable, and make another with the same names."""
    ip(hosts.near, "link", "del", IFNAME)
    ip(hosts.near, "link", "add", IFNAME, "type", "veth", "peer", "name", IFNAME,
       "netns", hosts.far.name)  # fmt: skip
    for number, host in enumerate((hosts.near, hosts.far)):
        ip(host, "link", "set", IFNAME, "up")
        ip(host, "addr", "add", f"{IPV4[number]}/24", "dev", IFNAME)
        ip(host, "addr", "add", f"{IPV6[number]}/64", "dev", IFNAME, "nodad")


def check_lost(datapath: Datapath, why: str) -> None:
    status = datapath.status()
    assert not status.filtering
    assert any(line.startswith(f"nothing is filtered: {why}") for line in status.warnings)
    with pytest.raises(AttachError, match="stored, but nothing is filtered"):
        datapath.bans.add(BANNED)
    with pytest.raises(AttachError, match="stored, but nothing is filtered"):
        datapath.sets.add("far", ["203.0.113.0/24"])
    with pytest.raises(AttachError, match="nothing changed: nothing is filtered"):
        datapath.sets.replace("far", ["203.0.113.0/24"])


def check_back(hosts: Pair, datapath: Datapath) -> None:
    assert serving(hosts) == "even"
    assert datapath.status().warnings == ()
    assert [str(ban.prefix) for ban in datapath.bans] == [BANNED]
    assert datapath.counters().rules["odd"].packets > 0
    assert datapath.manifest.generation == 2


@pytest.mark.parametrize("again", ["apply", "up"])
def test_detached_by_another_tool(hosts: Pair, bpffs: Path, again: str) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    assert serving(hosts) == "odd"
    detach()
    check_lost(datapath, "our program was taken off")
    if again == "apply":
        datapath.apply(OPPOSITE)
    else:
        Datapath.up(IFNAME, OPPOSITE)
    check_back(hosts, datapath)
    end(bpffs)


@pytest.mark.parametrize("again", ["apply", "up"])
def test_an_interface_that_was_made_anew(hosts: Pair, bpffs: Path, again: str) -> None:
    """A new interface of the same name is not used until the operator asks for it."""
    datapath = Datapath.up(IFNAME, ONE)
    assert serving(hosts) == "odd"
    make_anew(hosts)
    check_lost(datapath, "our program was taken off, or the interface was made anew")
    assert not Interface.of(IFNAME).xdp_id
    if again == "apply":
        datapath.apply(OPPOSITE)
    else:
        Datapath.up(IFNAME, OPPOSITE)
    check_back(hosts, datapath)
    end(bpffs)


@pytest.mark.parametrize("tc", MODES)
def test_every_hook_comes_back(hosts: Pair, bpffs: Path, tc: Tc) -> None:
    datapath = Datapath.up(IFNAME, policy("odd"), tc=tc)
    detach()
    datapath.apply(policy("odd"))
    assert at_each_hook(hosts) == served("odd")
    make_anew(hosts)
    datapath.apply(policy("even"))
    assert at_each_hook(hosts) == served("even")
    assert datapath.status().warnings == ()
    datapath.down()
    check_nothing(bpffs)


def test_an_interface_that_is_gone(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    datapath.bans.add(BANNED)
    ip(hosts.near, "link", "del", IFNAME)
    assert Datapath.names() == [IFNAME]
    check_lost(datapath, "the interface is gone")
    with pytest.raises((AttachError, RequestError)):
        datapath.apply(OPPOSITE)
    assert datapath.policy == ONE
    assert [str(ban.prefix) for ban in datapath.bans] == [BANNED]
    datapath.down()
    assert not left(bpffs)


def test_an_up_that_fails_keeps_what_was_left(hosts: Pair, bpffs: Path) -> None:
    """Another program is in the place: bans, sets and counters are kept for later."""
    datapath = Datapath.up(IFNAME, ONE)
    datapath.bans.add(BANNED)
    assert serving(hosts) == "odd"
    detach()
    index = Interface.of(IFNAME).index
    with (
        Object.load(object_file("bare"), programs=["bare_drop"]) as other,
        XdpLink.attach(other.programs["bare_drop"], index, "native"),
    ):
        with pytest.raises(AttachError, match="is there already"):
            Datapath.up(IFNAME, OPPOSITE)
        with pytest.raises(AttachError, match="is there already"):
            datapath.apply(OPPOSITE)
        (line,) = datapath.status().warnings
        assert line.startswith("nothing is filtered: our program was taken off, program ")
    assert [str(ban.prefix) for ban in datapath.bans] == [BANNED]
    Datapath.up(IFNAME, OPPOSITE)
    check_back(hosts, datapath)
    end(bpffs)


def test_a_new_name_is_followed(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    ip(hosts.near, "link", "set", IFNAME, "down")
    ip(hosts.near, "link", "set", IFNAME, "name", "wan0")
    ip(hosts.near, "link", "set", "wan0", "up")
    assert Datapath.names() == ["wan0"]
    with pytest.raises(RequestError, match=r"wirepath is not up there \(up on wan0\)"):
        Datapath.open(IFNAME)
    with pytest.raises(AttachError, match="wirepath is up there"):
        Datapath.up("wan0", OPPOSITE)
    found = Datapath.open()
    assert (found.name, found.status().iface, found.status().warnings) == ("wan0", "wan0", ())
    assert found.counters().iface == "wan0"
    datapath.bans.add(BANNED)
    found.apply(OPPOSITE)
    assert [str(ban.prefix) for ban in datapath.bans] == [BANNED]
    ip(hosts.near, "link", "add", IFNAME, "type", "veth", "peer", "name", "wp9")
    with pytest.raises(AttachError, match="is on wan0, which was renamed"):
        Datapath.up(IFNAME, ONE)
    found.down()
    assert not left(bpffs)
    assert not Interface.of("wan0").xdp_id


def test_moved_to_another_namespace(hosts: Pair, bpffs: Path) -> None:
    datapath = Datapath.up(IFNAME, ONE)
    ip(hosts.far, "link", "set", IFNAME, "name", "wp9")
    ip(hosts.near, "link", "set", IFNAME, "netns", hosts.far.name)
    check_lost(datapath, "the interface is in another network namespace")
    datapath.down()
    assert not left(bpffs)
    with hosts.far.entered():
        assert not Interface.of(IFNAME).xdp_id


def test_what_commands_say_and_how_they_exit(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[set.far]\n[[rule]]\nname = "r"\nmatch = { src = "@far" }\naction = "drop"\n')

    def wirepath(*words: str) -> CompletedProcess[str]:
        return hosts.near.run(python("-m", "wirepath", *words), capture_output=True, text=True)

    assert wirepath("status", "--check").returncode == 1
    run(hosts.near, *python("-m", "wirepath", "up", IFNAME, str(file)))
    assert wirepath("status", "--check").returncode == 0
    detach()
    for words in (["ban", BANNED], ["unban", BANNED], ["set", "add", "far", BANNED]):
        done = wirepath(*words)
        assert done.returncode == 1, words
        assert done.stderr == (
            f"wirepath: {IFNAME}: stored, but nothing is filtered: our program was taken off, or"
            " the interface was made anew (attach it again: `wirepath apply wp0 POLICY`)\n"
        )
    done = wirepath("status", "--check")
    assert (done.returncode, done.stdout.startswith("wp0: nothing is filtered: ")) == (1, True)
    assert wirepath("status").stdout.startswith("wp0: NOT FILTERING in native mode\n")
    [interface] = json.loads(wirepath("status", "--json").stdout)["interfaces"]
    assert interface["filtering"] is False
    assert wirepath("apply", str(file)).returncode == 0
    assert wirepath("status", "--check").returncode == 0
    assert wirepath("down").returncode == 0
