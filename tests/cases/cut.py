"""Frames truncated by a snap length: judged by their complete headers; missing bytes do not make
them malformed, but lies in the captured part do.
"""

from cases.case import ANY, Case, policy, rule
from harness.frames import (
    DestinationOptions,
    Eth,
    Frame,
    HopByHop,
    Icmp,
    IPv4,
    IPv6,
    Layer,
    ServiceVlan,
    Tcp,
    Udp,
    Vlan,
)
from wirepath.net import Fault

# The first rule needs ports, the second the protocol, the third the address.
READ = policy(
    rule("ports", "dport = 4242"),
    rule("proto", 'proto = ["tcp", "udp", "icmp"]'),
    rule("ip"),
)

TCP4 = Eth() / IPv4() / Tcp(dport=4242) / bytes(100)
TCP6 = Eth() / IPv6() / Tcp(dport=4242) / bytes(100)
UDP4 = Eth() / IPv4(options=bytes(8)) / Udp(dport=4242) / bytes(100)
QINQ = Eth() / ServiceVlan() / Vlan() / IPv4() / Tcp(dport=4242)
CHAIN = Eth() / IPv6() / HopByHop() / DestinationOptions(1) / Udp(dport=4242)
ICMP = Eth() / IPv4() / Icmp() / bytes(56)

# (frame, bytes captured, rule; None for not_ip)
_CUT: list[tuple[str, Frame | Layer, int, str | None]] = [
    ("nothing", TCP4, 0, None),
    ("inside-ethernet", TCP4, 13, None),
    ("behind-ethernet", TCP4, 14, None),
    ("inside-ipv4", TCP4, 33, None),
    ("behind-ipv4", TCP4, 34, "proto"),
    ("inside-tcp", TCP4, 53, "proto"),
    ("behind-tcp", TCP4, 54, "ports"),
    ("inside-payload", TCP4, 60, "ports"),
    ("one-byte-short", TCP4, 153, "ports"),
    ("inside-ipv4-options", UDP4, 40, None),
    ("behind-ipv4-options", UDP4, 42, "proto"),
    ("inside-udp", UDP4, 49, "proto"),
    ("behind-udp", UDP4, 50, "ports"),
    ("inside-first-tag", QINQ, 16, None),
    ("inside-second-tag", QINQ, 21, None),
    ("behind-tags", QINQ, 22, None),
    ("qinq-behind-tcp", QINQ, 62, "ports"),
    ("inside-ipv6", TCP6, 53, None),
    ("behind-ipv6", TCP6, 54, "proto"),
    ("ipv6-inside-tcp", TCP6, 73, "proto"),
    ("ipv6-behind-tcp", TCP6, 74, "ports"),
    ("behind-ipv6-chain-ahead", CHAIN, 54, "ip"),
    ("inside-first-extension", CHAIN, 60, "ip"),
    ("behind-first-extension", CHAIN, 62, "ip"),
    ("inside-second-extension", CHAIN, 72, "ip"),
    ("behind-second-extension", CHAIN, 78, "proto"),
    ("chain-whole", CHAIN, 86, "ports"),
    ("inside-icmp", ICMP, 41, "proto"),
    ("behind-icmp", ICMP, 42, "proto"),
]

# Lies that show in the captured part, given the length on the wire.
_LIES: list[tuple[str, Frame | Layer, int, Fault]] = [
    ("ipv4-length", Eth() / IPv4(length=200) / Tcp() / bytes(50), 54, "ipv4_length"),
    ("ipv6-length", Eth() / IPv6(length=200) / Tcp() / bytes(50), 54, "ipv6_length"),
    ("udp-length", Eth() / IPv4() / Udp(length=59) / bytes(50), 42, "udp_length"),
    ("tcp-doff", Eth() / IPv4() / Tcp(doff=8) / bytes(8), 54, "tcp_header"),
    ("ipv4-19-bytes-on-the-wire", Eth(0x0800) / bytes(19), 14, "ipv4_header"),
    ("tag-2-bytes-on-the-wire", Eth(0x8100) / bytes(2), 14, "ethernet"),
    (
        "extension-past-payload",
        Eth() / IPv6(length=16) / DestinationOptions(9, next=6),
        62,
        "extension_header",
    ),
    ("tcp-short-on-the-wire", Eth() / IPv4(length=30, proto=6) / bytes(20), 40, "tcp_header"),
    ("13-bytes-on-the-wire", Eth() / IPv4(), 13, "ethernet"),
]

CASES = [
    *(
        Case(
            f"cut-{name}",
            READ,
            bytes(frame)[:size],
            "drop" if by else "pass",
            "rule" if by else "not_ip",
            by,
            wire_bytes=len(bytes(frame)),
        )
        for name, frame, size, by in _CUT
    ),
    *(
        Case(
            f"cut-lie-{name}",
            ANY,
            bytes(frame)[:size],
            "drop",
            "malformed",
            fault=fault,
            wire_bytes=13 if name.startswith("13") else len(bytes(frame)),
        )
        for name, frame, size, fault in _LIES
    ),
    # A length in between contradicts only the length on the wire, not the captured length.
    Case(
        "cut-udp-length-true-on-the-wire",
        READ,
        bytes(UDP4)[:50],
        "drop",
        "rule",
        "ports",
        wire_bytes=len(bytes(UDP4)),
    ),
]
