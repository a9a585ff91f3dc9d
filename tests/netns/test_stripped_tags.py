"""VLAN tags that the driver strips from a frame: rules match them, answers leave with them.

The far host sends with tags that lie outside the frame (txvlan on, as veths are made), where a veth
leaves them, or in it (txvlan off).
"""

import json
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.frames import Eth, IPv4, Udp
from harness.living import end
from harness.pair import IFNAME, IPV4, IPV6, Pair, ip, run
from wirepath.cli import main
from wirepath.datapath import Datapath
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import Mode
from wirepath.kernel.object import Object
from wirepath.kernel.tcx import TcxLink
from wirepath.policy import Policy

HERE = Path(__file__).parent
PRIORITY = 3 << 13
VID, SERVICE = 5, 100
PLAIN = "[[rule]]\nname = 'all'\n"
TAGS = (
    '[[rule]]\nname = "five"\nmatch = { vlan = 5, dport = 9 }\n'
    '[[rule]]\nname = "hundred"\nmatch = { vlan = 100, dport = 9 }\n'
    '[[rule]]\nname = "any"\nmatch = { dport = 9 }\n'
)
FRAME = bytes(Eth(dst=b"\xff" * 6) / IPv4(src=IPV4[1], dst=IPV4[0]) / Udp(dport=9) / bytes(100))


@pytest.fixture(scope="module")
def tags_bpf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bpf") / "tags.bpf.o"
    include = f"-I/usr/include/{platform.machine()}-linux-gnu"
    subprocess.run(
        ["clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", include,
         "-c", str(HERE / "tags.bpf.c"), "-o", str(made)], check=True,
    )  # fmt: skip
    return made


Tagging = Callable[..., "ExitStack"]


@pytest.fixture
def tagging(hosts: Pair, tags_bpf: Path) -> Tagging:
    """Give a context in which the far host tags what it sends, and takes the tags off answers."""

    def tagging(tci: int = VID | PRIORITY, service_tci: int = 0) -> ExitStack:
        stack = ExitStack()
        with hosts.far.entered():
            ifindex = Interface.of(IFNAME).index
            constants = {"tci": tci, "service_tci": service_tci}
            loaded = stack.enter_context(Object.load(tags_bpf, constants=constants))
            stack.enter_context(TcxLink.attach(loaded.programs["push"], ifindex, "egress"))
            stack.enter_context(TcxLink.attach(loaded.programs["pop"], ifindex, "tc_ingress"))
        return stack

    return tagging


def send(hosts: Pair, count: int = 1) -> None:
    with hosts.far.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((IFNAME, 0))
        for _ in range(count):
            wire.send(FRAME)


def txvlan(hosts: Pair, how: str) -> None:
    run(hosts.far, "ethtool", "-K", IFNAME, "txvlan", how, "tx-vlan-stag-hw-insert", how)


def counted(datapath: Datapath) -> dict[str, tuple[int, int]]:
    rules = datapath.counters().rules
    return {name: (count.packets, count.bytes) for name, count in rules.items()}


def bound(datapath: Datapath) -> bool:
    with datapath.reading() as handles:
        return handles.program.name == "ingress_bound"


CASES = [
    ("native", "on", True),
    ("native", "off", True),
    ("generic", "on", False),
    ("generic", "off", True),
]


@pytest.mark.parametrize(("mode", "how", "seen"), CASES)
def test_a_tag(hosts: Pair, tagging: Tagging, mode: Mode, how: str, *, seen: bool) -> None:
    txvlan(hosts, how)
    with Datapath.up(IFNAME, Policy.parse(TAGS), mode=mode) as datapath, tagging():
        send(hosts, 3)
        whole = 3 * (len(FRAME) + 4)
        found = counted(datapath)
        assert found["five"] == ((3, whole) if seen else (0, 0))
        assert found["any"] == (3, whole if seen else 3 * len(FRAME))
        assert found["hundred"] == (0, 0)
        assert bound(datapath) == (mode == "native")
        datapath.down()


@pytest.mark.parametrize("how", ["on", "off"])
def test_the_outer_of_two_tags(hosts: Pair, tagging: Tagging, how: str) -> None:
    txvlan(hosts, how)
    with Datapath.up(IFNAME, Policy.parse(TAGS)) as datapath, tagging(VID, SERVICE):
        send(hosts, 3)
        whole = (3, 3 * (len(FRAME) + 8))
        assert counted(datapath) == {"five": (0, 0), "hundred": whole, "any": whole}
        datapath.down()


@pytest.mark.parametrize("how", ["on", "off"])
def test_a_third_tag_is_one_too_many(hosts: Pair, tagging: Tagging, how: str) -> None:
    txvlan(hosts, how)
    with ExitStack() as stack:
        datapath = stack.enter_context(Datapath.up(IFNAME, Policy.parse(TAGS)))
        stack.enter_context(tagging(VID))  # the last to see a packet at egress
        stack.enter_context(tagging(VID, SERVICE))
        send(hosts)
        outcomes = datapath.counters().hooks["ingress"]
        assert outcomes.faults["vlan_depth"].packets  # what the far host says by itself, too
        assert counted(datapath)["any"] == (0, 0)
        datapath.down()


@contextmanager
def listening(hosts: Pair) -> Iterator[None]:
    """The far veth takes answers of XDP only with a program of its own."""
    with hosts.far.entered():
        listener = Datapath.up(IFNAME, Policy.parse(""))
    try:
        yield
    finally:
        with hosts.far.entered():
            listener.down()


def neighbours(hosts: Pair) -> None:
    """No VLAN device of the near host answers ARP and neighbour discovery."""
    [link] = json.loads(run(hosts.near, "ip", "-j", "link", "show", "dev", IFNAME))
    for address in (IPV4[0], IPV6[0]):
        ip(hosts.far, "neigh", "replace", address, "lladdr", link["address"], "dev", IFNAME)


ANSWERING = (
    '[[rule]]\nname = "no"\nmatch = { dport = [23, 24] }\nreject = true\n'
    '[[rule]]\nname = "prove"\nmatch = { dport = 25 }\nchallenge = "reset"\n'
)


@pytest.mark.parametrize(
    ("mode", "how", "address", "service_tci"),
    [
        ("native", "on", IPV4[0], 0),
        ("native", "on", IPV6[0], 0),
        ("native", "on", IPV4[0], SERVICE),
        ("native", "on", IPV6[0], SERVICE),
        ("native", "off", IPV4[0], 0),
        ("generic", "on", IPV4[0], 0),
        ("generic", "off", IPV6[0], 0),
    ],
)
def test_answers_leave_with_the_tags(
    hosts: Pair, tagging: Tagging, *, mode: Mode, how: str, address: str, service_tci: int
) -> None:
    """The far host takes in only packets with the tags that it sends with."""
    txvlan(hosts, how)
    neighbours(hosts)
    with (
        listening(hosts),
        Datapath.up(IFNAME, Policy.parse(ANSWERING), mode=mode) as datapath,
        tagging(service_tci=service_tci),
    ):
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        with hosts.far.entered():
            tcp, proving = (socket.socket(kind, socket.SOCK_STREAM) for _ in range(2))
            udp = socket.socket(kind, socket.SOCK_DGRAM)
        with tcp, udp, proving:
            tcp.settimeout(20)
            with pytest.raises(ConnectionRefusedError):
                tcp.connect((address, 23))
            udp.settimeout(20)
            udp.connect((address, 24))
            udp.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
            if ":" in address:
                udp.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
            udp.send(bytes(600))
            with pytest.raises(OSError, match=r"No route to host|Permission denied"):
                udp.recv(1)
            proving.settimeout(0)
            with pytest.raises(BlockingIOError):
                proving.connect((address, 25))
            deadline = time.monotonic() + 20
            while datapath.counters().rules["prove"].packets < 3:  # SYN, RST, SYN
                assert time.monotonic() < deadline
                time.sleep(0.05)
        datapath.down()


def test_apply_binds_and_unbinds_in_place(hosts: Pair, tagging: Tagging) -> None:
    with Datapath.up(IFNAME, Policy.parse(PLAIN)) as datapath, tagging():
        assert not bound(datapath)
        link = datapath.status().link_id
        for number, policy in enumerate((TAGS, PLAIN, ANSWERING, TAGS, PLAIN), 1):
            datapath.apply(Policy.parse(policy))
            assert bound(datapath) == (policy != PLAIN)
            if policy == TAGS:
                send(hosts, number)
                assert counted(datapath)["five"][0] == number
        assert datapath.status().link_id == link
        assert datapath.status().warnings == ()
        datapath.down()


def test_a_device_made_anew_gets_a_program_of_its_own(
    hosts: Pair, tagging: Tagging, bpffs: Path
) -> None:
    datapath = Datapath.up(IFNAME, Policy.parse(TAGS))
    ip(hosts.near, "link", "set", IFNAME, "down")
    ip(hosts.near, "link", "set", IFNAME, "name", "wp9")
    ip(hosts.near, "link", "set", "wp9", "up")
    with tagging():
        renamed = Datapath.open("wp9")
        send(hosts)
        assert counted(renamed)["five"][0] == 1
        renamed.apply(Policy.parse(TAGS))
        send(hosts)
        assert counted(renamed)["five"][0] == 2
    ip(hosts.near, "link", "del", "wp9")
    assert not datapath.status().filtering
    ip(hosts.near, "link", "add", IFNAME, "type", "veth", "peer", "name", IFNAME,
       "netns", hosts.far.name)  # fmt: skip
    for host in (hosts.near, hosts.far):
        ip(host, "link", "set", IFNAME, "up")
    datapath.apply(Policy.parse(TAGS))
    with tagging():
        send(hosts)
        assert counted(datapath)["five"][0] == 3
    assert datapath.status().warnings == ()
    end(bpffs)


def keep(hosts: Pair) -> None:
    run(hosts.near, "ethtool", "-K", IFNAME, "rxvlan", "off", "rx-vlan-stag-hw-parse", "off")


STRIPS = (
    "rule five: wp0 strips VLAN tags, and ingress in generic mode does not see them"
    " (`ethtool -K PEER txvlan off tx-vlan-stag-hw-insert off` on its peer,"
    " then `ethtool -K wp0 rxvlan off rx-vlan-stag-hw-parse off`)"
)


def test_rules_that_cannot_see_the_tag_are_told(hosts: Pair) -> None:
    with Datapath.up(IFNAME, Policy.parse(PLAIN), mode="generic") as datapath:
        assert datapath.status().warnings == ()
        datapath.apply(Policy.parse(ANSWERING))  # the kernel gives answers the tag
        assert datapath.status().warnings == ()
        datapath.apply(Policy.parse(TAGS))
        assert datapath.status().warnings == (STRIPS, STRIPS.replace("five", "hundred"))
        keep(hosts)
        assert datapath.status().warnings == ()
        datapath.down()


def test_a_driver_that_does_not_tell(hosts: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """In native mode answers leave without the tag, too, which matters to a bridge or a VLAN."""
    monkeypatch.setattr("wirepath.kernel.netlink.xdp_metadata", lambda _: frozenset({"hash"}))
    with Datapath.up(IFNAME, Policy.parse(TAGS + ANSWERING)) as datapath:
        assert not bound(datapath)
        rules = [warning.split(":")[0] for warning in datapath.status().warnings]
        assert rules == ["rule five", "rule hundred"]
        ip(hosts.near, "link", "add", "br0", "type", "bridge")
        ip(hosts.near, "link", "set", IFNAME, "master", "br0")
        rules = [warning.split(":")[0] for warning in datapath.status().warnings]
        assert rules == ["rule five", "rule hundred", "rule no", "rule prove"]
        assert "ingress in native mode" in datapath.status().warnings[0]
        datapath.down()


def test_programs_that_take_one_buffer_only(
    hosts: Pair, tagging: Tagging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel binds no others; frames of a larger MTU need more buffers."""
    monkeypatch.setattr("wirepath.kernel.features.binds", lambda _, *, frags: not frags)
    with Datapath.up(IFNAME, Policy.parse(PLAIN)) as datapath, tagging():
        datapath.apply(Policy.parse(TAGS))
        send(hosts)
        assert counted(datapath)["five"][0] == 1
        datapath.apply(Policy.parse(PLAIN))
        for host in (hosts.near, hosts.far):
            ip(host, "link", "set", IFNAME, "mtu", "9000")
        datapath.apply(Policy.parse(TAGS))
        assert not bound(datapath)
        assert len(datapath.status().warnings) == 2
        datapath.down()


def test_a_bridge_never_sees_them(hosts: Pair, tagging: Tagging) -> None:
    """The kernel has taken the tag out on the way through the port, wherever it was."""
    txvlan(hosts, "off")
    ip(hosts.near, "link", "add", "br0", "type", "bridge")
    ip(hosts.near, "link", "set", "br0", "up")
    ip(hosts.near, "link", "set", IFNAME, "master", "br0")
    ip(hosts.near, "link", "set", IFNAME, "promisc", "on")
    with Datapath.up("br0", Policy.parse(TAGS), mode="generic") as datapath, tagging():
        send(hosts)
        assert counted(datapath)["any"][0] == 1
        assert counted(datapath)["five"][0] == 0
        assert datapath.status().warnings == tuple(
            f"rule {name}: br0 strips VLAN tags, and ingress in generic mode does not see them"
            " (match on `vlan` at tc_ingress)"
            for name in ("five", "hundred")
        )
        datapath.down()


def test_commands_say_it(hosts: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, tags = (tmp_path / name for name in ("plain.toml", "tags.toml"))
    plain.write_text(PLAIN)
    tags.write_text(TAGS)

    def said(*words: object) -> str:
        main([str(word) for word in words])
        read = capsys.readouterr()
        return read.out + read.err

    note, warning = f"note: {STRIPS}\n", f"warning: {IFNAME}: {STRIPS}\n"
    assert warning in said("up", IFNAME, tags, "--mode", "generic")
    assert STRIPS in said("status", "--json")
    assert STRIPS in said("status")
    assert "strips" not in said("apply", plain)
    assert note in said("apply", tags, "--dry-run")
    assert warning in said("apply", tags)
    told = said("doctor", IFNAME)
    assert "vlan tags    stripped, seen in native mode only" in told
    assert f"-> {STRIPS[STRIPS.index('`') : -1]}" in told
    keep(hosts)
    assert "vlan tags    in the frame" in said("doctor", IFNAME)
    said("down")
