"""Replacing the root qdisc of a veth, and restoring it; pfifo stands in for a missing fq."""

import subprocess
from contextlib import suppress

import pytest

from wirepath.errors import KernelError, NotSupported
from wirepath.kernel import qdisc
from wirepath.kernel.interface import Interface

pytestmark = pytest.mark.kernel


def tc(*words: str) -> str:
    return subprocess.run(["tc", *words], check=True, capture_output=True, text=True).stdout


def shown(name: str = "wp0") -> str:
    return tc("qdisc", "show", "dev", name)


@pytest.fixture
def pfifo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdisc, "_PACER", "pfifo")


@pytest.fixture
def several(netns: str) -> int:
    """Make an interface with several queues, whose default root qdisc is mq."""
    subprocess.run(["ip", "link", "add", "wp2", "numtxqueues", "3", "type", "veth"], check=True)
    subprocess.run(["ip", "link", "set", "wp2", "up"], check=True)
    return Interface.of("wp2").index


def test_default_and_back(veth: Interface, pfifo: None) -> None:
    before = shown()
    assert qdisc.root(veth.index) == "noqueue"
    assert not qdisc.paces(veth.index)

    kept = qdisc.put_fq(veth.index)
    assert qdisc.root(veth.index) == "pfifo"
    assert qdisc.paces(veth.index)
    assert qdisc.put_fq(veth.index) == "nothing"
    qdisc.restore(veth.index, "nothing")
    assert qdisc.paces(veth.index)

    qdisc.restore(veth.index, kept)
    assert shown() == before
    qdisc.restore(veth.index, kept)
    assert shown() == before


def test_settings_come_back(veth: Interface, pfifo: None) -> None:
    tc("qdisc", "add", "dev", "wp0", "root", "handle", "4:", "bfifo", "limit", "12345")
    before = shown()
    kept = qdisc.put_fq(veth.index)
    assert shown() != before
    qdisc.restore(veth.index, kept)
    assert shown() == before


@pytest.mark.parametrize("handle", ["", "5:"])
def test_every_queue(several: int, pfifo: None, handle: str) -> None:
    tc("qdisc", "replace", "dev", "wp2", "root", *(["handle", handle] if handle else []), "mq")
    before = shown("wp2")
    assert qdisc.root(several) == "mq"
    assert not qdisc.paces(several)
    kept = qdisc.put_fq(several)
    assert qdisc.root(several) == "mq"
    assert shown("wp2").count("pfifo ") == before.count("parent") > 1
    assert qdisc.paces(several)
    qdisc.restore(several, kept)
    assert shown("wp2") == before


def test_one_queue_without(several: int, pfifo: None) -> None:
    tc("qdisc", "replace", "dev", "wp2", "root", "handle", "5:", "mq")
    tc("qdisc", "replace", "dev", "wp2", "parent", "5:1", "pfifo")
    assert not qdisc.paces(several)
    with pytest.raises(KernelError, match=r"^put pfifo on wp2: the qdisc pfifo is there"):
        qdisc.put_fq(several)


def test_what_cannot_come_back_stays(veth: Interface, pfifo: None) -> None:
    tc("qdisc", "add", "dev", "wp0", "root",
       "tbf", "rate", "1mbit", "burst", "10k", "latency", "50ms")  # fmt: skip
    before = shown()
    refused = (
        r"^put pfifo on wp0: the qdisc tbf is there, whose settings .* \(put fq there yourself"
    )
    with pytest.raises(KernelError, match=refused):
        qdisc.put_fq(veth.index)
    assert shown() == before


def test_what_others_put_there_since_stays(veth: Interface, pfifo: None) -> None:
    kept = qdisc.put_fq(veth.index)
    tc("qdisc", "replace", "dev", "wp0", "root", "bfifo")
    before = shown()
    qdisc.restore(veth.index, kept)
    assert shown() == before


@pytest.mark.parametrize("name", ["wp0", "wp2"])
def test_kernel_without_it(
    several: int, veth: Interface, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(qdisc, "_PACER", "wp-none")
    before = shown(name)
    with pytest.raises(NotSupported, match=r"^put wp-none on wp.: .* \(needs CONFIG_NET_SCH_FQ\)$"):
        qdisc.put_fq(Interface.of(name).index)
    assert shown(name) == before


def test_fq_where_there_is_one(veth: Interface) -> None:
    before = shown()
    with suppress(NotSupported):
        kept = qdisc.put_fq(veth.index)
        assert qdisc.paces(veth.index)
        qdisc.restore(veth.index, kept)
    assert shown() == before


def test_never_up(netns: str, pfifo: None) -> None:
    subprocess.run(["ip", "link", "add", "wp3", "type", "veth"], check=True)
    there = Interface.of("wp3").index
    before = qdisc.root(there)
    qdisc.restore(there, qdisc.put_fq(there))
    assert qdisc.root(there) == before


def test_no_such_interface(netns: str) -> None:
    assert qdisc.root(4242) == ""
    assert not qdisc.paces(4242)
    with pytest.raises(KernelError, match=r"^put fq on 4242: .*\[ENODEV\]"):
        qdisc.put_fq(4242)
    qdisc.restore(4242, "default")
