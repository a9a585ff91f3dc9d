"""Complete frames: every kind of header that the parser steps over, and frames that are not IP."""

from cases.case import ANY, Case, decided, policy, rule
from harness.frames import (
    Ah,
    Arp,
    DestinationOptions,
    Eth,
    Fragment,
    Frame,
    Hip,
    HopByHop,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Mobility,
    Proto,
    Routing,
    ServiceVlan,
    Shim6,
    Tcp,
    Udp,
    Vlan,
)

# The L4 header must be found after any headers that precede it.
FOUND = policy(rule("found", "dport = 4242"))
TCP = Tcp(dport=4242)
UDP = Udp(dport=4242)
ALONE = Udp(dport=4242, length=8)

_PASSED_OVER = [
    ("ipv4", Eth() / IPv4() / TCP, "found"),
    ("ipv4-udp", Eth() / IPv4() / UDP, "found"),
    ("ipv4-padded-to-60", Eth() / IPv4(length=28) / ALONE / bytes(18), "found"),
    ("ipv6-padded", Eth() / IPv6(length=8) / ALONE / bytes(6), "found"),
    ("ipv4-options-4", Eth() / IPv4(options=bytes(4)) / TCP, "found"),
    ("ipv4-options-40", Eth() / IPv4(options=bytes(40)) / TCP, "found"),
    ("ipv6", Eth() / IPv6() / TCP, "found"),
    ("ipv6-udp", Eth() / IPv6() / UDP, "found"),
    ("vlan-ipv4", Eth() / Vlan(5) / IPv4() / TCP, "found"),
    ("vlan-ipv6", Eth() / Vlan(5) / IPv6() / TCP, "found"),
    ("vlan-ad-ipv4", Eth() / ServiceVlan(5) / IPv4() / TCP, "found"),
    ("qinq-ipv4", Eth() / ServiceVlan(5) / Vlan(6) / IPv4() / TCP, "found"),
    ("qinq-ipv6", Eth() / ServiceVlan(5) / Vlan(6) / IPv6() / TCP, "found"),
    ("qinq-other-order", Eth() / Vlan(5) / ServiceVlan(6) / IPv4() / TCP, "found"),
    ("qinq-both-q", Eth() / Vlan(5) / Vlan(6) / IPv6() / UDP, "found"),
    ("vlan-priority-tag", Eth() / Vlan(0, pcp=7) / IPv4() / TCP, "found"),
    ("hop-by-hop", Eth() / IPv6() / HopByHop() / TCP, "found"),
    ("routing", Eth() / IPv6() / Routing(2) / UDP, "found"),
    ("destination-options", Eth() / IPv6() / DestinationOptions(1) / TCP, "found"),
    ("ah", Eth() / IPv6() / Ah() / TCP, "found"),
    ("ah-shortest", Eth() / IPv6() / Ah(0) / TCP, "found"),
    ("ah-odd", Eth() / IPv6() / Ah(5) / UDP, "found"),
    ("mobility", Eth() / IPv6() / Mobility() / UDP, "found"),
    ("hip", Eth() / IPv6() / Hip() / TCP, "found"),
    ("shim6", Eth() / IPv6() / Shim6() / TCP, "found"),
    ("atomic-fragment", Eth() / IPv6() / Fragment() / TCP, "found"),
    ("atomic-fragment-reserved", Eth() / IPv6() / Fragment(reserved=255) / TCP, "found"),
    ("longest-extension", Eth() / IPv6() / DestinationOptions(255) / TCP, "found"),
    (
        "eight-extensions",
        Eth()
        / IPv6()
        / HopByHop()
        / DestinationOptions()
        / Routing()
        / Ah()
        / Mobility()
        / Hip()
        / Shim6()
        / DestinationOptions(3)
        / TCP,
        "found",
    ),
    (
        "repeated-extensions",
        Eth() / IPv6() / DestinationOptions() / DestinationOptions() / DestinationOptions() / UDP,
        "found",
    ),
    ("tcp-options", Eth() / IPv4() / Tcp(dport=4242, options=bytes(40)) / b"data", "found"),
    ("udp-length-short-of-ip", Eth() / IPv4() / Udp(dport=4242, length=8) / b"data", "found"),
    # Headers after one that ends the walk are not read.
    ("esp-hides", Eth() / IPv6() / Proto(50) / TCP, None),
    ("no-next-header", Eth() / IPv6(next=59) / TCP, None),
    ("ipip-inner-unread", Eth() / IPv4() / IPv4() / TCP, None),
    ("gre-inner-unread", Eth() / IPv4() / Proto(47) / TCP, None),
    ("ah-in-ipv4-not-walked", Eth() / IPv4() / Ah() / TCP, None),
    ("hop-by-hop-in-ipv4-not-walked", Eth() / IPv4(proto=0) / HopByHop() / TCP, None),
    ("sctp-ports-unread", Eth() / IPv4() / Proto(132, b"\x10\x92\x10\x92" + bytes(28)), None),
    ("udplite-ports-unread", Eth() / IPv6() / Proto(136, b"\x10\x92\x10\x92" + bytes(8)), None),
]

# IP with any payload.
_IP = [
    ("ipv4-alone", Eth() / IPv4(proto=253), "any"),
    ("ipv6-alone", Eth() / IPv6(next=59), "any"),
    ("ipv6-payload-0", Eth() / IPv6(next=253, length=0), "any"),
    ("ipv6-trailer", Eth() / IPv6(next=59, length=0) / bytes(6), "any"),
    ("icmp", Eth() / IPv4() / Icmp(), "any"),
    ("icmpv6", Eth() / IPv6() / Icmp6(), "any"),
    ("icmp-in-ipv6", Eth() / IPv6() / Icmp(), "any"),
    ("icmpv6-in-ipv4", Eth() / IPv4() / Icmp6(), "any"),
    ("unknown-protocol-without-bytes", Eth() / IPv4(proto=254), "any"),
    ("jumbogram", Eth() / IPv6(length=0) / HopByHop() / TCP, "any"),
    ("jumbo-frame", Eth() / IPv4() / UDP / bytes(8900), "any"),
    ("addresses-mapped-above-96-bits", Eth() / IPv6(src="1::ffff:102:304") / UDP, "any"),
    ("address-compatible", Eth() / IPv6(src="::192.0.2.1") / UDP, "any"),
    ("same-source-and-destination", Eth() / IPv4(src="192.0.2.1", dst="192.0.2.1") / TCP, "any"),
    ("source-zero", Eth() / IPv4(src="0.0.0.0") / UDP, "any"),  # noqa: S104 - not a socket
]

_NOT_IP: dict[str, Frame | Layer] = {
    "arp": Eth() / Arp(),
    "arp-in-vlan": Eth() / Vlan(3) / Arp(),
    "arp-in-qinq": Eth() / ServiceVlan(3) / Vlan(4) / Arp(),
    "lldp": Eth(0x88CC) / bytes(46),
    "length-802.3": Eth(46) / bytes(46),
    "ethertype-0": Eth(0) / bytes(46),
    "mpls": Eth(0x8847) / bytes(4) / IPv4() / TCP,
    "pppoe": Eth(0x8864) / bytes(8),
    "header-alone": Eth(0x88B5),
    "vlan-tag-alone": Eth() / Vlan(3, type=0x88B5),
    "old-qinq-ethertype-not-a-tag": Eth(0x9100) / Vlan(3) / IPv4() / TCP,
}


def _flipped(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


_BARE4, _BARE6 = bytes(IPv4() / UDP / bytes(30)), bytes(IPv6() / TCP)
# To this MAC, from this one, ARP of 60 bytes could be IPv6 with 20 bytes of TCP.
_UNLUCKY = Eth(dst=b"\x60\0\0\0\0\x14", src=b"\x06\x40\0\0\0\1")

# IP without an Ethernet header, where there should be one.
_MISREAD: dict[str, bytes] = {
    "ipv4": _BARE4,
    "ipv6": _BARE6,
    "ipv6-udp": bytes(IPv6() / UDP),
    "ipv6-icmp": bytes(IPv6() / Icmp6()),
    "ipv4-padded": _BARE4 + bytes(9),
    "ethertype-of-experiments": bytes(_UNLUCKY / bytes(46))[:12] + b"\x88\xb5" + bytes(46),
}
_NOT_MISREAD: dict[str, bytes] = {
    "checksum": _flipped(_BARE4, 11),
    "ipv4-longer-than-the-frame": _BARE4[:-1],
    "ipv4-options": bytes(IPv4(options=bytes(4)) / UDP / bytes(30)),
    "ipv6-other-length": _BARE6 + bytes(1),
    "ipv6-other-protocol": bytes(IPv6() / bytes(30)),
    "ipv6-no-hops": bytes(IPv6(hops=0) / TCP),
    "arp-of-unlucky-macs": bytes(_UNLUCKY / Arp() / bytes(18)),
    "short": _BARE4[:19],
}

CASES = [
    *decided("found", FOUND, _PASSED_OVER),
    *decided("ip", ANY, _IP),
    *(
        Case(f"not-ip-{name}", ANY, bytes(frame), "pass", "not_ip")
        for name, frame in _NOT_IP.items()
    ),
    *(Case(f"misread-{name}", ANY, f, "pass", "misread") for name, f in _MISREAD.items()),
    *(Case(f"not-misread-{name}", ANY, f, "pass", "not_ip") for name, f in _NOT_MISREAD.items()),
    # Bytes after the IP packet in the frame are ignored: here a whole UDP datagram.
    Case(
        "padding-unread",
        FOUND,
        bytes(Eth() / IPv4(proto=253, length=20) / UDP),
        "pass",
        "default",
    ),
]
