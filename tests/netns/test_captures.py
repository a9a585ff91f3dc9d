"""Replayed captures of real programs; the counts are compared with those of tcpdump filters."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness
from harness.pair import (
    IFNAME,
    IPV4,
    IPV6,
    Pair,
    await_line,
    await_port,
    pair,
    python,
    run,
    running,
)
from wirepath import judge
from wirepath.pcap import Capture, read_capture
from wirepath.policy import Policy

_ANSWER_DNS = Path(harness.__file__).with_name("answer_dns.py")
_PAGE = b"<html>" + b"wirepath " * 20_000
_SNAP = 64


@dataclass(frozen=True, slots=True)
class Check:
    """A match, and the equivalent filter of tcpdump.

    Attributes:
        match: the match of a rule.
        oracle: the filter of libpcap.
    """

    match: str
    oracle: str


# Membership reports have a hop-by-hop header (RFC 3810 section 5), which icmp6 does not skip.
_LISTENER = "ip6[6] == 0 and ip6[40] == 58"
# In libpcap tcp[] and icmp[] are for IPv4 only; ip6[40] is the first byte after the IPv6 header.
CHECKS = {
    "everything": Check("", "ip or ip6"),
    "http": Check('proto = "tcp", port = 80', "tcp port 80"),
    "http-requests": Check('proto = "tcp", dport = 80', "tcp dst port 80"),
    "ssh": Check("port = 22", "port 22"),
    "ssh-and-http": Check("sport = [22, 80]", "tcp src port 22 or tcp src port 80"),
    "syn": Check(
        'tcp_flags = "syn"',
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn or (ip6[6] == 6 and ip6[53] & 0x12 == 2)",
    ),
    "fin-or-rst": Check(
        'tcp_flags = ["fin", "rst"]',
        "tcp[tcpflags] & (tcp-fin|tcp-rst) != 0 or (ip6[6] == 6 and ip6[53] & 5 != 0)",
    ),
    "dns": Check('proto = "udp", port = 53', "udp port 53"),
    "high-udp": Check('proto = "udp", dport = "1024-65535"', "udp dst portrange 1024-65535"),
    "iperf": Check('port = "5200-5299"', "portrange 5200-5299"),
    "icmp": Check('proto = "icmp"', "icmp"),
    "icmpv6": Check('proto = "icmpv6"', f"icmp6 or ({_LISTENER})"),
    "echo-request": Check(
        'icmp_type = "echo-request"',
        "icmp[icmptype] == icmp-echo or (ip6[6] == 58 and ip6[40] == 128)"
        " or (ip6[6] == 44 and ip6[40] == 58 and ip6[42:2] & 0xfff8 == 0 and ip6[48] == 128)",
    ),
    "neighbours": Check(
        'icmp_type = ["neighbour-solicitation", "neighbour-advertisement"]',
        "ip6[6] == 58 and (ip6[40] == 135 or ip6[40] == 136)",
    ),
    "from-far": Check(
        f'src = ["{IPV4[1]}", "{IPV6[1]}"]', f"ip src {IPV4[1]} or ip6 src {IPV6[1]}"
    ),
    "to-net": Check(
        'dst = ["198.51.100.0/24", "2001:db8::/32"]',
        "ip dst net 198.51.100.0/24 or ip6 dst net 2001:db8::/32",
    ),
    "not-near": Check(
        f'src = ["!{IPV4[0]}", "!{IPV6[0]}", "!fe80::/10"]',
        f"(ip or ip6) and not (src host {IPV4[0]} or src host {IPV6[0]} or src net fe80::/10)",
    ),
    "set": Check('src = "@near"', f"ip src {IPV4[0]} or ip6 src {IPV6[0]}"),
    "later-fragments": Check(
        'fragment = "later"', "ip[6:2] & 0x1fff != 0 or (ip6[6] == 44 and ip6[42:2] & 0xfff8 != 0)"
    ),
    "first-fragments": Check(
        'fragment = "first"',
        "ip[6:2] & 0x3fff == 0x2000 or (ip6[6] == 44 and ip6[42:2] & 0xfff9 == 1)",
    ),
    "long": Check('length = "1400-65535"', "ip[2:2] >= 1400 or (ip6 and ip6[4:2] >= 1360)"),
    "expedited": Check('dscp = "EF"', "ip[1] & 0xfc == 0xb8 or ip6[0:2] & 0x0fc0 == 0x0b80"),
    "ttl-255": Check("ttl = 255", "ip[8] == 255 or (ip6 and ip6[7] == 255)"),
}
_LAYER4 = ("port", "flags", "icmp_type")
# Headers that do not end within the first 64 bytes of a frame.
_CUT_OFF = f"len > {_SNAP} and (ip6[6] == 6 or ip6[6] == 44)"
_COUNTING = "\n".join(
    [f'[set.near]\nprefixes = ["{IPV4[0]}", "{IPV6[0]}"]']
    + [f'[[rule]]\nname = "{n}"\nmatch = {{ {check.match} }}' for n, check in CHECKS.items()]
)

# Rules that end the walk: a rule gets the frames that the rules before it left.
_DECIDING = """
[datapath]
default = "drop"
essentials = false
[[rule]]
name = "ssh"
match = { proto = "tcp", port = 22 }
action = "pass"
[[rule]]
name = "no-echo"
match = { icmp_type = ["echo-request", "echo-reply"] }
action = "drop"
[[rule]]
name = "icmp"
match = { proto = ["icmp", "icmpv6"] }
action = "pass"
[[rule]]
name = "counted"
match = { proto = "udp" }
[[rule]]
name = "dns"
match = { port = 53 }
action = "pass"
"""
_ECHO = (
    "(icmp and (icmp[0] == 8 or icmp[0] == 0)) or (ip6[6] == 58 and (ip6[40] == 128 or"
    " ip6[40] == 129)) or (ip6[6] == 44 and ip6[40] == 58 and ip6[42:2] & 0xfff8 == 0 and"
    " (ip6[48] == 128 or ip6[48] == 129))"
)


def converse(hosts: Pair, directory: Path, mtu: int) -> None:
    """Let real programs exchange packets, each over IPv4 and IPv6."""
    near, far = hosts.near, hosts.far
    (directory / "index.html").write_bytes(_PAGE)
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    web = python("-m", "http.server", "80", "--bind", "::", "--directory", str(directory))
    sshd = ("/usr/sbin/sshd", "-D", "-e", "-h", str(key), "-o", "PidFile=none", "-f", "/dev/null")
    ssh = ("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
           "-o", "UserKnownHostsFile=/dev/null", "-o", "PreferredAuthentications=none")  # fmt: skip
    with ExitStack() as stack:
        for server in (web, sshd, ("iperf3", "-s", "-p", "5201")):
            stack.enter_context(running(near, *server))
        names = python(str(_ANSWER_DNS))
        stack.enter_context(running(near, *names, ready="ready"))
        for port in (80, 22, 5201):
            await_port(near, port)
        for address in (IPV4[0], IPV6[0]):
            url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
            assert run(far, "curl", "-sS", url, "--max-time", "20").encode() == _PAGE
            far.run([*ssh, f"nobody@{address}"], capture_output=True, timeout=30)
            for kind in ("A", "AAAA"):
                assert "53" in run(far, "dig", "+short", "+tries=1", f"@{address}", "x.test", kind)
            run(far, "ping", "-q", "-c", "3", "-i", "0.2", address)
            run(
                far, "ping", "-q", "-c", "2", "-i", "0.2", "-s", str(3 * mtu), "-Q", "0xb8", address
            )
            run(far, "iperf3", "-c", address, "-p", "5201", "-n", "3M")
            run(far, "iperf3", "-c", address, "-p", "5201", "-u", "-n", "200K", "-b", "20M")


def record(hosts: Pair, directory: Path, mtu: int) -> dict[str, Path]:
    """Capture the traffic, once whole and once with a snap length; return the files by name."""
    files = {name: directory / f"{name}.pcap" for name in ("whole", "cut")}
    snaps = {"whole": 0, "cut": _SNAP}
    with ExitStack() as stack:
        dumps = [
            stack.enter_context(
                running(hosts.near, "tcpdump", "-i", IFNAME, "-s", str(snaps[name]), "-U", "-Z",
                        "root", "-B", "16384", "-w", str(file), ready="listening on")
            )
            for name, file in files.items()
        ]  # fmt: skip
        converse(hosts, directory, mtu)
        for dump in dumps:
            dump.terminate()
            await_line(dump.stdout, "packets captured")
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("captures")
    made = {}
    for name, mtu in (("usual", 1500), ("jumbo", 9000)):
        (directory / name).mkdir()
        with pair(mtu) as hosts:
            for kind, file in record(hosts, directory / name, mtu).items():
                made[f"{name}-{kind}"] = file
    return made


@pytest.fixture(params=["usual-whole", "usual-cut", "jumbo-whole", "jumbo-cut"])
def capture(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[Capture]:
    with read_capture(files[request.param]) as opened:
        yield opened


def counted(capture: Capture, oracle: str) -> int:
    """Count the frames that tcpdump finds, unoptimised: optimising drops reads that we need."""
    done = subprocess.run(
        ["tcpdump", "-nO", "--count", "-r", str(capture.path), oracle],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout.split()[0])


def test_every_rule_counts_what_tcpdump_counts(capture: Capture) -> None:
    outcome = judge.replay(Policy.parse(_COUNTING), capture)
    ours = {name: count.packets for name, count in outcome.rules.items()}
    theirs = {name: counted(capture, _seen(capture, check)) for name, check in CHECKS.items()}
    assert ours == theirs
    assert outcome.reasons["not_ip"] == counted(capture, "not ip and not ip6")
    assert sum(outcome.reasons.values()) == len(capture) == counted(capture, "")
    assert "malformed" not in outcome.reasons
    assert 0 not in ours.values()


def _seen(capture: Capture, check: Check) -> str:
    # Rules do not see truncated headers; tcpdump needs only the part of a header that it reads.
    if "cut" not in capture.path.stem or not any(key in check.match for key in _LAYER4):
        return check.oracle
    return f"({check.oracle}) and not ({_CUT_OFF})"


def test_what_one_rule_decides_the_next_never_sees(capture: Capture) -> None:
    outcome = judge.replay(Policy.parse(_DECIDING), capture)
    seen = f"not ({_CUT_OFF})" if "cut" in capture.path.stem else "len >= 0"
    ssh, echo, dns = (f"(({what}) and {seen})" for what in ("tcp port 22", _ECHO, "port 53"))
    rest = f"not {ssh} and not {echo}"
    theirs = {
        "ssh": counted(capture, ssh),
        "no-echo": counted(capture, echo),
        "icmp": counted(capture, f"(icmp or icmp6 or ({_LISTENER})) and not {echo}"),
        "counted": counted(capture, f"udp and {rest}"),
        "dns": counted(capture, f"{dns} and {rest}"),
    }
    assert {name: count.packets for name, count in outcome.rules.items()} == theirs
    assert outcome.rules["no-echo"].dropped == theirs["no-echo"]
    passed = theirs["ssh"] + theirs["icmp"] + theirs["dns"] + outcome.reasons["not_ip"]
    assert outcome.verdicts == {"pass": passed, "drop": len(capture) - passed}


@pytest.mark.parametrize("policy", [_COUNTING, _DECIDING], ids=["counting", "deciding"])
def test_model_says_the_same(capture: Capture, policy: str) -> None:
    real, modelled = (judge.replay(Policy.parse(policy), capture, model=m) for m in (False, True))
    assert real.document(frames=True) == modelled.document(frames=True)


def test_frames_are_of_every_size(files: dict[str, Path]) -> None:
    """The device does segmentation, so the capture has frames longer than any MTU."""
    with read_capture(files["usual-whole"]) as usual, read_capture(files["jumbo-cut"]) as cut:
        assert max(usual.captured) > 20_000
        assert max(cut.captured) == _SNAP
        assert max(cut.wire) > 20_000
