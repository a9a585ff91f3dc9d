"""Captures of `any`, of loopback and of tun, replayed; tcpdump's filters count along."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.pair import IPV4, IPV6, await_line, await_port, ip, pair, python, run, running
from wirepath.judge import Replay, replay
from wirepath.lab.netns import Namespace
from wirepath.pcap import read_capture
from wirepath.policy import Policy

_SNAP = 60  # of it a cooked header leaves 40, and no IPv6 packet its ports
_CHECKS = {
    "all": ("", "ip or ip6"),
    "web": ('proto = "tcp", port = 80', "tcp port 80"),
    "syn": ('tcp_flags = "syn"', "ip and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn"),
    "icmp": ('proto = "icmp"', "icmp"),
    "large": ('length = "1000-65535", dst = "0.0.0.0/0"', "ip[2:2] >= 1000"),
    "from-far": (f'src = ["{IPV4[1]}", "{IPV6[1]}"]', f"ip src {IPV4[1]} or ip6 src {IPV6[1]}"),
}
_POLICY = "".join(
    f'[[rule]]\nname = "{name}"\nmatch = {{ {match} }}\n' for name, (match, _) in _CHECKS.items()
)
_SYN6 = "ip6 and ip6[6] == 6 and ip6[53] & 0x12 == 2"
_CAPTURES = {
    "any": ("any", ()),
    "any-v1": ("any", ("-y", "LINUX_SLL")),
    "any-cut": ("any", ("-s", str(_SNAP))),
    "lo": ("lo", ()),
    "tun": ("tun0", ()),
}
_LINKS = {"any": 276, "any-v1": 113, "any-cut": 276, "lo": 1, "tun": 101}


def converse(near: Namespace, far: Namespace, directory: Path) -> None:
    (directory / "page").write_bytes(bytes(300_000))
    server = python("-m", "http.server", "80", "--bind", "::", "--directory", str(directory))
    with running(near, *server):
        await_port(near, 80)
        for host in (near, far):
            run(host, "curl", "-sSo", "/dev/null", f"http://{IPV4[0]}/page", "--max-time", "20")
            run(host, "curl", "-sSo", "/dev/null", f"http://[{IPV6[0]}]/page", "--max-time", "20")
            run(host, "ping", "-q", "-c", "2", "-i", "0.2", "-s", "1200", IPV4[0])
    near.run(["ping", "-q", "-c", "2", "-i", "0.2", "-W", "1", "192.0.2.9"], capture_output=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    directory = tmp_path_factory.mktemp("cooked")
    made = {name: directory / f"{name}.pcap" for name in _CAPTURES}
    with pair() as hosts, ExitStack() as stack:
        near = hosts.near
        ip(near, "link", "set", "lo", "up")
        ip(near, "tuntap", "add", "tun0", "mode", "tun")
        stack.enter_context(running(near, *python("-c", _HOLD_TUN), ready="ready"))
        ip(near, "link", "set", "tun0", "up")
        ip(near, "addr", "add", "192.0.2.1/24", "dev", "tun0")
        dumps = [
            stack.enter_context(
                running(near, "tcpdump", "-i", device, *options, "-U", "-Z", "root", "-B", "16384",
                        "-w", str(made[name]), ready="listening on")
            )
            for name, (device, options) in _CAPTURES.items()
        ]  # fmt: skip
        converse(near, hosts.far, directory)
        for dump in dumps:
            dump.terminate()
            await_line(dump.stdout, "packets captured")
    return made


# A tun device has a carrier while a process has it open.
_HOLD_TUN = """
import fcntl, struct, sys, time
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
print("ready", flush=True)
time.sleep(600)
"""


def counted(file: Path, oracle: str) -> int:
    done = subprocess.run(
        ["tcpdump", "-nO", "--count", "-r", str(file), oracle],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout.split()[0])


def by_both(file: Path) -> Replay:
    real, said = (replay(Policy.parse(_POLICY), file, model=model) for model in (False, True))
    assert real.document(frames=True) == said.document(frames=True)
    return real


@pytest.mark.parametrize("name", _CAPTURES)
def test_every_rule_counts_what_tcpdump_counts(files: dict[str, Path], name: str) -> None:
    file, found = files[name], by_both(files[name])
    with read_capture(file) as capture:
        assert set(capture.links) == {_LINKS[name]}
    assert found.frames == counted(file, "") > 0
    assert found.reasons.get("not_ip", 0) == counted(file, "not ip and not ip6")
    assert "malformed" not in found.reasons
    theirs = {rule: counted(file, oracle) for rule, (_, oracle) in _CHECKS.items()}
    if name != "any-cut":
        theirs["syn"] += counted(file, _SYN6)
    else:
        theirs["web"] = found.rules["web"].packets  # some ports were cut off
    assert {rule: count.packets for rule, count in found.rules.items()} == theirs


def test_what_the_interface_any_sees(files: dict[str, Path]) -> None:
    found = by_both(files["any"])
    assert found.reasons["not_ip"] > 0  # ARP between the hosts
    assert min(count.packets for count in found.rules.values()) > 0
    # One dump starts after the other: hosts announce themselves meanwhile.
    ours = ("web", "syn", "icmp", "large")
    again = by_both(files["any-v1"]).rules
    assert {name: again[name] for name in ours} == {name: found.rules[name] for name in ours}
