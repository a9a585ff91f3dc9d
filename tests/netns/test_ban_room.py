"""The table of bans begins small, and a larger one takes its place when it is full."""

import os
import signal
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from harness.living import ONE, OPPOSITE, PORTS, child, end, serving
from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, Pair
from wirepath.datapath import Datapath
from wirepath.datapath.access import Access
from wirepath.datapath.generation.build import Next
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.live import ban_table
from wirepath.datapath.live.counters import Outcomes
from wirepath.datapath.steps import STEPS
from wirepath.errors import FullError, KernelError
from wirepath.kernel.links import XdpLink
from wirepath.lab.flood import Flood
from wirepath.lab.traffic import addresses, from_sources, random_sources, udp
from wirepath.policy import Policy

_SMALL, _LARGER, _LARGEST = _ROOMS = (8, 64, 1_000_000)
_MIB = 1 << 20
_LIMIT = """
[[rule]]
name = "ssh"
match = { dport = 22 }
limit = { rate = "5/min", per = "src", ban = "5min" }
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ban_table, "ROOMS", _ROOMS)


def hosts_of(count: int, net: int = 0) -> list[str]:
    first = int(IPv4Address(f"10.{net}.0.0"))
    return [str(IPv4Address(first + n)) for n in range(count)]


def listed(datapath: Datapath) -> set[str]:
    return {str(ban.prefix) for ban in datapath.bans}


def entries(datapath: Datapath) -> int:
    with datapath.reading() as handles:
        return handles.maps["bans"].max_entries


def locked(datapath: Datapath) -> int:
    """Sum up the memory of all maps but those that grow with the number of CPUs."""
    with datapath.reading() as handles:
        found = {each.id: each for maps in handles.tables.values() for each in maps.values()}
        return sum(each.memory_bytes for each in found.values() if not each.per_cpu)


def judged(datapath: Datapath) -> Outcomes:
    return datapath.counters().hooks["ingress"]


def await_banned(datapath: Datapath, packets: int) -> None:
    """Wait until bans have dropped so many packets from now on."""
    before, deadline = judged(datapath).reasons["banned"].packets, time.monotonic() + 20
    while judged(datapath).reasons["banned"].packets < before + packets:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def passes(hosts: Pair) -> bool:
    with Inbox(hosts.near, PORTS) as inbox:
        send(hosts.far, PORTS)
        return bool(any(inbox.take().values()))


def test_memory_grows_with_what_there_is(hosts: Pair, bpffs: Path) -> None:
    rules = Policy.parse('[[rule]]\nname = "web"\nmatch = { dport = 80 }\naction = "drop"\n')
    with Datapath.up(IFNAME, rules) as datapath, datapath.reading() as handles:
        assert locked(datapath) < 5 * _MIB
        assert entries(datapath) == ban_table.ROOMS[0]
        assert datapath.bans.usage() == (0, 1_000_000, 0)
        before = handles.maps["bans"].memory_bytes
        datapath.bans.restore("\n".join(hosts_of(10_000)).encode())
        assert before < handles.maps["bans"].memory_bytes < before + 2 * _MIB
    end(bpffs)


def test_a_full_table_is_replaced_by_a_larger_one(hosts: Pair, bpffs: Path) -> None:
    first = "\n".join(hosts_of(65_536)).encode()
    with Datapath.up(IFNAME, ONE) as datapath:
        assert datapath.bans.restore(first).banned == 65_536
        assert (entries(datapath), datapath.manifest.generation) == (65_536, 1)
        datapath.bans.restore(first)  # the same ones
        assert datapath.manifest.generation == 1
        assert passes(hosts)
        datapath.bans.add(IPV4[1], seconds=300)
        assert (entries(datapath), datapath.manifest.generation) == (262_144, 2)
        assert datapath.bans.usage() == (65_537, 1_000_000, 0)
        assert not passes(hosts)
        assert datapath.status().warnings == ()
        more = "\n".join(hosts_of(262_144, net=64)).encode()
        datapath.bans.restore(more)
        assert (entries(datapath), datapath.bans.usage().used) == (1_000_000, 327_681)
        assert not passes(hosts)
        datapath.bans.remove_all()
        assert serving(hosts) == "odd"
    end(bpffs)


def test_bans_keep_what_they_have_counted(hosts: Pair, small: None) -> None:
    with Datapath.up(IFNAME, ONE) as datapath:
        datapath.bans.add(IPV4[1])
        assert not passes(hosts)
        datapath.bans.add_all(hosts_of(_SMALL))
        assert entries(datapath) == _LARGER
        [ban] = [ban for ban in datapath.bans if str(ban.prefix) == IPV4[1]]
        assert ban.packets >= 3 * len(PORTS)
        assert not passes(hosts)


def test_no_banned_packet_passes_while_it_grows(hosts: Pair, small: None) -> None:
    sources = random_sources(_SMALL)
    flood = Flood(hosts.far, IFNAME, from_sources(udp(IPV4[0], 9), sources))
    with Datapath.up(IFNAME, Policy.parse("")) as datapath, flood:
        datapath.bans.add_all(addresses(sources))
        flood.start(seconds=60)
        await_banned(datapath, 1_000)
        datapath.bans.add_all(hosts_of(_SMALL, net=1))
        await_banned(datapath, 1_000)
        flood.stop()
        assert entries(datapath) == _LARGER
        counted = judged(datapath)
        assert counted.verdicts["drop"].packets == counted.reasons["banned"].packets
        assert counted.verdicts["pass"].packets < 50  # of the kernel itself
        datapath.down()


def test_where_limits_ban_there_is_all_the_room_from_the_start(hosts: Pair, small: None) -> None:
    """Packets cannot make a larger table."""
    banned = set(hosts_of(3))
    with Datapath.up(IFNAME, ONE) as datapath:
        datapath.bans.add_all(banned)
        steps = (
            (Policy.parse(_LIMIT), _LARGEST),
            (ONE, _LARGEST),  # packets may ban until it serves
            (OPPOSITE, _SMALL),
            (Policy.parse(_LIMIT), _LARGEST),
        )
        assert entries(datapath) == _SMALL
        for policy, room in steps:
            datapath.apply(policy)
            assert (entries(datapath), listed(datapath)) == (room, banned)
        assert datapath.bans.usage().room == _LARGEST
        datapath.down()
    with Datapath.up(IFNAME, Policy.parse(_LIMIT)) as datapath:
        assert entries(datapath) == _LARGEST
        datapath.down()


def test_apply_gives_back_what_is_not_needed(hosts: Pair, small: None) -> None:
    with Datapath.up(IFNAME, ONE) as datapath:
        datapath.bans.add_all(hosts_of(_SMALL + 1))
        assert entries(datapath) == _LARGER
        datapath.bans.lift(hosts_of(_SMALL // 2))
        datapath.apply(OPPOSITE)
        assert entries(datapath) == _LARGER  # some room is left
        datapath.bans.lift(hosts_of(_SMALL // 2 + 1))
        datapath.apply(ONE)
        assert (entries(datapath), len(listed(datapath))) == (_SMALL, _SMALL // 2)
        datapath.down()


def test_expired_bans_make_room_first(hosts: Pair, small: None) -> None:
    with Datapath.up(IFNAME, ONE) as datapath:
        datapath.bans.add_all(hosts_of(_SMALL), seconds=0.01)
        time.sleep(0.02)
        datapath.bans.add_all(hosts_of(_SMALL, net=1))
        assert (entries(datapath), datapath.manifest.generation) == (_SMALL, 1)


def test_if_there_is_no_larger_one_the_rest_is_told(
    hosts: Pair, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KernelError("load datapath", 12)

    with Datapath.up(IFNAME, ONE) as datapath:
        with monkeypatch.context() as patch:
            patch.setattr(Access, "rebuild", fail)
            with pytest.raises(FullError) as full:
                datapath.bans.add_all([*hosts_of(_SMALL), IPV4[1]])
        assert full.value.written == _SMALL
        assert str(full.value) == (
            f"ban {_SMALL + 1} sources: the table holds {_SMALL} and could not be made larger,"
            f" {_SMALL} were banned before: load datapath: Cannot allocate memory [ENOMEM] [E2BIG]"
        )
        assert listed(datapath) == set(hosts_of(_SMALL))
        datapath.bans.add(IPV4[1])
        assert not passes(hosts)


_PLACES = [
    *((type(step), "do") for step in STEPS),
    *((type(step), "finish") for step in STEPS),
    (Generation, "take_over"),
    (Next, "hand_over"),
    (XdpLink, "update"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", _PLACES, ids=lambda it: f"{it[0].__name__}.{it[1]}")
def test_killed_while_it_grows(
    hosts: Pair, bpffs: Path, small: None, place: tuple[type, str], when: str
) -> None:
    """All bans that there were hold, whichever table serves then."""
    owner, method = place
    banned = {IPV4[1], *hosts_of(_SMALL - 1)}
    Datapath.up(IFNAME, ONE).bans.add_all(banned)
    original = getattr(owner, method)

    def killing(*args: Any, **options: Any) -> None:
        if when == "after":
            original(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    def grow() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, method, killing)
            Datapath.open(IFNAME).bans.add("192.0.2.9")

    assert os.waitpid(child(grow), 0)[1] == signal.SIGKILL
    assert not passes(hosts)
    datapath = Datapath.open(IFNAME)
    assert listed(datapath) == banned
    assert entries(datapath) in (_SMALL, _LARGER)
    assert datapath.status().warnings == ()
    datapath.bans.add("192.0.2.9")
    assert listed(datapath) == banned | {"192.0.2.9"}
    assert entries(datapath) == _LARGER
    assert not passes(hosts)
    end(bpffs)
