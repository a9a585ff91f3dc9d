"""Pins of deleted namespaces: listed by `doctor`, removed by the next change, and no others are."""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from harness.living import ONE, OPPOSITE, child, left
from harness.pair import IFNAME, Pair, ip
from wirepath.datapath import Datapath
from wirepath.datapath import dead_pins as dead
from wirepath.datapath.dead_pins import dead_pins
from wirepath.datapath.dead_pins import findings as found_under
from wirepath.datapath.steps import Publish, Xdp
from wirepath.errors import RequestError
from wirepath.kernel import features, namespaces
from wirepath.kernel.bpffs import Pins, place
from wirepath.kernel.links import XdpLink
from wirepath.lab.netns import Namespace

_PATIENCE_S = 60.0  # the kernel takes namespaces apart one after the other
Keeping = Callable[["Other"], AbstractContextManager[None]]


class Other:
    """A namespace with a pair of veths where a policy is up."""

    def __init__(self) -> None:
        self.space = Namespace(f"wp{os.getpid():x}-dead")
        self.space.create()
        ip(self.space, "link", "add", IFNAME, "type", "veth", "peer", "name", "wp9")
        with self.space.entered():
            self.directory = Pins.find().directory(IFNAME).parent

    def up(self) -> None:
        with self.space.entered():
            Datapath.up(IFNAME, ONE)

    def lose(self) -> None:
        """Delete the interface: no link is attached any more, as after a namespace has gone."""
        ip(self.space, "link", "del", IFNAME)
        self.await_loss()

    def end(self) -> None:
        """Delete the namespace as others do, who know nothing of pins."""
        if self.space.exists:
            subprocess.run(["ip", "netns", "del", self.space.name], check=True)
        self.await_loss()

    # The kernel takes a namespace apart in the background.
    def await_loss(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        for pin in self.directory.rglob("link"):
            with XdpLink.open(pin) as link:
                while link.ifindex:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)


@pytest.fixture
def other(bpffs: Path) -> Iterator[Other]:
    made = Other()
    yield made
    made.space.remove()


def swept(hosts: Pair) -> None:
    """Make each kind of change that removes dead pins."""
    datapath = Datapath.up(IFNAME, ONE)
    datapath.apply(OPPOSITE)
    datapath.down()


def findings() -> list[features.Finding]:
    return found_under(place())


@pytest.mark.parametrize("change", ["up", "apply", "down"])
def test_they_are_listed_and_removed(
    hosts: Pair, bpffs: Path, other: Other, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    # Before the other one, so that what a process opens once and keeps is not of that namespace.
    datapath = Datapath.up(IFNAME, ONE)
    if change == "up":
        datapath.down()
    other.up()
    assert findings() == []
    other.end()
    [found] = dead_pins(bpffs)
    assert (found.directory, found.names, found.is_sure) == (other.directory, (IFNAME,), True)
    assert found.memory_bytes > 4 << 20
    [finding] = findings()
    mib = round(found.memory_bytes / (1 << 20))
    assert finding.ok is None
    assert finding.detail == (
        f"{IFNAME} of namespace {found.cookie}, {mib} MiB: the namespace is gone"
    )
    assert f"`rm -r {other.directory}`" in finding.cure
    with caplog.at_level(logging.WARNING):
        if change == "up":
            Datapath.up(IFNAME, ONE)
        elif change == "apply":
            datapath.apply(OPPOSITE)
        else:
            datapath.down()
    assert not other.directory.exists()
    [told] = caplog.records
    assert told.message == (
        f"removed the pins of network namespaces that are gone: {other.directory.name} ({IFNAME});"
        f" {mib} MiB freed"
    )
    assert findings() == []
    if change != "down":
        assert datapath.status().warnings == ()
        datapath.down()
    assert not left(bpffs)


def test_an_up_that_was_killed_there(hosts: Pair, bpffs: Path, other: Other) -> None:
    """Half made, it is not attached either; what tells is whether the namespace is gone."""

    def doomed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Xdp, "do", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            other.up()

    assert os.waitpid(child(doomed), 0)[1] == signal.SIGKILL
    assert (other.directory / IFNAME / "changing").is_symlink()
    swept(hosts)
    assert (other.directory / IFNAME / "changing").is_symlink(), "its namespace lives"
    other.end()
    swept(hosts)
    assert not left(bpffs)


def test_an_apply_that_was_killed_there(hosts: Pair, bpffs: Path, other: Other) -> None:
    other.up()

    def doomed() -> None:
        with pytest.MonkeyPatch.context() as patch, other.space.entered():
            patch.setattr(Publish, "do", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            Datapath.open().apply(OPPOSITE)

    assert os.waitpid(child(doomed), 0)[1] == signal.SIGKILL
    swept(hosts)
    with other.space.entered():
        assert Datapath.open().policy == OPPOSITE
    other.end()
    swept(hosts)
    assert not left(bpffs)


@contextmanager
def kept_by_name(other: Other) -> Iterator[None]:
    yield


@contextmanager
def kept_by_process(other: Other) -> Iterator[None]:
    process = other.space.spawn(["sleep", "1000"], stdout=subprocess.DEVNULL)
    other.end()
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def kept_by_descriptor(other: Other) -> Iterator[None]:
    with Path("/run/netns", other.space.name).open("rb"):
        other.end()
        yield


@contextmanager
def kept_by_mount_elsewhere(other: Other) -> Iterator[None]:
    """A mount that only a process in another mount namespace sees."""
    bound = f"touch /mnt/kept; mount --bind /run/netns/{other.space.name} /mnt/kept"
    private = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]
    script = f"mount -t tmpfs none /mnt; {bound}; echo; exec sleep 1000"
    process = subprocess.Popen([*private, script], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"\n"
    other.end()
    try:
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    "kept", [kept_by_name, kept_by_process, kept_by_descriptor, kept_by_mount_elsewhere]
)
def test_a_namespace_that_lives(hosts: Pair, bpffs: Path, other: Other, kept: Keeping) -> None:
    """Its programs are lost, and it may have no name: its pins stay until it is gone."""
    other.up()
    other.lose()
    with kept(other):
        swept(hosts)
        assert findings() == []
        assert (other.directory / IFNAME / "serving").is_symlink()
    other.end()
    deadline = time.monotonic() + _PATIENCE_S
    while not dead_pins(bpffs):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    swept(hosts)
    assert not left(bpffs)


def test_where_nothing_tells_for_sure(
    hosts: Pair, bpffs: Path, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older kernel, and processes that this one does not see: listed, and not removed."""
    other.up()
    other.end()
    with monkeypatch.context() as patch:
        patch.setattr(dead, "network_exists", lambda *_: None)
        patch.setattr(namespaces, "_ALL_PROCESSES", 1)
        swept(hosts)
        [finding] = findings()
        assert "another process may keep the namespace" in finding.detail
    assert other.directory.exists()
    swept(hosts)
    assert not left(bpffs)


def seen() -> frozenset[int]:
    """List all namespaces that something here keeps, as on a kernel that cannot tell itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(namespaces, "_ALL_PROCESSES", Path("/proc/self/ns/pid").stat().st_ino)
        live = namespaces.live_networks()
    if live is None:
        pytest.skip("some process here may not be looked at (run it in a worker: -n 1)")
    return live


@pytest.mark.parametrize(
    "kept", [kept_by_name, kept_by_process, kept_by_descriptor, kept_by_mount_elsewhere]
)
def test_everything_that_keeps_a_namespace_is_seen(other: Other, kept: Keeping) -> None:
    with other.space.entered():
        cookie, inode = namespaces.network_cookie(), namespaces.network_inode()
    with kept(other):
        assert cookie in seen()
        assert namespaces.network_exists(cookie, inode) in (True, None)
    other.space.remove()
    deadline = time.monotonic() + _PATIENCE_S
    while cookie in seen() or namespaces.network_exists(cookie, inode):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_directories_of_others(hosts: Pair, bpffs: Path, tmp_path: Path) -> None:
    """A link, a directory of another user, names that are not ours: neither listed nor removed."""
    (tmp_path / "elsewhere" / "eth0").mkdir(parents=True)
    (bpffs / "wirepath:4000000001").symlink_to(tmp_path / "elsewhere")
    (bpffs / "wirepath:4000000002").mkdir()
    os.chown(bpffs / "wirepath:4000000002", 65534, 65534)
    (bpffs / "wirepath:mine").mkdir()
    before = left(bpffs)
    assert findings() == []
    swept(hosts)
    assert left(bpffs) == before
    assert (tmp_path / "elsewhere" / "eth0").exists()


def test_home_is_never_dead(hosts: Pair, bpffs: Path) -> None:
    (bpffs / "wirepath" / "eth0" / "1").mkdir(parents=True, mode=0o700)
    swept(hosts)
    assert (bpffs / "wirepath" / "eth0" / "1").exists()
    with pytest.raises(RequestError):
        Datapath.open("eth0")
    assert socket.if_nametoindex(IFNAME)
