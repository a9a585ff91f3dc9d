"""Processes that live for months: one lock, many threads, nothing left open."""

import os
import threading
import time
from collections.abc import Callable
from errno import EAGAIN
from functools import partialmethod
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from harness.living import ONE, OPPOSITE, kill, left, serving
from harness.pair import IFNAME, IPV4, Pair, ip
from wirepath import Datapath, KernelError, Policy, Prefix, RequestError
from wirepath.kernel.bpffs import Pins

POLICY = Policy.of(
    [{"name": "bad", "match": {"src": "@bad"}, "action": "drop"}],
    sets={"bad": "192.0.2.0/24"},
    datapath={"never_block": "198.51.100.0/28"},
    file="long.toml",
)


@pytest.fixture
def datapath(hosts: Pair) -> Datapath:
    return Datapath.up(IFNAME, POLICY)


def in_thread(work: Callable[[], object]) -> list[BaseException]:
    """Do *work* in another thread; return the exception that it raised."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    return raised


def test_calls_of_the_thread_that_holds_the_lock_go_on(datapath: Datapath) -> None:
    began = time.monotonic()
    with datapath.changing():
        assert datapath.status().generation == 1
        datapath.bans.add("203.0.113.5")
        assert "203.0.113.5" in Datapath.open(IFNAME).bans
        datapath.apply(OPPOSITE)
        datapath.sets.add("far", "203.0.113.0/24")
        with datapath.changing(), datapath.reading():
            assert datapath.policy == OPPOSITE
        datapath.apply(POLICY)
        assert Datapath.names() == [IFNAME]
    assert time.monotonic() - began < 10  # as long as it would wait for another process
    assert not in_thread(datapath.status)
    datapath.down()


def test_others_wait_and_give_up(datapath: Datapath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pins, "locked", partialmethod(Pins.locked, patience_s=0.1))
    for call in (datapath.status, lambda: datapath.bans.add("203.0.113.5"), datapath.down):
        with datapath.changing():
            (error,) = in_thread(call)
        assert isinstance(error, KernelError)
        assert error.errno == EAGAIN
        assert "another wirepath has held it for 0.1 s" in str(error)
    assert list(datapath.bans) == []
    datapath.down()


def test_others_go_on_afterwards(datapath: Datapath) -> None:
    """Another thread's call during the block proceeds when the block ends, also by an error."""
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with datapath.changing():
            inside.set()
            done.wait(5)
            raise ZeroDivisionError

    holder = threading.Thread(target=in_thread, args=(hold,))
    holder.start()
    assert inside.wait(5)
    threading.Timer(0.2, done.set).start()
    datapath.bans.add("203.0.113.5")
    assert done.is_set()
    holder.join()
    assert "203.0.113.5" in datapath.bans
    datapath.down()


def test_down_inside_the_block(datapath: Datapath, bpffs: Path) -> None:
    with datapath.changing():
        datapath.down()
        with pytest.raises(RequestError, match="wirepath is not up"):
            datapath.status()
        Datapath.up(IFNAME, POLICY).down()
    assert not left(bpffs)
    with pytest.raises(RequestError, match="wirepath is not up"), datapath.changing():
        pass


def test_nothing_is_left_open(datapath: Datapath) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path of it is wanted

    def use() -> None:
        datapath.bans.add("203.0.113.5", seconds=60)
        datapath.sets.add("bad", "203.0.113.0/24")
        datapath.apply(POLICY)
        with datapath.changing():
            datapath.counters()
        for call in (datapath.status, datapath.rules, lambda: datapath.explain("203.0.113.5")):
            call()
        with pytest.raises(RequestError):
            datapath.sets.add("none", "203.0.113.5")

    use()
    before = open_files()
    for _ in range(5):
        use()
    assert open_files() == before
    datapath.down()


def test_with_changes_nothing(hosts: Pair) -> None:
    with Datapath.up(IFNAME, ONE) as datapath, Datapath.open() as found:
        assert found.name == datapath.name
    assert serving(hosts) == "odd"
    datapath.down()


def test_temporarily(hosts: Pair, bpffs: Path) -> None:
    with Datapath.up(IFNAME, ONE).temporarily() as datapath:
        datapath.apply(OPPOSITE)
        assert serving(hosts) == "even"
    assert not left(bpffs)
    with pytest.raises(ZeroDivisionError), Datapath.up(IFNAME, ONE).temporarily():
        raise ZeroDivisionError
    assert not left(bpffs)


def test_temporarily_ends_only_its_own(hosts: Pair, bpffs: Path) -> None:
    with Datapath.up(IFNAME, ONE).temporarily() as datapath:
        datapath.down()
    assert not left(bpffs)
    with Datapath.up(IFNAME, ONE).temporarily() as datapath:
        datapath.down()
        Datapath.up(IFNAME, OPPOSITE)
    assert serving(hosts) == "even"
    datapath.down()


def test_temporarily_on_an_interface_that_goes(hosts: Pair, bpffs: Path) -> None:
    with Datapath.up(IFNAME, ONE).temporarily():
        ip(hosts.near, "link", "del", IFNAME)
    assert not left(bpffs)


def test_prefixes_in_every_form(datapath: Datapath) -> None:
    forms: list[Any] = [
        "203.0.113.1",
        Prefix.of("203.0.113.2"),
        ip_address("203.0.113.3"),
        ip_network("2001:db8::/32"),
    ]
    done = [datapath.bans.add(form, seconds=60) for form in forms]
    assert [each.prefixes for each in done] == [(Prefix.of(form),) for form in forms]
    assert [ban.prefix for ban in datapath.bans] == [Prefix.of(form) for form in forms]
    assert all(form in datapath.bans for form in forms)
    assert ip_address("2001:db8::5") in datapath.bans
    assert "203.0.113.0/24" not in datapath.bans
    lifted = datapath.bans.lift([*forms, "2001:db8::5", "203.0.113.9"])
    assert lifted.document() == {
        "unbanned": [*map(str, forms)],
        "not_banned": ["2001:db8::5", "203.0.113.9"],
    }
    assert list(datapath.bans) == []
    for form in forms:
        assert datapath.sets.add("bad", form).done == 1
    assert datapath.sets.remove("bad", forms).done == len(forms)
    assert datapath.sets.prefixes("bad") == [Prefix.of("192.0.2.0/24")]
    assert datapath.sets.replace("bad", iter(forms)) == len(forms)
    datapath.down()


def test_what_wider_bans_hold(datapath: Datapath) -> None:
    datapath.bans.add_all("203.0.113.0/24")
    lifted = datapath.bans.lift(["203.0.113.5"])
    assert lifted.not_banned == {Prefix.of("203.0.113.5"): [Prefix.of("203.0.113.0/24")]}
    done = datapath.bans.add(IPV4[1])
    assert done.never_blocked == (Prefix.of(IPV4[1]),)
    datapath.down()


def test_bans_are_saved_and_restored(datapath: Datapath) -> None:
    datapath.bans.add("203.0.113.5", seconds=60)
    datapath.bans.add("2001:db8::/32")
    text, count = datapath.bans.save()
    before = [ban.prefix for ban in datapath.bans]
    assert count == len(before) == datapath.bans.remove_all()
    with pytest.raises(RequestError, match=r"^restore bans: line 3: 203.0.113.500: "):
        datapath.bans.restore(text + b"203.0.113.500\n")
    assert list(datapath.bans) == []
    assert datapath.bans.restore(text + b"203.0.113.7\n", seconds=5).banned == 3
    assert [ban.prefix for ban in datapath.bans] == sorted([*before, Prefix.of("203.0.113.7")])
    datapath.down()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_times_that_are_none(datapath: Datapath, seconds: float) -> None:
    with pytest.raises(RequestError, match="not a time"):
        datapath.bans.add("203.0.113.5", seconds=seconds)
    assert list(datapath.bans) == []
    datapath.down()


@pytest.mark.parametrize("prefix", ["203.0.113.500", "", None, 5, b"203.0.113.5", "203.0.113.1/24"])
def test_what_is_no_prefix(datapath: Datapath, prefix: Any) -> None:
    calls: list[Callable[[Any], object]] = [
        datapath.bans.add,
        datapath.bans.remove,
        datapath.bans.around,
        lambda prefix: datapath.bans.add_all([prefix]),
        lambda prefix: datapath.sets.add("bad", [prefix]),
        lambda prefix: datapath.sets.replace("bad", [prefix]),
    ]
    for call in calls:
        with pytest.raises(RequestError):
            call(prefix)
    assert datapath.sets.counts() == {"bad": 1}
    assert list(datapath.bans) == []
    datapath.down()


def test_what_they_say_of_themselves(datapath: Datapath) -> None:
    datapath.bans.add("203.0.113.5", seconds=60)
    datapath.bans.add("203.0.113.6")
    said = [repr(ban) for ban in datapath.bans]
    assert said[1] == "<ban of 203.0.113.6 until lifted: 0 packets>"
    assert said[0].startswith("<ban of 203.0.113.5 for ")
    assert repr(datapath.status()).startswith(f"<status of {IFNAME}: native, generation 1 of long")
    assert repr(datapath.counters()).startswith(f"<counters of {IFNAME}: ")
    assert repr(datapath.rules()[0]) == "<rule bad: src @bad: drop: 0 packets>"
    assert repr(datapath.sets.members("bad")) == "<1 prefixes>"
    change = datapath.apply(OPPOSITE)
    assert repr(change).startswith("Difference(rules_added=('all', 'even', 'odd'), rules_removed=")
    assert datapath.rules()[1].document() == {
        "name": "even", "hook": ["ingress"], "match": "dport 6002,6004,6006,6008",
        "action": "pass", "packets": 0, "bytes": 0, "dropped": 0,
    }  # fmt: skip
    datapath.down()


def test_explained_as_it_serves(datapath: Datapath) -> None:
    assert datapath.explain("192.0.2.5").verdict.rule == "bad"
    datapath.sets.remove("bad", "192.0.2.0/24")
    assert datapath.explain("192.0.2.5", proto="udp", dport=53).verdict.reason == "default"
    datapath.bans.add("192.0.2.0/24")
    assert datapath.explain(ip_address("192.0.2.5")).verdict.reason == "banned"
    with pytest.raises(RequestError):
        datapath.explain("192.0.2.0/24")
    datapath.down()


def test_the_lock_of_a_thread_that_died_is_free(datapath: Datapath) -> None:
    """A process that is killed inside the block does not leave the lock held."""
    ready, told = os.pipe()
    if not (pid := os.fork()):
        with datapath.changing():
            os.write(told, b"1")
            time.sleep(60)
        os._exit(1)
    assert os.read(ready, 1) == b"1"
    kill(pid)
    datapath.bans.add("203.0.113.5")
    for end in (ready, told):
        os.close(end)
    datapath.down()
