"""Bans by the kernel's clock: commands in a time namespace, and a host that is suspended.

A test cannot suspend the host. It writes the word by which the program knows how long the host has
been suspended (``asleep`` of ``bpf/clock.h``) and keeps the program from asking the kernel again.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, Pair, python, run
from wirepath.datapath import Datapath
from wirepath.kernel import clock
from wirepath.net import Prefix
from wirepath.policy import Policy

_SHIFTED = ("unshare", "--time", "--fork", "--boottime", "86400", "--monotonic", "172800")
_PORTS = (6001, 6002)
_HOUR_S = 3600
_EXACT = """
[[rule]]
name = "slow"
match = { proto = "udp", dport = 6002 }
limit = { rate = "2/h", per = "src", exact = true }
"""
_BANS = """
[[rule]]
name = "knock"
match = {{ proto = "udp", dport = 6001 }}
limit = {{ rate = "{}", per = "src", ban = "1h", ban_scope = "{}" }}
"""


def wirepath(hosts: Pair, *words: str, shifted: bool = False) -> Any:
    unshared: Sequence[str] = _SHIFTED if shifted else ()
    return json.loads(run(hosts.near, *unshared, *python("-m", "wirepath", *words, "--json")))


@contextmanager
def asleep(datapath: Datapath, seconds: int) -> Iterator[None]:
    """Make the program believe that the host has been suspended for *seconds* more."""
    slept = clock.boot_ns() - clock.monotonic_ns() + seconds * 1_000_000_000
    with datapath.reading() as handles, handles.maps["asleep"].memory() as word:
        word[:16] = struct.pack("=QQ", max(slept, 0), (1 << 64) - 1)
        try:
            yield
        finally:
            word[8:16] = bytes(8)  # ask again


def remaining(bans: list[dict[str, Any]]) -> list[float]:
    return [ban["remaining_s"] for ban in bans]


def test_commands_in_a_time_namespace(hosts: Pair, tmp_path: Path) -> None:
    """Bans, their listing and keys of exact limits do not depend on the namespace's offsets."""
    file, saved = tmp_path / "policy.toml", tmp_path / "bans.jsonl"
    file.write_text(_EXACT)
    wirepath(hosts, "up", IFNAME, str(file))
    with Inbox(hosts.near, _PORTS) as inbox:
        send(hosts.far, _PORTS[1:])
        assert inbox.take() == {6001: [], 6002: [0, 1]}
        for shifted in (True, False):
            wirepath(hosts, "ban", IPV4[1], "--for", "1h", shifted=shifted)
            for looks in (True, False):
                [left] = remaining(wirepath(hosts, "bans", shifted=looks)["bans"])
                assert _HOUR_S - 60 < left <= _HOUR_S
                said = wirepath(hosts, "test", IPV4[1], shifted=looks)
                assert said["verdict"] == "drop"
                [status] = wirepath(hosts, "status", shifted=looks)["interfaces"]
                assert 0 <= status["serving_s"] < 600
                top = wirepath(hosts, "top", "--once", shifted=looks)
                [key] = top["talkers"]
                assert 0.9 < key["used"] <= 1
        wirepath(hosts, "bans", "--save", str(saved), shifted=True)
        wirepath(hosts, "unban", IPV4[1], shifted=True)
        wirepath(hosts, "ban", "--file", str(saved))
        [left] = remaining(wirepath(hosts, "bans")["bans"])
        assert _HOUR_S - 120 < left <= _HOUR_S
    wirepath(hosts, "down", shifted=True)


def test_a_ban_of_an_operator_ends_while_the_host_is_suspended(hosts: Pair) -> None:
    with Datapath.up(IFNAME, Policy.parse("")) as datapath, Inbox(hosts.near, _PORTS[:1]) as inbox:
        datapath.bans.add(Prefix.parse(IPV4[1]), seconds=_HOUR_S)
        for slept, passes in ((0, False), (_HOUR_S - 60, False), (_HOUR_S + 1, True), (0, False)):
            with asleep(datapath, slept):
                send(hosts.far, _PORTS[:1], count=2)
                assert inbox.take() == {6001: [0, 1] if passes else []}
        datapath.down()


@pytest.mark.parametrize("scope", ["all", "rule"])
@pytest.mark.parametrize("rate", ["2/s", "2/h"])
def test_a_ban_of_a_limit_ends_while_the_host_is_suspended(
    hosts: Pair, scope: str, rate: str
) -> None:
    """The ban of a limit ends, but the limit goes by a clock that stood still."""
    policy = Policy.parse(_BANS.format(rate, scope))
    with Datapath.up(IFNAME, policy) as datapath, Inbox(hosts.near, _PORTS[:1]) as inbox:
        send(hosts.far, _PORTS[:1], count=40)
        [ban] = datapath.bans.all()
        assert ban.remaining_s is not None
        assert _HOUR_S - 60 < ban.remaining_s <= _HOUR_S
        inbox.take()
        before = datapath.counters().rules["knock"].dropped
        with asleep(datapath, _HOUR_S - 60):
            send(hosts.far, _PORTS[:1], count=1)
            assert inbox.take() == {6001: []}
        with asleep(datapath, _HOUR_S + 60):
            send(hosts.far, _PORTS[:1], count=1)
            inbox.take()
            limited = datapath.counters().rules["knock"]
            assert limited.exceeded >= 1
            # A new ban by the clock of this moment: an hour from now, by the clock as it is asked.
            if rate == "2/h":
                [ban] = datapath.bans.all()
                assert ban.remaining_s is not None
                assert 2 * _HOUR_S < ban.remaining_s <= 2 * _HOUR_S + 61
        assert before >= 1
        datapath.down()


def test_the_program_asks_how_long_the_host_was_suspended(hosts: Pair) -> None:
    """The word is the kernel's own difference of clocks once a packet has met a ban."""
    with Datapath.up(IFNAME, Policy.parse("")) as datapath:
        datapath.bans.add(Prefix.parse(IPV4[1]), seconds=_HOUR_S)
        with Inbox(hosts.near, _PORTS[:1]) as inbox:
            send(hosts.far, _PORTS[:1], count=1)
            assert inbox.take() == {6001: []}
        difference = clock.boot_ns() - clock.monotonic_ns()
        with datapath.reading() as handles, handles.maps["asleep"].memory() as word:
            slept, until = struct.unpack("=QQ", word[:16])
        assert abs(slept - difference) < 100_000_000
        assert until > 0
        datapath.down()
