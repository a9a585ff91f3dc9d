"""The output on the page of commands is that of wirepath now: its words, columns and JSON keys."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import shape
from harness.frames import Arp, Eth, IPv4, Tcp
from harness.numbered import send, settle
from harness.pair import IFNAME, Pair
from wirepath.cli import main
from wirepath.kernel.bpffs import Pins
from wirepath.pcap import CaptureWriter

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
ELSEWHERE = {"bench", "lab"}  # tests/cli

HEAD = '[datapath]\nnever_block = ["198.51.100.9"]\n\n[set.bad]\nfiles = ["bad.txt"]\n'
PREFIX = 'prefixes = ["203.0.113.0/24"]\n'
WEB = '\n[[rule]]\nname = "web"\nmatch = { proto = "tcp", dport = [80, 443] }\n'
BAD = '\n[[rule]]\nname = "bad"\nmatch = { src = "@bad" }\naction = "drop"\n'
BAD_TCP = '\n[[rule]]\nname = "bad-tcp"\nmatch = { src = "@bad", proto = "tcp" }\naction = "drop"\n'
OUT = '\n[[rule]]\nname = "out"\nhook = "egress"\n'
SSH = '\n[[rule]]\nname = "ssh-bruteforce"\nlimit = { rate = "1/s", per = "src", ban = "5min" }\n'
DNS = '\n[[rule]]\nname = "dns"\nhook = "egress"\n'

BANS = (
    '{"cidr": "192.0.2.99", "expires": 1, "rule": null, "scope": null}\n'
    '{"cidr": "192.0.2.98", "expires": 4000000000, "rule": null, "scope": null}\n'
)


class Section:
    """A section of the page.

    Attributes:
        sessions: by command, its output.
        documents: the JSON documents.
    """

    def __init__(self, text: str) -> None:
        plain = re.findall(r"^```\n(\$ .*?)^```$", text, re.MULTILINE | re.DOTALL)
        parts = [
            part.split("\n", 1)
            for block in plain
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)
        ]
        self.sessions = [(part[0], part[1]) for part in parts if part[0]]
        self.documents = []
        for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            try:
                self.documents.append(json.loads(block))
            except json.JSONDecodeError:
                self.documents += map(json.loads, block.splitlines())


def section(name: str) -> Section:
    text = PAGE.read_text()
    [found] = re.findall(rf"^### {name}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return Section(found)


class Shell:
    """Runs commands as the page has them, whose interface is eth0, and compares what they say."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, words: str) -> str:
        main(shlex.split(words.replace("eth0", IFNAME))[1:])
        told = self._capsys.readouterr()
        return (told.out + told.err).replace(IFNAME, "eth0")

    def text(self, name: str) -> None:
        for words, shown in section(name).sessions:
            real = self(words)
            assert shape.missing(shown, real) == [], f"$ {words}\n{real}"

    def json(self, name: str, *commands: str) -> None:
        documents = section(name).documents
        assert len(documents) == len(commands)
        for words, shown in zip(commands, documents, strict=True):
            real = self(f"wirepath {words} --json")
            assert shape.keys(shown, json.loads(real)) == [], f"$ wirepath {words}\n{real}"


@pytest.fixture
def shell(
    hosts: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("192.0.2.0/25\n192.0.2.200\n2001:db8:bad::/48\n")
    Path("policy.toml").write_text(HEAD + PREFIX + WEB + BAD)
    with CaptureWriter(Path("web.pcap")) as writer:
        for n, frame in enumerate(
            (
                Eth() / IPv4(src="192.0.2.7", dst="198.51.100.1") / Tcp(dport=80),
                Eth() / IPv4(src="198.51.100.7", dst="198.51.100.1") / Tcp(dport=443),
                Eth() / Arp(),
            )
        ):
            writer.write(n, bytes(frame))
    return Shell(capsys)


@pytest.fixture
def up(shell: Shell) -> Callable[[str], None]:
    def up(policy: str) -> None:
        Path("policy.toml").write_text(policy)
        shell("wirepath up eth0 policy.toml")

    return up


Up = Callable[[str], None]


def test_check(shell: Shell) -> None:
    Path("policy.toml").write_text(HEAD + PREFIX + WEB + BAD + BAD_TCP)
    shell.text("check")
    shell.json("check", "check policy.toml")


def test_replay(shell: Shell) -> None:
    shell.text("replay")
    shell.json("replay", "replay policy.toml web.pcap --frames")


def test_up(shell: Shell) -> None:
    shell.text("up")


def test_apply(shell: Shell, up: Up) -> None:
    up(HEAD + PREFIX + WEB + BAD + SSH)
    next_one = HEAD.replace("[datapath]", '[datapath]\ndefault = { ingress = "drop" }') + SSH
    Path("policy.toml").write_text(next_one + BAD.replace("drop", "pass") + DNS)
    shell.text("apply")
    shell.json("apply", "apply policy.toml")


def test_down(shell: Shell, up: Up) -> None:
    up(HEAD + PREFIX + BAD + OUT)
    (Pins.find().generation(IFNAME, 1) / "rows").unlink()
    shell.json("down", "down eth0")


def test_status(shell: Shell, up: Up) -> None:
    up(HEAD + PREFIX + BAD + OUT)
    shell.text("status")
    shell.json("status", "status")


def test_counters(shell: Shell, up: Up, hosts: Pair) -> None:
    up(HEAD + PREFIX + WEB + BAD)
    for _ in range(2):  # first by default, then by rule
        send(hosts.far, [6001])
        settle(hosts.near)
        shell("wirepath set add bad 198.51.100.2")
    shell.text("rules")
    shell.text("stats")
    for name in ("stats", "rules"):
        shell.json(name, name)


def test_test(shell: Shell, up: Up) -> None:
    up(HEAD + PREFIX + WEB + BAD)
    shell.text("test")
    shell.json("test", "test 192.0.2.7")


def test_set(shell: Shell, up: Up) -> None:
    up(HEAD + "counters = true\n" + PREFIX + BAD)
    shell("wirepath set add bad 192.0.2.0/24")
    shell.text("set")
    shell("wirepath set del bad 198.51.100.77")
    shell.json(
        "set", "set list", "set add bad 198.51.100.77", "set del bad 198.51.100.77",
        "set load bad bad.txt", "set dump bad", "set dump bad -o some.txt",
        "set dump bad --counters",
    )  # fmt: skip


def test_bans(shell: Shell, up: Up, hosts: Pair) -> None:
    up(HEAD + PREFIX + BAD + SSH)
    Path("bans.jsonl").write_text(BANS)
    shell.text("ban")
    shell.json("ban", "ban 203.0.113.9 2001:db8::/32 --for 1h", "ban --file bans.jsonl")
    shell.text("unban")
    shell("wirepath ban 203.0.113.9")
    shell.json("unban", "unban 203.0.113.9 2001:db8::1", "unban --all")
    shell("wirepath ban 203.0.113.9")
    send(hosts.far, [6001])  # more than the limit: the far host gets banned
    settle(hosts.near)
    shell("wirepath ban 2001:db8::/32 --for 1h")
    shell.text("bans")
    listed, line, saved = section("bans").documents
    written = json.loads(Path("bans.jsonl").read_text().splitlines()[0])
    assert shape.keys(line, written) == []
    for words, shown in (("bans", listed), ("bans --save bans.jsonl", saved)):
        assert shape.keys(shown, json.loads(shell(f"wirepath {words} --json"))) == []


def test_top(shell: Shell, up: Up, hosts: Pair) -> None:
    """Its JSON; `tests/unit/test_top.py` has the screen."""
    up(HEAD + PREFIX + BAD + SSH)
    send(hosts.far, [6001])
    settle(hosts.near)
    shell.json("top", "top --once")


def test_doctor(shell: Shell) -> None:
    """What it finds here; a veth has no LRO to complain of."""
    [(words, shown)] = section("doctor").sessions
    found = [line.split()[:2] for line in shell(words).splitlines()]
    assert [line.split()[:2] for line in shown.splitlines()[:2]] == found[:2]
    assert ["ok", "lro"] in found
    shell.json("doctor", "doctor eth0")


def test_every_section_with_output_has_a_test() -> None:
    names = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    shown = {name for name in names if section(name).sessions or section(name).documents}
    assert shown == {
        "check", "replay", "up", "apply", "down", "status", "stats", "top", "rules", "test", "set",
        "ban", "unban", "bans", "doctor", *ELSEWHERE,
    }  # fmt: skip
