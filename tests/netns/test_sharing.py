"""Processes and long-lived objects that share a datapath all see the serving generation."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from harness.living import ONE, TWO, left, serving
from harness.numbered import send
from harness.pair import IFNAME, IPV4, Pair
from wirepath.datapath import Datapath
from wirepath.errors import RequestError
from wirepath.policy import Policy

FIRST = Policy.parse("""
[set.bad]
prefixes = ["192.0.2.0/24"]
counters = true
[[rule]]
name = "first"
match = { src = "@bad" }
action = "drop"
""")
SECOND = Policy.parse("""
[datapath]
default = "drop"
[set.good]
prefixes = ["203.0.113.0/24"]
[set.bad]
counters = true
[[rule]]
name = "second"
match = { src = "@good" }
action = "pass"
""")

# Calls that a process may make on an object that it made some time ago.
CALLS: dict[str, Callable[[Datapath], object]] = {
    "status": Datapath.status,
    "counters": Datapath.counters,
    "attachments": Datapath.attachments,
    "policy": lambda datapath: datapath.policy,
    "manifest": lambda datapath: datapath.manifest,
    "model": Datapath.model,
    "difference": lambda datapath: datapath.difference(FIRST),
    "bans.add": lambda datapath: datapath.bans.add("198.51.100.99", seconds=60),
    "bans.add_all": lambda datapath: datapath.bans.add_all(["2001:db8::/32"]),
    "bans.remove": lambda datapath: datapath.bans.remove("198.51.100.99"),
    "bans.remove_all": lambda datapath: datapath.bans.remove_all(),
    "bans.sweep": lambda datapath: datapath.bans.sweep(),
    "bans.all": lambda datapath: datapath.bans.all(),
    "bans.around": lambda datapath: datapath.bans.around("198.51.100.99"),
    "bans.save": lambda datapath: datapath.bans.save(),
    "bans.usage": lambda datapath: datapath.bans.usage(),
    "sets.names": lambda datapath: datapath.sets.names(),
    "sets.counts": lambda datapath: datapath.sets.counts(),
    "sets.members": lambda datapath: datapath.sets.members("bad"),
    "sets.counters": lambda datapath: datapath.sets.counters("bad"),
    "sets.add": lambda datapath: datapath.sets.add("bad", ["198.51.100.77"]),
    "sets.remove": lambda datapath: datapath.sets.remove("bad", ["198.51.100.77"]),
    "sets.replace": lambda datapath: datapath.sets.replace("bad", ["198.51.100.78"]),
    "apply": lambda datapath: datapath.apply(SECOND),
    "down": Datapath.down,
}


def here(work: Callable[[], object]) -> None:
    """Do *work* with another object of this process."""
    work()


def elsewhere(work: Callable[[], object]) -> None:
    """Do *work* in another process."""
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


WHERE = pytest.mark.parametrize("somewhere", [here, elsewhere])


@WHERE
def test_after_a_foreign_apply(
    hosts: Pair, somewhere: Callable[[Callable[[], object]], None]
) -> None:
    for name, call in CALLS.items():
        datapath = Datapath.up(IFNAME, FIRST)
        datapath.counters()
        somewhere(lambda: Datapath.open(IFNAME).apply(SECOND))
        call(datapath)
        check(SECOND, name)


@WHERE
def test_after_a_foreign_down_and_up(
    hosts: Pair, somewhere: Callable[[Callable[[], object]], None]
) -> None:
    for name, call in CALLS.items():
        datapath = Datapath.up(IFNAME, FIRST)
        datapath.bans.add("198.51.100.99")
        somewhere(lambda: Datapath.open(IFNAME).down())
        somewhere(lambda: Datapath.up(IFNAME, SECOND))
        call(datapath)
        check(SECOND, name)


@WHERE
def test_after_a_foreign_down(
    hosts: Pair, somewhere: Callable[[Callable[[], object]], None]
) -> None:
    datapath = Datapath.up(IFNAME, FIRST)
    datapath.counters()
    somewhere(lambda: Datapath.open(IFNAME).down())
    for name, call in CALLS.items():
        with pytest.raises(RequestError, match="wirepath is not up"):
            call(datapath)
        assert Datapath.names() == [], name


def check(policy: Policy, call: str) -> None:
    """Check that the policy of the other process is still in force and has the live changes."""
    if call == "down":
        assert Datapath.names() == []
        return
    datapath = Datapath.open(IFNAME)
    assert datapath.policy == policy
    assert datapath.manifest.policy == policy.document()
    banned = [str(ban.prefix) for ban in datapath.bans.all()]
    assert banned == {
        "bans.add": ["198.51.100.99"],
        "bans.add_all": ["2001:db8::/32"],
    }.get(call, [])
    members = [str(prefix) for prefix, _ in datapath.sets.members("bad")]
    assert members == {"sets.add": ["198.51.100.77"], "sets.replace": ["198.51.100.78"]}.get(
        call, []
    )
    datapath.down()


def test_bans_reach_the_packets_after_an_apply(hosts: Pair, bpffs: Path) -> None:
    """The map that was open before the apply no longer belongs to any generation."""
    one = Datapath.up(IFNAME, ONE)
    two = Datapath.open(IFNAME)
    two.apply(TWO)
    one.bans.add(IPV4[1], seconds=60)
    send(hosts.far, [6001])
    assert two.bans.all()[0].packets == 3
    two.down()
    assert not left(bpffs)


def test_a_set_that_is_replaced_does_not_bring_an_old_policy_back(hosts: Pair) -> None:
    one = Datapath.up(IFNAME, FIRST)
    assert one.policy == FIRST
    assert one.model().policy.rules[0].name == "first"
    Datapath.open(IFNAME).apply(SECOND)
    one.sets.replace("good", ["198.51.100.0/24"])
    assert one.policy == SECOND == Datapath.open(IFNAME).policy
    one.apply(FIRST)
    assert one.policy == FIRST
    one.down()


def test_threads_share_one_object(hosts: Pair) -> None:
    """Concurrent bans, sets, counters and applies: none fails, and nothing is lost."""
    datapath = Datapath.up(IFNAME, FIRST)
    failures: list[BaseException] = []

    def guarded(work: Callable[[int], object]) -> Callable[[], None]:
        def worker() -> None:
            try:
                for number in range(8):
                    work(number)
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                failures.append(error)

        return worker

    works = [
        guarded(lambda n: datapath.bans.add(f"203.0.113.{n}", seconds=60)),
        guarded(lambda n: datapath.bans.add(f"198.51.100.{n + 100}")),
        guarded(lambda n: datapath.apply(FIRST if n % 2 else SECOND)),
        guarded(lambda _: (datapath.counters(), datapath.status())),
    ]
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(datapath.bans.all()) == 16
    assert datapath.manifest.generation == 9
    assert datapath.status().warnings == ()
    datapath.down()


def test_what_it_says_of_itself(hosts: Pair) -> None:
    datapath = Datapath.up(IFNAME, FIRST)
    assert repr(datapath) == f"<datapath on {IFNAME}>"
    assert repr(datapath.bans) == f"<bans of {IFNAME}>"
    assert repr(datapath.sets) == f"<sets of {IFNAME}>"
    assert list(datapath.sets) == ["bad"]
    datapath.down()
    assert serving(hosts) not in ("odd", "even")
