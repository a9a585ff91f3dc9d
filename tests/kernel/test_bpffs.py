"""Pins: staged, published, recovered; the lock; network and mount namespaces."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wirepath.datapath import Datapath
from wirepath.datapath.change import recover
from wirepath.errors import KernelError, PinError
from wirepath.kernel.bpffs import Pins, Transition
from wirepath.kernel.bpffs import bpffs as find_bpffs
from wirepath.kernel.interface import Interface
from wirepath.kernel.links import XdpLink
from wirepath.kernel.maps import Map
from wirepath.kernel.object import Object
from wirepath.kernel.program import Program

pytestmark = pytest.mark.kernel
Compile = Callable[[str], Path]
SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def pins(bpffs: Path) -> Pins:
    return Pins.find()


@pytest.fixture
def loaded(compiled: Compile) -> Iterator[Object]:
    with Object.load(compiled("sample")) as loaded:
        yield loaded


def python(code: str, *prefix: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    command = [*prefix, sys.executable, "-X", "dev", "-W", "error", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stderr == ""
    return done.stdout


def begin(pins: Pins, name: str, before: int | None, after: int) -> Path:
    path = pins.begin(name, Transition(before, after))
    assert path
    return path


def test_pins_open_in_another_process(pins: Pins, loaded: Object) -> None:
    with pins.locked():
        place = begin(pins, "eth0", None, 1)
        loaded.maps["plain"].pin(place / "plain")
        loaded.programs["sample"].pin(place / "sample")
        pins.publish("eth0", 1)
        pins.end("eth0")
        loaded.maps["plain"][1] = 77
    shown = python(
        "from pathlib import Path\n"
        "from wirepath.kernel.maps import Map\n"
        f"with Map.open(Path({str(place)!r}) / 'plain') as plain: print(plain.name, plain[1])"
    )
    assert shown == "plain 77\n"
    with Program.open(pins.directory("eth0") / "serving" / "sample") as same:
        assert same.id == loaded.programs["sample"].id
    pins.remove("eth0")


def test_a_pinned_link_outlives_the_handle(pins: Pins, loaded: Object, veth: Interface) -> None:
    with pins.locked():
        place = begin(pins, "wp0", None, 1)
        with XdpLink.attach(loaded.programs["sample"], veth.index) as link:
            link.pin(place / "link")
    with XdpLink.open(place / "link") as link:
        assert link.ifindex == veth.index
        link.update(loaded.programs["other"], old=loaded.programs["sample"])
        pins.remove("wp0")
        assert link.ifindex == veth.index
    assert type(veth).of("wp0").xdp_id == 0


def test_what_a_pin_is_not(pins: Pins, loaded: Object, tmp_path: Path) -> None:
    with pins.locked():
        path = begin(pins, "eth0", None, 1)
    loaded.maps["plain"].pin(path / "plain")
    with pytest.raises(PinError, match=r"pin .*/plain: File exists \[EEXIST\]"):
        loaded.maps["plain"].pin(path / "plain")
    with pytest.raises(PinError, match=r"open pin .*/plain: is a bpf-map, not a bpf-link"):
        XdpLink.open(path / "plain")
    with pytest.raises(PinError, match=r"open pin .*/none: .*\[ENOENT\]"):
        Map.open(path / "none")
    with pytest.raises(PinError):
        loaded.maps["plain"].pin(tmp_path / "nowhere")
    pins.remove("eth0")


def test_one_generation_after_the_other(pins: Pins, loaded: Object) -> None:
    name = "eth0.100"
    with pins.locked():
        for before, after in ((None, 1), (1, 2), (2, 3)):
            path = begin(pins, name, before, after)
            assert list(path.iterdir()) == []
            loaded.maps["plain"].pin(path / "plain")
            (path / "deeper").mkdir()
            loaded.maps["plain"].pin(path / "deeper" / "plain")
            assert pins.names() == ([name] if before else [])
            assert (pins.unsettled(), pins.changing(name)) == ([name], (before, after))
            pins.publish(name, after)
            assert (pins.names(), pins.serving(name)) == ([name], after)
            pins.end(name)
            assert (pins.unsettled(), pins.changing(name)) == ([], None)
        assert pins.generations(name) == [1, 2, 3]
        pins.retire(name, keep=1)
        assert pins.generations(name) == [2, 3]
        pins.retire(name)
        assert pins.generations(name) == [3]
        assert pins.begin(name, Transition(3, None)) is None
        pins.withdraw(name)
        assert pins.names() == []
        pins.retire(name)
        pins.end(name)
        assert not pins.directory(name).exists()
        pins.remove(name)


def test_a_change_that_was_left_is_in_the_way_of_the_next(pins: Pins) -> None:
    python(
        "import os\nfrom wirepath.kernel.bpffs import Pins, Transition\n"
        "pins = Pins.find()\n"
        "with pins.locked():\n"
        "    pins.begin('eth0', Transition(None, 1))\n"
        "    os._exit(0)"
    )
    assert pins.unsettled() == ["eth0"]
    assert pins.changing("eth0") == Transition(None, 1)
    with pytest.raises(KernelError, match=r"change eth0: File exists \[EEXIST\]"):
        pins.begin("eth0", Transition(None, 1))
    pins.discard("eth0", 1)
    pins.discard("eth0", 1)
    pins.end("eth0")
    assert pins.unsettled() == pins.names() == []
    assert not pins.directory("eth0").exists()


def test_the_lock_keeps_writers_apart(pins: Pins) -> None:
    other = Pins(pins.directory("x").parents[1])

    def ask(**how: Any) -> None:
        with other.locked(**how):
            pass

    with pins.locked(), ThreadPoolExecutor(1) as thread:
        message = r"lock .*: another wirepath has held it for 0.1 s \[EAGAIN\] \(wait for it"
        with pytest.raises(KernelError, match=message):
            thread.submit(ask, patience_s=0.1).result()
        with pytest.raises(KernelError):
            thread.submit(ask, shared=True, patience_s=0).result()
        ask(patience_s=0)  # the thread that holds the lock gets it again at once
    with pins.locked(shared=True), other.locked(shared=True):
        pass
    with other.locked(patience_s=0):
        pass


def test_another_network_namespace_has_pins_of_its_own(
    pins: Pins, request: pytest.FixtureRequest
) -> None:
    home = pins.directory("eth0")
    request.getfixturevalue("netns")
    there = Pins.find().directory("eth0")
    assert home.parent.name == "wirepath"
    assert there.parent.name.startswith("wirepath:")
    assert there.parent.parent == home.parent.parent


def test_a_bpffs_is_mounted_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "not" / "yet"
    monkeypatch.setenv("WIREPATH_BPFFS", str(path))
    assert find_bpffs() == path
    try:
        assert find_bpffs() == path
        assert path.stat().st_mode & 0o777 == 0o700
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_ip_netns_exec_leads_home(tmp_path: Path, netns: str) -> None:
    # The command runs in its own mount namespace; its mounts have to stay.
    path = tmp_path / "bpffs"
    code = (
        "import os\nfrom wirepath.kernel.bpffs import Pins\n"
        "pins = Pins.find()\n"
        "with pins.locked(): print(os.getcwd(), pins.directory('eth0').parent.name)"
    )
    environment = ("env", f"WIREPATH_BPFFS={path}")
    said = python(code, "ip", "netns", "exec", netns, *environment)
    try:
        assert said.startswith(f"{Path.cwd()} wirepath:")
        assert os.path.ismount(path)
        assert not list(path.glob("wirepath*"))
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_directory_of_somebody_else_is_not_trusted(pins: Pins, bpffs: Path) -> None:
    (bpffs / "wirepath").mkdir()
    os.chown(bpffs / "wirepath", 65534, 65534)
    message = r"use .*/wirepath: belongs to user 65534 \[EPERM\] \(`rmdir .*/wirepath`\)"
    with pytest.raises(KernelError, match=message), pins.locked():
        pass


_SQUATTED = {
    "link": r"is a symbolic link \[EPERM\] \(`rm ",
    "pin": r"is no directory \[EPERM\] \(`rm ",
    "open": r"may be written by other users \[EPERM\] \(`chmod 700 ",
}


def squat(bpffs: Path, tmp_path: Path, how: str, name: str) -> None:
    """Put something of another user where a directory of ours would be."""
    if how == "link":
        (bpffs / name).symlink_to(tmp_path / "elsewhere")
    elif how == "pin":
        with Map.record("squat", 8) as made:
            made.pin(bpffs / name)
    else:
        (bpffs / name).mkdir(mode=0o700)
        (bpffs / name).chmod(0o777)


@pytest.mark.parametrize("name", ["wirepath", "wirepath:new"])
@pytest.mark.parametrize("how", _SQUATTED)
def test_a_name_that_is_squatted_is_refused(
    pins: Pins, bpffs: Path, tmp_path: Path, how: str, name: str
) -> None:
    """Nothing that a link leads to is listed, changed or removed."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "eth0" / "1").mkdir(parents=True)
    squat(bpffs, tmp_path, how, name)
    message = rf"use .*/{name}: {_SQUATTED[how]}"
    with pytest.raises(KernelError, match=message):
        Datapath.names()
    with pytest.raises(KernelError, match=message), pins.locked():
        recover(pins)
    assert (elsewhere / "eth0" / "1").exists()


def test_no_place_for_a_bpffs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREPATH_BPFFS", "/proc/wirepath")
    message = r"make /proc/wirepath: .*\[ENOENT\] \(run it as root, or name another directory in W"
    with pytest.raises(KernelError, match=message):
        find_bpffs()
