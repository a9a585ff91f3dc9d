"""Bans of limits on real traffic: listed, kept over apply and kill -9, lifted, saved to a file."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, Pair, python, run

POLICY = """
[[rule]]
name = "knock"
match = { proto = "udp", dport = 6001 }
limit = { rate = "2/h", per = "src", ban = "1h" }
"""
SCOPED = POLICY.replace('ban = "1h"', 'ban = "1h", ban_scope = "rule"')
EVERY = (6001, 6002)


def wirepath(hosts: Pair, *words: str) -> Any:
    printed = run(hosts.near, *python("-m", "wirepath", *words, "--json"))
    return json.loads(printed)


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    return str(file)


def listed(hosts: Pair) -> list[tuple[str, str | None, str | None]]:
    bans = wirepath(hosts, "bans")["bans"]
    return [(ban["prefix"], ban["rule"], ban["scope"]) for ban in bans]


def test_a_ban_of_a_limit_from_first_to_last(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    file = write(tmp_path, POLICY)
    ban = [(IPV4[1], "knock", None)]
    # The process that brings it up is killed; all state is in the kernel.
    up = (
        "import sys, time\n"
        "from wirepath.datapath import Datapath\n"
        "from wirepath.policy import Policy\n"
        "from pathlib import Path\n"
        "Datapath.up(sys.argv[1], Policy.load(Path(sys.argv[2])))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", up, IFNAME, file]
    with hosts.near.spawn(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        with Inbox(hosts.near, EVERY) as inbox:
            send(hosts.far, EVERY[1:])
            send(hosts.far, EVERY[:1], count=5)
            assert inbox.take() == {6001: [0, 1], 6002: [0, 1, 2]}
            assert listed(hosts) == ban
            process.kill()
            assert process.wait() == -signal.SIGKILL
            send(hosts.far, EVERY)
            assert inbox.take() == {6001: [], 6002: []}
            wirepath(hosts, "apply", file)
            wirepath(hosts, "apply", write(tmp_path, POLICY + '[[rule]]\nname = "other"\n'))
            send(hosts.far, EVERY)
            assert inbox.take() == {6001: [], 6002: []}
            assert listed(hosts) == ban
            [found] = wirepath(hosts, "bans")["bans"]
            assert found["packets"] == 2 + 2 * 6
            assert 3500 < found["remaining_s"] <= 3600
            assert wirepath(hosts, "unban", IPV4[1])["unbanned"] == [IPV4[1]]
            send(hosts.far, EVERY[1:])
            send(hosts.far, EVERY[:1])
            assert inbox.take() == {6001: [], 6002: [0, 1, 2]}  # and the limit is still in force
            assert listed(hosts) == ban
    wirepath(hosts, "down")


def test_a_ban_is_never_of_a_rule_that_got_the_slot(
    hosts: Pair, bpffs: Path, tmp_path: Path
) -> None:
    """A rule that takes over a slot takes over neither the bans nor the name of the old rule."""
    other = SCOPED.replace("knock", "other")
    for first, ban in ((POLICY, [(IPV4[1], None, None)]), (SCOPED, [])):
        wirepath(hosts, "up", IFNAME, write(tmp_path, first))
        with Inbox(hosts.near, EVERY) as inbox:
            send(hosts.far, EVERY)
            assert [name for _, name, _ in listed(hosts)] == ["knock"]
            wirepath(hosts, "apply", write(tmp_path, ""))
            assert listed(hosts) == ban
            wirepath(hosts, "apply", write(tmp_path, other))
            assert listed(hosts) == ban
            inbox.take()
            send(hosts.far, EVERY)
            lets = [] if ban else [0, 1]
            assert inbox.take()[6001] == lets
        wirepath(hosts, "down")


def test_saved_taken_down_and_restored(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    file, saved = write(tmp_path, SCOPED), str(tmp_path / "bans.jsonl")
    wirepath(hosts, "up", IFNAME, file)
    with Inbox(hosts.near, EVERY) as inbox:
        send(hosts.far, EVERY)
        inbox.take()
        assert wirepath(hosts, "bans", "--save", saved)["bans"] == 1
        wirepath(hosts, "down")
        wirepath(hosts, "up", IFNAME, file)
        assert wirepath(hosts, "ban", "--file", saved)["banned"] == 1
        assert listed(hosts) == [(IPV4[1], "knock", "knock")]
        send(hosts.far, EVERY)
        assert inbox.take() == {6001: [], 6002: [0, 1, 2]}
        assert wirepath(hosts, "unban", "--file", saved)["lifted"] == 1
        send(hosts.far, EVERY)
        assert inbox.take() == {6001: [0, 1], 6002: [0, 1, 2]}
    wirepath(hosts, "down")
