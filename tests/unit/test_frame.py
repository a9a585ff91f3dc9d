"""The parser in Python: any bytes, truncated frames, and scapy as an oracle for composed frames.

The verdicts on each kind of frame are in tests/cases.
"""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import CASES, Case
from harness.frames import Eth, Frame, HopByHop, Icmp6, IPv4, IPv6, Tcp, Udp, Vlan, checksum
from wirepath.frame import parse
from wirepath.net import Fault, Packet, parse_address

WHOLE = [case for case in CASES if case.wire_bytes is None and case.fault is None]


def test_fields_of_ipv4() -> None:
    frame = (
        Eth()
        / Vlan(7)
        / IPv4(src="10.0.0.1", ttl=3, tos=0xB9)
        / Tcp(1, 2, "SA", seq=0x01020304)
        / b"data"
    )
    assert parse(bytes(frame)) == Packet(
        frame_bytes=62,
        family=4,
        source=parse_address("10.0.0.1"),
        destination=parse_address("192.0.2.1"),
        proto=6,
        sport=1,
        dport=2,
        tcp_flags=0x12,
        tcp_seq=0x01020304,
        vlan=7,
        length=44,
        ttl=3,
        dscp=46,
        ct="invalid",
    )


def test_to_a_group() -> None:
    for dst, group in ((b"\x02\0\0\0\0\2", False), (b"\x01\0\x5e\0\0\1", True)):
        packet = parse(bytes(Eth(dst=dst) / IPv4() / Udp()))
        assert isinstance(packet, Packet)
        assert packet.to_group == group


def test_fields_of_ipv6() -> None:
    frame = Eth() / IPv6(src="2001:db8::5", hops=255, tos=0x28) / HopByHop() / Icmp6(135)
    assert parse(bytes(frame)) == Packet(
        frame_bytes=70,
        family=6,
        source=parse_address("2001:db8::5"),
        destination=parse_address("2001:db8::1"),
        proto=58,
        icmp_type=135,
        length=56,
        ttl=255,
        dscp=10,
    )


def test_length_of_jumbogram_is_capped() -> None:
    packet = parse(bytes(Eth() / IPv6(length=0) / HopByHop() / Udp(length=8) / bytes(70000)))
    assert isinstance(packet, Packet)
    assert packet.length == 65535


ethertypes = st.sampled_from([b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x08\x06"])


@given(st.binary(max_size=120), ethertypes, st.integers(0, 200))
def test_any_bytes(rest: bytes, ethertype: bytes, extra: int) -> None:
    frame = bytes(12) + ethertype + rest
    outcome = parse(frame, len(frame) + extra)
    assert isinstance(outcome, Packet) or outcome in get_args(Fault)


@given(st.sampled_from(WHOLE), st.data())
def test_one_byte_off(case: Case, data: st.DataObject) -> None:
    frame = bytearray(case.frame)
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] = data.draw(st.integers(0, 255))
    outcome = parse(bytes(frame))
    assert isinstance(outcome, Packet) or outcome in get_args(Fault)


@given(st.sampled_from(WHOLE), st.data())
def test_what_a_snap_length_cuts_is_absent_or_right(case: Case, data: st.DataObject) -> None:
    frame = case.frame
    whole = parse(frame)
    cut = parse(frame[: data.draw(st.integers(0, len(frame)))], len(frame))
    assert isinstance(whole, Packet)
    assert isinstance(cut, Packet)
    for name in ("sport", "dport", "tcp_flags", "icmp_type", "vlan"):
        assert getattr(cut, name) in (None, getattr(whole, name))
    if cut.family:
        for name in ("family", "source", "destination", "length", "ttl", "dscp"):
            assert getattr(cut, name) == getattr(whole, name)


def test_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.mark.filterwarnings("ignore")  # layers of scapy itself
def test_scapy_reads_the_same() -> None:
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6 as ScapyIPv6
    from scapy.layers.l2 import Ether

    frames: list[Frame] = [
        Eth() / Vlan(9) / IPv4(src="10.1.2.3") / Tcp(5, 6, "SAE"),
        Eth() / IPv4(options=b"\x01\x01\x01\x00") / Udp(7, 8) / b"payload",
        Eth() / IPv6() / HopByHop() / Udp(9, 10),
    ]
    for frame in frames:
        packet, read = parse(bytes(frame)), Ether(bytes(frame))
        assert isinstance(packet, Packet)
        ip = read[IP] if packet.family == 4 else read[ScapyIPv6]
        layer4 = read[TCP] if packet.proto == 6 else read[UDP]
        assert packet.source == parse_address(ip.src)
        assert (packet.sport, packet.dport) == (layer4.sport, layer4.dport)
        assert packet.tcp_flags == (int(layer4.flags) if packet.proto == 6 else None)
        if packet.family == 4:
            assert checksum(bytes(ip)[: ip.ihl * 4]) == 0
