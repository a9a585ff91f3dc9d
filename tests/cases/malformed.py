"""Frames that lie about their lengths, or end inside a header."""

from cases.case import ANY, Case, policy, rule
from harness.frames import (
    Ah,
    DestinationOptions,
    Eth,
    Fragment,
    Frame,
    HopByHop,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Proto,
    Raw,
    Routing,
    ServiceVlan,
    Tcp,
    Udp,
    Vlan,
    cut,
)
from wirepath.net import Fault

MALFORMED_PASS = policy('[datapath]\nmalformed = "pass"\n', rule("any"))

NINE = DestinationOptions() / DestinationOptions() / DestinationOptions()
NINE = NINE / NINE / NINE

_FRAMES: list[tuple[str, Fault, Frame | Layer | bytes]] = [
    ("empty", "ethernet", b""),
    ("one-byte", "ethernet", b"\x02"),
    ("13-bytes", "ethernet", cut(Eth() / IPv4() / Udp(), 13)),
    ("vlan-0-bytes", "ethernet", Eth(0x8100)),
    ("vlan-3-bytes", "ethernet", Eth(0x8100) / bytes(3)),
    ("second-tag-2-bytes", "ethernet", Eth() / Vlan(3, type=0x8100) / bytes(2)),
    ("third-tag", "vlan_depth", Eth() / ServiceVlan() / Vlan() / Vlan() / IPv4() / Udp()),
    ("third-tag-empty", "vlan_depth", Eth() / Vlan() / Vlan(type=0x88A8)),
    ("four-tags", "vlan_depth", Eth() / Vlan() / Vlan() / Vlan() / Vlan() / IPv6() / Tcp()),
    ("ipv4-empty", "ipv4_header", Eth(0x0800)),
    ("ipv4-19-bytes", "ipv4_header", cut(Eth() / IPv4() / Udp(), 33)),
    ("ipv4-version-6", "ipv4_header", Eth() / IPv4(version=6) / Udp()),
    ("ipv4-version-0", "ipv4_header", Eth() / IPv4(version=0) / Udp()),
    ("ipv4-ihl-4", "ipv4_header", Eth() / IPv4(ihl=4) / Udp()),
    ("ipv4-ihl-0", "ipv4_header", Eth() / IPv4(ihl=0) / Udp()),
    ("ipv4-options-past-frame", "ipv4_header", Eth() / IPv4(ihl=15) / Udp()),
    ("ipv4-length-0", "ipv4_length", Eth() / IPv4(length=0) / Udp()),
    ("ipv4-length-19", "ipv4_length", Eth() / IPv4(length=19) / Udp()),
    ("ipv4-length-inside-options", "ipv4_length", Eth() / IPv4(options=bytes(8), length=24)),
    ("ipv4-length-one-more", "ipv4_length", Eth() / IPv4(length=29) / Udp()),
    ("ipv4-length-65535", "ipv4_length", Eth() / IPv4(length=65535) / Udp()),
    ("vlan-ipv4-length-one-more", "ipv4_length", Eth() / Vlan() / IPv4(length=29) / Udp()),
    ("ipv6-empty", "ipv6_header", Eth(0x86DD)),
    ("ipv6-39-bytes", "ipv6_header", cut(Eth() / IPv6() / Udp(), 53)),
    ("ipv6-version-4", "ipv6_header", Eth() / IPv6(version=4) / Udp()),
    ("ipv6-length-one-more", "ipv6_length", Eth() / IPv6(length=9) / Udp()),
    ("ipv6-length-65535", "ipv6_length", Eth() / IPv6(length=65535) / HopByHop() / Udp()),
    ("source-mapped", "mapped_address", Eth() / IPv6(src="::ffff:198.51.100.1") / Udp()),
    ("destination-mapped", "mapped_address", Eth() / IPv6(dst="::ffff:192.0.2.1") / Udp()),
    ("extension-empty", "extension_header", Eth() / IPv6(next=60)),
    ("extension-7-bytes", "extension_header", Eth() / IPv6(next=60) / bytes(7)),
    ("extension-past-payload", "extension_header", Eth() / IPv6(length=8) / Routing(1, next=17)),
    ("fragment-7-bytes", "extension_header", Eth() / IPv6(next=44) / bytes(7)),
    ("ah-past-payload", "extension_header", Eth() / IPv6(next=51) / bytes([17, 1]) / bytes(8)),
    ("jumbogram-without-options", "extension_header", Eth() / IPv6(next=0)),
    ("nine-extensions", "extension_depth", Eth() / IPv6() / NINE / Tcp()),
    (
        "nine-with-fragment",
        "extension_depth",
        Eth() / IPv6() / Fragment() / Frame(NINE.layers[:8]) / Tcp(),
    ),
    ("tcp-empty", "tcp_header", Eth() / IPv4(proto=6)),
    ("tcp-19-bytes", "tcp_header", cut(Eth() / IPv4(length=39) / Tcp(), 53)),
    ("tcp-19-bytes-and-padding", "tcp_header", Eth() / IPv4(length=39) / Tcp() / bytes(20)),
    ("tcp-doff-4", "tcp_header", Eth() / IPv4() / Tcp(doff=4)),
    ("tcp-doff-0", "tcp_header", Eth() / IPv6() / Tcp(doff=0)),
    ("tcp-doff-past-payload", "tcp_header", Eth() / IPv4() / Tcp(doff=6)),
    ("tcp-doff-into-padding", "tcp_header", Eth() / IPv4(length=40) / Tcp(doff=6) / bytes(8)),
    ("tcp-first-fragment-16-bytes", "tcp_header", Eth() / IPv4(proto=6, more=True) / bytes(16)),
    ("tcp-first-fragment-doff", "tcp_header", Eth() / IPv6() / Fragment(more=True) / Tcp(doff=15)),
    ("tcp-behind-extension", "tcp_header", Eth() / IPv6() / HopByHop(next=6) / bytes(8)),
    ("udp-empty", "udp_header", Eth() / IPv6(next=17, length=0) / bytes(8)),
    ("udp-7-bytes", "udp_header", Eth() / IPv4(length=27) / Udp()),
    ("udp-length-7", "udp_length", Eth() / IPv4() / Udp(length=7)),
    ("udp-length-0", "udp_length", Eth() / IPv6() / Udp(length=0)),
    ("udp-length-one-more", "udp_length", Eth() / IPv4() / Udp(length=9)),
    ("udp-length-into-padding", "udp_length", Eth() / IPv4(length=28) / Udp(length=9) / b"\0\0"),
    ("udp-first-fragment-length-7", "udp_length", Eth() / IPv4(more=True) / Udp(length=7)),
    ("udp-atomic-fragment-length", "udp_length", Eth() / IPv6() / Fragment() / Udp(length=99)),
    ("icmp-empty", "icmp_header", Eth() / IPv4(proto=1)),
    ("icmp-7-bytes", "icmp_header", Eth() / IPv4(length=27) / Icmp()),
    ("icmpv6-7-bytes", "icmp_header", Eth() / IPv6(length=7) / Icmp6()),
    ("icmpv6-in-ipv4-4-bytes", "icmp_header", Eth() / IPv4(proto=58) / bytes(4)),
    ("icmp-in-ipv6-empty", "icmp_header", Eth() / IPv6(next=1, length=0)),
    ("ah-length-hides-tcp", "tcp_header", Eth() / IPv6() / Ah(0, next=6) / Raw(bytes(12))),
    ("ipv6-short-payload", "tcp_header", Eth() / IPv6(length=19) / Tcp()),
]

CASES = [
    *(
        Case(f"malformed-{name}", ANY, bytes(frame), "drop", "malformed", fault=fault)
        for name, fault, frame in _FRAMES
    ),
    *(
        Case(
            f"malformed-passed-{name}",
            MALFORMED_PASS,
            bytes(frame),
            "pass",
            "malformed",
            fault=fault,
        )
        for name, fault, frame in _FRAMES[::7]
    ),
    Case(
        "malformed-passed-sane-frame",
        MALFORMED_PASS,
        bytes(Eth() / IPv4() / Proto(253)),
        "drop",
        "rule",
        "any",
    ),
]
