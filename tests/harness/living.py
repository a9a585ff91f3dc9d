"""Policies whose effect can be told from traffic, and checks of what they leave in the kernel."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import CDLL
from errno import ENOENT
from pathlib import Path

from harness.numbered import Inbox, send
from harness.pair import IFNAME, IPV4, Pair
from wirepath.datapath import Datapath
from wirepath.policy import Policy

ODD, EVEN = tuple(range(6001, 6009, 2)), tuple(range(6002, 6009, 2))
PORTS = (*ODD, *EVEN)
_PATIENCE_S = 20.0  # for the kernel to free objects without users

# Three policies that pass odd ports and drop even ones, and one that does the opposite.
_TEMPLATE = """
[datapath]
default = "{default}"
[set.far]
prefixes = ["{far}", "10.0.0.0/8"]
counters = true
[[rule]]
name = "all"
match = {{ dst = "{near}", proto = "udp" }}
{rules}
"""


def _policy(default: str, *rules: tuple[str, str, str]) -> Policy:
    written = [
        f'[[rule]]\nname = "{name}"\nmatch = {{ {match} }}\naction = "{action}"'
        for name, match, action in rules
    ]
    far, near = IPV4[1], IPV4[0]
    text = _TEMPLATE.format(default=default, far=far, near=near, rules="\n".join(written))
    return Policy.parse(text)


_MANY = tuple((f"r{n}", f'src = "192.0.2.{n}", dport = {n}', "drop") for n in range(1, 200))
ONE = _policy(
    "pass",
    ("odd", f"dport = {list(ODD)}", "pass"),
    ("even", "dport = [6002, 6004, 6006, 6008]", "drop"),
)
TWO = _policy(
    "drop",
    *_MANY,
    ("odd", f'dport = {list(ODD)}, src = "@far"', "pass"),
    ("even", f'dport = {list(EVEN)}, src = "@far"', "drop"),
)
OPPOSITE = _policy(
    "pass", ("even", f"dport = {list(EVEN)}", "pass"), ("odd", f"dport = {list(ODD)}", "drop")
)


def serving(hosts: Pair) -> str:
    """Find out which ports pass: ``odd``, ``even``, or counts by port."""
    with Inbox(hosts.near, PORTS) as inbox:
        send(hosts.far, PORTS)
        came = {port: len(numbers) for port, numbers in inbox.take().items()}
    for name, ports in (("odd", ODD), ("even", EVEN)):
        if came == {port: 3 * (port in ports) for port in PORTS}:
            return name
    return str(came)


def gone(kind: str, numbers: list[int]) -> bool:
    """Return whether a program, map or link is gone from the kernel, after some patience."""
    find = getattr(CDLL("libbpf.so.1"), f"bpf_{kind}_get_fd_by_id")
    deadline = time.monotonic() + _PATIENCE_S
    for number in numbers:
        while (found := find(number)) != -ENOENT:
            assert found >= 0, os.strerror(-found)
            os.close(found)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
    return True


def child(work: Callable[[], object]) -> int:
    """Fork a process that does *work*; it exits without any clean-up of ours."""
    pid = os.fork()
    if pid:
        return pid
    with suppress(BaseException):
        work()
    os._exit(1)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def check_whole(hosts: Pair, bpffs: Path) -> None:
    """Check that one whole policy serves, that `status` agrees, and that it can be replaced."""
    before = serving(hosts)
    assert before in ("odd", "even")
    with Datapath.open(IFNAME) as datapath:
        assert datapath.status().warnings == ()
        assert datapath.policy == (ONE if before == "odd" else OPPOSITE)
        assert serving(hosts) == before
        datapath.apply(OPPOSITE if before == "odd" else ONE)
        assert serving(hosts) == ("even" if before == "odd" else "odd")
    assert [path.split("/")[1:] for path in left(bpffs) if path.count("/") == 1] == [[IFNAME]]


def end(bpffs: Path) -> None:
    with Datapath.open(IFNAME) as datapath:
        with datapath.reading() as handles:
            maps = [each.id for each in handles.maps.values()]
            program = handles.program.id
        datapath.down()
    assert not left(bpffs)
    assert gone("prog", [program])
    assert gone("map", maps)


def left(bpffs: Path) -> list[str]:
    """List the contents of a bpffs, except the kernel's own iterators."""
    paths = (str(path.relative_to(bpffs)) for path in bpffs.rglob("*"))
    return sorted(path for path in paths if not path.endswith(".debug"))
