"""Captures of links without Ethernet headers: their packets are judged as those of Ethernet are."""

import gzip
import struct
from collections import defaultdict
from pathlib import Path

import pytest

from cases import CASES, Case
from harness.frames import Arp, Eth, IPv4, IPv6, Tcp, Udp, Vlan
from harness.links import LINKS, Packet, ethernet, over, write
from wirepath.errors import CaptureError
from wirepath.judge import Replay, replay
from wirepath.pcap import CaptureWriter, contents, read_capture
from wirepath.policy import Policy

_TCP = bytes(Eth() / IPv4(src="198.51.100.1") / Tcp(dport=22) / b"some data")
_UDP6 = bytes(Eth() / IPv6(src="2001:db8::1") / Udp(dport=53))
_ARP = bytes(Eth() / Arp())
_POLICY = """
[[rule]]
name = "all"
[[rule]]
name = "tcp"
match = { proto = "tcp" }
action = "drop"
"""


def by_policy() -> dict[str, list[Case]]:
    found = defaultdict(list)
    for case in CASES:
        if not case.bans and case.reason != "misread":  # without an Ethernet header
            found[case.policy].append(case)
    return found


def sent(case: Case) -> Packet:
    return ethernet(case.frame, case.wire_bytes, case.now_ns)


def model(path: Path, policy: str = _POLICY) -> Replay:
    return replay(Policy.parse(policy), path, model=True)


@pytest.mark.parametrize("name", LINKS)
def test_the_verdict_is_that_on_the_ethernet_frame(tmp_path: Path, name: str) -> None:
    judged = 0
    for policy, cases in by_policy().items():
        pairs = [(case, packet) for case in cases if (packet := over(LINKS[name], sent(case)))]
        path = write(tmp_path / "x.pcapng", [packet for _, packet in pairs])
        found = model(path, policy)
        for (case, _), said in zip(pairs, found.judged, strict=True):
            assert (said.verdict, said.reason) == (case.verdict, case.reason), case.id
        judged += len(pairs)
    assert judged > 20


def test_lengths_are_those_of_the_packet(tmp_path: Path) -> None:
    for link in LINKS.values():
        packets = [over(link, ethernet(frame, len(frame) + 100)) for frame in (_TCP, _UDP6)]
        known = [packet for packet in packets if packet]
        found = model(write(tmp_path / "x.pcap", known))
        sizes = [len(f) + 86 for f, packet in zip((_TCP, _UDP6), packets, strict=True) if packet]
        assert found.bytes == found.rules["all"].bytes == sum(sizes)


def test_what_is_not_ip_passes_uncounted(tmp_path: Path) -> None:
    for name in ("cooked", "cooked-v2"):
        packet = over(LINKS[name], ethernet(_ARP))
        assert packet
        found = model(write(tmp_path / "x.pcap", [packet]), '[datapath]\ndefault = "drop"')
        assert found.judged == [("pass", "not_ip", None)]
    for link, data in ((0, struct.pack("<I", 7) + bytes(40)), (101, b""), (101, b"\x50" * 40)):
        path = write(tmp_path / "x.pcap", [Packet(0, data, len(data), link)])
        found = model(path, '[datapath]\ndefault = "drop"')
        assert found.judged == [("pass", "not_ip", None)]


def test_vlan_tags_of_cooked_frames(tmp_path: Path) -> None:
    tagged = ethernet(bytes(Eth() / Vlan(5) / IPv4() / Tcp()))
    policy = '[[rule]]\nname = "five"\nmatch = { vlan = 5 }\naction = "drop"'
    for name in ("cooked", "cooked-v2"):
        packet = over(LINKS[name], tagged)
        assert packet
        found = model(write(tmp_path / "x.pcap", [packet]), policy)
        assert found.judged == [("drop", "rule", "five")]


@pytest.mark.parametrize(("name", "at"), [("cooked", 1), ("cooked-v2", 10)])
@pytest.mark.parametrize(("kind", "verdict"), [(0, "tx"), (1, "drop"), (2, "drop"), (4, "tx")])
def test_nothing_is_answered_to_groups(
    tmp_path: Path, name: str, at: int, kind: int, verdict: str
) -> None:
    packet = over(LINKS[name], ethernet(_TCP))
    assert packet
    data = packet.data[:at] + bytes([kind]) + packet.data[at + 1 :]
    path = write(tmp_path / "x.pcap", [packet._replace(data=data)])
    found = model(path, '[[rule]]\nname = "no"\nreject = true')
    assert found.judged == [(verdict, "reject", "no")]


def test_interfaces_of_several_links(tmp_path: Path) -> None:
    """One limit sees the frames of all of them, in the order of the file."""
    frames = [
        over(LINKS["cooked-v2"], ethernet(_TCP)),
        ethernet(_TCP),
        over(LINKS["raw"], ethernet(_TCP)),
    ]
    path = write(tmp_path / "x.pcapng", [frame for frame in frames if frame])
    policy = '[[rule]]\nname = "two"\nlimit = { rate = "2/min", per = "src" }'
    found = model(path, policy)
    assert [judged.verdict for judged in found.judged] == ["pass", "pass", "drop"]
    assert found.bytes == 3 * len(_TCP) - 2 * 14


def test_the_writer_keeps_links(tmp_path: Path) -> None:
    frames = [over(link, ethernet(_TCP)) for link in LINKS.values()]
    known = [frame for frame in frames if frame]
    with read_capture(write(tmp_path / "x.pcapng", known)) as capture:
        assert list(capture.links) == [frame.link for frame in known]
        assert [frame.data for frame in capture] == [frame.data for frame in known]
    with pytest.raises(CaptureError, match=r"of one link type \(name a \.pcapng file\)"):
        CaptureWriter(tmp_path / "x.pcap", [1, 113])


@pytest.mark.parametrize(("link", "size"), [(0, 3), (108, 0), (113, 15), (276, 19)])
def test_frames_that_end_inside_their_link_header(tmp_path: Path, link: int, size: int) -> None:
    whole = Packet(0, bytes(20), 20, link)
    path = write(tmp_path / "x.pcap", [whole, Packet(0, bytes(size), 90, link)])
    with pytest.raises(
        CaptureError, match=rf"frame 2: ends inside the header of link type {link} "
    ):
        read_capture(path)


def test_compressed(tmp_path: Path) -> None:
    plain, packed = write(tmp_path / "x.pcap", [ethernet(_TCP)] * 3), tmp_path / "x.pcap.gz"
    packed.write_bytes(
        gzip.compress(plain.read_bytes()[:90]) + gzip.compress(plain.read_bytes()[90:])
    )
    assert model(packed).document() == model(plain).document()


@pytest.mark.parametrize("cut", [2, 9, 30, -1])
def test_compressed_and_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "x.pcap", [ethernet(_TCP)]).read_bytes())[:cut])
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    damaged = "the compressed data is damaged or ends early (copy it again)"
    assert str(caught.value) == f"read {path}: {damaged}"


def test_compressed_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PIPED_BYTES_MAX", 4 << 20)
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert str(caught.value) == (
        f"read {path}: unpacked, it is larger than 4 MiB (unpack it into a file)"
    )
