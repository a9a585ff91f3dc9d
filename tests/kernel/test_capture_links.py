"""Captures of links without Ethernet headers: the program says what the model says."""

from collections import defaultdict
from pathlib import Path

import pytest

from cases import CASES
from harness.frames import Eth, IPv4, IPv6, Tcp, Udp
from harness.links import LINKS, Packet, ethernet, over, write
from wirepath.judge import replay
from wirepath.net import HOOKS, Hook
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

_POLICIES = sorted({case.policy for case in CASES})[::6]


def on_all_links(packets: list[Packet]) -> list[tuple[Packet, int]]:
    """Each packet as it is and on every link that can carry it; next to its number."""
    found = []
    for n, packet in enumerate(packets):
        found.append((packet, n))
        found += [(other, n) for link in LINKS.values() if (other := over(link, packet))]
    return found


@pytest.mark.parametrize("hook", HOOKS)
def test_program_model_and_ethernet_agree(tmp_path: Path, hook: Hook) -> None:
    compared = 0
    for text in _POLICIES:
        policy = Policy.parse(text)
        packets = [
            ethernet(c.frame, c.wire_bytes, c.now_ns)
            for c in CASES
            if c.policy == text and not c.bans and c.reason != "misread"  # no Ethernet header
        ]
        mixed = on_all_links(packets)
        path = write(tmp_path / "x.pcapng", [packet for packet, _ in mixed])
        real, said = (replay(policy, path, hook=hook, model=model) for model in (False, True))
        assert real.document(frames=True) == said.document(frames=True), text
        as_ethernet = defaultdict(set)
        for (_, n), judged in zip(mixed, real.judged, strict=True):
            as_ethernet[n].add(judged)
        assert max((len(each) for each in as_ethernet.values()), default=1) == 1, text
        compared += len(mixed)
    assert compared > 200


@pytest.mark.parametrize("hook", HOOKS)
def test_bytes_are_counted_from_layer_3_on(tmp_path: Path, hook: Hook) -> None:
    text = (
        f'[[rule]]\nname = "all"\nhook = "{hook}"\n'
        f'[[rule]]\nname = "slow"\nhook = "{hook}"\n'
        'limit = { rate = "80kbit", per = "src", burst = "2kbyte" }\n'
    )
    frame = bytes(Eth() / IPv4() / Udp() / bytes(958))
    assert len(frame) == 1000
    for name in ("raw", "cooked", "cooked-v2", "null"):
        packets = [over(LINKS[name], ethernet(frame, time_ns=n)) for n in range(4)]
        path = write(tmp_path / "x.pcap", [packet for packet in packets if packet])
        real, said = (
            replay(Policy.parse(text), path, hook=hook, model=model) for model in (False, True)
        )
        assert real.document(frames=True) == said.document(frames=True)
        assert real.bytes == real.rules["all"].bytes == 4 * 986
        assert real.verdicts == {"pass": 2, "drop": 2}


def test_answers_and_snap_lengths(tmp_path: Path) -> None:
    frame = bytes(Eth() / IPv4() / Tcp(dport=22) / bytes(400))
    policy = Policy.parse('[[rule]]\nname = "no"\nmatch = { dport = 22 }\nreject = true\n')
    cut = [ethernet(frame[:size], len(frame)) for size in range(14, len(frame), 7)]
    mixed = [packet for packet, _ in on_all_links([*cut, ethernet(frame)])]
    mixed = [packet._replace(time_ns=n * 10**9) for n, packet in enumerate(mixed)]
    path = write(tmp_path / "x.pcapng", mixed)
    real, said = (replay(policy, path, model=model) for model in (False, True))
    assert real.document(frames=True) == said.document(frames=True)
    assert real.judged[-1].verdict == "tx"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("size", [65_000, 65_507])
def test_the_largest_packets(tmp_path: Path, hook: Hook, size: int) -> None:
    """As on loopback, whose packets are longer than those of any Ethernet."""
    frame = ethernet(bytes(Eth() / IPv4() / Udp(dport=53) / bytes(size)))
    packets = [packet for packet, _ in on_all_links([frame])]
    path = write(tmp_path / "x.pcapng", packets)
    policy = Policy.parse(
        f'[[rule]]\nname = "dns"\nhook = "{hook}"\nmatch = {{ dport = 53 }}\naction = "pass"\n'
    )
    found = replay(policy, path, hook=hook)
    assert found.reasons == {"rule": len(packets)}


@pytest.mark.parametrize("link", ["ethernet", *sorted(LINKS)])
def test_frames_of_captures_are_ours(tmp_path: Path, link: str) -> None:
    """A capture does not say for which host it was made, so limits and answers apply to all."""
    text = (
        '[[rule]]\nname = "no"\nmatch = { proto = "tcp" }\nreject = true\n'
        '[[rule]]\nname = "few"\nlimit = { rate = "1/h", burst = 1, per = "src" }\n'
    )
    ip = IPv6() if link == "ipv6" else IPv4()
    head = Eth(dst=bytes.fromhex("02feedbeef00")) / ip
    frames = [ethernet(bytes(head / layer)) for layer in (Tcp(), Udp(), Udp())]
    packets = frames if link == "ethernet" else [over(LINKS[link], each) for each in frames]
    assert all(packets)
    path = write(tmp_path / "x.pcapng", [packet for packet in packets if packet])
    for model in (False, True):
        judged = replay(Policy.parse(text), path, model=model).judged
        assert [each.verdict for each in judged] == ["tx", "pass", "drop"]
