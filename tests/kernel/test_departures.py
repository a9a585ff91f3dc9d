"""Frames as they leave: what replay writes is what the program has made of them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether

from cases import CASES
from harness.frames import Arp, Eth, Frame, IPv4, IPv6, ServiceVlan, Tcp, Udp, Vlan
from harness.links import LINKS, ethernet, over, write
from wirepath.cli import main
from wirepath.judge import replay
from wirepath.net import HOOKS, Hook
from wirepath.pcap import Capture, read_capture
from wirepath.pcap.departures import Departures
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

MARK = '[[rule]]\nname = "voice"\nhook = "{hook}"\nmatch = {{ {match} }}\ndscp = "EF"\n'
REJECT = '[[rule]]\nname = "no"\nmatch = { dport = 22 }\nreject = true\n'
EF = 46 << 2
LINK_BYTES = {"null": 4, "raw": 0, "cooked": 16, "cooked-v2": 20}

# Frames that are marked, by the tos that they have.
MARKED: list[Callable[[int], Frame]] = [
    lambda tos: Eth() / Vlan(7) / IPv4(tos=tos) / Udp(dport=53) / bytes(100),
    lambda tos: Eth() / ServiceVlan(9) / Vlan(7) / IPv6(tos=tos) / Udp(dport=53),
    lambda tos: Eth() / IPv4(tos=tos, options=bytes(8)) / Udp(dport=53) / (bytes(range(256)) * 30),
    lambda tos: Eth() / IPv4(tos=tos) / Udp(dport=53) / (bytes(range(256)) * 250),
    lambda tos: Eth() / IPv6(tos=tos) / Udp(dport=53) / bytes(60_000),
]
OTHERS = [Eth() / IPv4() / Udp(dport=54), Eth() / Arp(), Eth() / IPv4(length=9) / Udp(dport=53)]


def run(tmp_path: Path, text: str, *words: object) -> int:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    return main(["replay", str(file), *map(str, words)])


def frames_of(capture: Capture) -> list[tuple[int, int, int, bytes]]:
    fields = zip(capture, capture.links, strict=True)
    return [(frame.time_ns, frame.wire_bytes, link, frame.data) for frame, link in fields]


def read(file: Path) -> list[tuple[int, int, int, bytes]]:
    with read_capture(file) as capture:
        return frames_of(capture)


def opened(file: Path) -> str:
    """Let tcpdump read *file*."""
    asked = ["tcpdump", "-nvr", str(file)]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("hook", HOOKS)
def test_marks_and_tags(tmp_path: Path, hook: Hook) -> None:
    """The rest of the frame stays, as do times and lengths on the wire."""
    before = [bytes(make(0x29)) for make in MARKED] + list(map(bytes, OTHERS))
    after = [bytes(make(EF | 1)) for make in MARKED] + list(map(bytes, OTHERS))
    packets = [ethernet(data, time_ns=n * 10**9 + 7) for n, data in enumerate(before)]
    capture, passed = write(tmp_path / "x.pcapng", packets), tmp_path / "passed.pcap"
    text = '[datapath]\nmalformed = "pass"\n' + MARK.format(hook=hook, match="dport = 53")
    assert run(tmp_path, text, capture, "--hook", hook, "--write-passed", passed) == 0
    expected = [
        (packet.time_ns, len(data), 1, data) for packet, data in zip(packets, after, strict=True)
    ]
    assert read(passed) == expected
    assert opened(passed).count("tos 0xb9") == 3


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("link", LINK_BYTES)
def test_other_links(tmp_path: Path, hook: Hook, link: str) -> None:
    """Their headers and link types stay."""
    before, after = (
        over(
            LINKS[link],
            ethernet(bytes(Eth() / IPv4(tos=tos) / Udp(dport=53) / bytes(9)), time_ns=5),
        )
        for tos in (0, EF)
    )
    assert before
    assert after
    capture, passed = write(tmp_path / "x.pcap", [before]), tmp_path / "passed.pcap"
    text = MARK.format(hook=hook, match="")
    assert run(tmp_path, text, capture, "--hook", hook, "--write-passed", passed) == 0
    assert read(passed) == [(5, after.wire_bytes, after.link, after.data)]
    assert "tos 0xb8" in opened(passed)


@pytest.mark.parametrize("hook", HOOKS)
def test_program_and_model_agree(tmp_path: Path, hook: Hook) -> None:
    """On every frame of the table of cases, those included that a snap length has cut."""
    packets = []
    for case in CASES:
        packet = ethernet(case.frame, case.wire_bytes)
        packets.append(packet)
        packets += [other for link in LINKS.values() if (other := over(link, packet))]
    capture = write(tmp_path / "x.pcapng", packets)
    policy = Policy.parse(MARK.format(hook=hook, match=""))
    found = []
    for model in (False, True):
        with read_capture(capture) as frames, Departures(frames) as leaving:
            judged = replay(policy, frames, hook=hook, model=model, departures=leaving).judged
            found.append([leaving.passed(n) for n in range(len(frames))])
    changed = sum(a != b.data for a, b in zip(found[0], packets, strict=True))
    assert found[0] == found[1]
    assert changed > 200
    assert len(judged) == len(packets)


@pytest.mark.parametrize("link", ["ethernet", *LINK_BYTES])
def test_answers(tmp_path: Path, link: str) -> None:
    frame = ethernet(bytes(Eth() / IPv4() / Tcp(dport=22, seq=8)), time_ns=3)
    other = ethernet(bytes(Eth() / IPv4(options=bytes(4)) / Udp(dport=22) / bytes(700)), time_ns=4)
    sent = [frame, other] if link == "ethernet" else [over(LINKS[link], p) for p in (frame, other)]
    capture, answers = tmp_path / "x.pcap", tmp_path / "answers.pcap"
    write(capture, [packet for packet in sent if packet])
    assert run(tmp_path, REJECT, capture, "--write-answers", answers) == 0
    (first, second) = read(answers)
    assert first[:3] == (3, len(first[3]), 1 if link == "ethernet" else LINKS[link].number)
    size = 14 if link == "ethernet" else LINK_BYTES[link]
    rst, error = (IP(found[3][size:]) for found in (first, second))
    assert (rst.src, rst.dst, rst[TCP].sport, rst[TCP].flags) == (
        "192.0.2.1",
        "198.51.100.1",
        22,
        "RA",
    )
    assert rst[TCP].ack == 9
    assert (error.dst, error[ICMP].type) == ("198.51.100.1", 3)
    if link == "ethernet":
        assert Ether(first[3]).dst == "02:00:00:00:00:01"
    said = opened(answers)
    assert "192.0.2.1.22 > 198.51.100.1.40000: Flags [R.]" in said
    assert "cksum" in said
    assert "incorrect" not in said
    assert "bad cksum" not in said


@pytest.mark.parametrize(("link", "kind", "address"), [("cooked", 1, 4), ("cooked-v2", 10, 11)])
def test_answers_leave(tmp_path: Path, link: str, kind: int, address: int) -> None:
    """A cooked header says of an answer that this host has sent it."""
    packet = over(LINKS[link], ethernet(bytes(Eth() / IPv4() / Tcp(dport=22))))
    assert packet
    answers = tmp_path / "answers.pcap"
    run(tmp_path, REJECT, write(tmp_path / "x.pcap", [packet]), "--write-answers", answers)
    [(_, _, _, data)] = read(answers)
    assert data[kind] == 4
    assert data[address] == 0
    assert data[:kind] == packet.data[:kind]


def test_no_answer_to_a_frame_that_is_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = bytes(Eth() / IPv4() / Tcp(dport=22) / bytes(400))
    packets = [ethernet(whole[:60], len(whole)), ethernet(whole, time_ns=10**9)]
    capture, answers = write(tmp_path / "x.pcap", packets), tmp_path / "answers.pcap"
    assert run(tmp_path, REJECT, capture, "--write-answers", answers) == 0
    assert len(read(answers)) == 1
    assert capsys.readouterr().err == (
        "note: 1 answer not written: the capture cut what it answers\n"
    )
    assert run(tmp_path, REJECT, capture, "--model", "--write-answers", answers) == 2
    assert "the model writes no answers (leave --model out)" in capsys.readouterr().err
