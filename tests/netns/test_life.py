"""The whole life: up, traffic, apply, kill -9 at any moment, down; and nothing of it is left.

Policies here mean the same in different words, or the opposite; the tests find out which one serves
from traffic, never from wirepath.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from harness.living import (
    EVEN,
    ODD,
    ONE,
    OPPOSITE,
    PORTS,
    TWO,
    check_whole,
    child,
    end,
    gone,
    kill,
    left,
    serving,
)
from harness.numbered import Inbox, Sender, send
from harness.pair import IFNAME, IPV4, Pair, python, run
from wirepath.datapath import Datapath
from wirepath.kernel.interface import Interface
from wirepath.net import Prefix


def command(hosts: Pair, *words: str) -> Any:
    printed = run(hosts.near, *python("-m", "wirepath", *words, "--json"))
    return json.loads(printed or "null")


def test_from_up_to_down(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    """The command line does everything, each command in a process of its own."""
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('[[rule]]\nname = "odd"\nmatch = { dport = 6001 }\naction = "drop"\n')
    second.write_text('[datapath]\ndefault = "drop"\n')
    command(hosts, "up", IFNAME, str(first))
    [status] = command(hosts, "status")["interfaces"]
    with Datapath.open(IFNAME) as datapath:
        with datapath.reading() as handles:
            programs, links = [handles.program.id], [handles.link.id]
            maps = [each.id for each in handles.maps.values()]
        assert (status["program_id"], status["link_id"]) == (*programs, *links)
    with Inbox(hosts.near, [6001, 6002]) as inbox:
        send(hosts.far, [6001, 6002])
        assert inbox.take() == {6001: [], 6002: [0, 1, 2]}
        assert command(hosts, "stats")["rules"]["odd"]["dropped"] == 3
        command(hosts, "apply", IFNAME, str(second))
        [status] = command(hosts, "status")["interfaces"]
        programs.append(status["program_id"])
        send(hosts.far, [6001, 6002])
        assert inbox.take() == {6001: [], 6002: []}
        command(hosts, "down", IFNAME)
        send(hosts.far, [6001, 6002])
        assert inbox.take() == {6001: [0, 1, 2], 6002: [0, 1, 2]}
    assert not Interface.of(IFNAME).xdp_id
    assert gone("prog", programs)
    assert gone("map", maps)
    assert gone("link", links)
    assert not left(bpffs)


def test_no_packet_is_lost_or_misjudged_by_applies_under_load(hosts: Pair) -> None:
    with Datapath.up(IFNAME, ONE) as datapath, Inbox(hosts.near, PORTS) as inbox:
        with Sender(hosts.far, PORTS) as sender:
            for number in range(20):
                time.sleep(0.02)
                assert not datapath.apply(ONE if number % 2 else TWO).empty
        came = inbox.take()
        every = list(range(sender.sent))
        assert {port: came[port] for port in ODD} == dict.fromkeys(ODD, every)
        assert {port: came[port] for port in EVEN} == {port: [] for port in EVEN}
        counted = datapath.counters().rules
        assert counted["odd"].packets == counted["even"].packets == 4 * sender.sent
        assert counted["all"].packets == 8 * sender.sent
        assert (counted["odd"].dropped, counted["even"].dropped) == (0, 4 * sender.sent)
        assert datapath.manifest.generation == 21
        datapath.down()
    assert sender.sent > 500


def test_what_changes_live_is_not_lost_by_an_apply(hosts: Pair) -> None:
    """Bans and their counters are carried from generation to generation."""
    with Datapath.up(IFNAME, ONE) as datapath:
        datapath.bans.add(Prefix.parse(IPV4[1]))
        send(hosts.far, PORTS)
        datapath.apply(TWO)
        send(hosts.far, PORTS)
        [ban] = datapath.bans.all()
        assert ban.packets == 6 * len(PORTS)
        assert datapath.bans.remove(Prefix.parse(IPV4[1]))
        assert serving(hosts) == "odd"
        datapath.down()


def test_packets_are_judged_when_no_process_is_left(hosts: Pair) -> None:
    script = (
        "import json, sys, time\n"
        "from wirepath.datapath import Datapath\n"
        "from wirepath.policy import Policy\n"
        "datapath = Datapath.up(sys.argv[1], Policy.from_document(json.loads(sys.argv[2])))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script, IFNAME, json.dumps(ONE.document())]
    with hosts.near.spawn(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert serving(hosts) == "odd"
    [status] = command(hosts, "status")["interfaces"]
    assert (status["iface"], status["rules"], status["warnings"]) == (IFNAME, 3, [])
    with Datapath.open() as datapath:
        assert datapath.counters().rules["even"].dropped == 3 * len(EVEN)
        datapath.down()


def _apply_for_ever() -> NoReturn:
    with Datapath.open(IFNAME) as datapath:
        while True:
            datapath.apply(OPPOSITE)
            datapath.apply(ONE)


def test_killed_in_the_middle_of_an_apply(hosts: Pair, bpffs: Path) -> None:
    """Killed at any moment: one policy serves, all of it, and the next apply works."""
    random = Random(1)  # noqa: S311 - a seed
    with Datapath.up(IFNAME, ONE):
        pass
    for _ in range(20):
        pid = child(_apply_for_ever)
        time.sleep(random.uniform(0.02, 0.4))
        kill(pid)
        check_whole(hosts, bpffs)
    end(bpffs)
