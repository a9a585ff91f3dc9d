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

CASES = [
    *decided("found", FOUND, _PASSED_OVER),
    *decided("ip", ANY, _IP),
    *(
        Case(f"not-ip-{name}", ANY, bytes(frame), "pass", "not_ip")
        for name, frame in _NOT_IP.items()
    ),
    # Bytes after the IP packet in the frame are ignored: here a whole UDP datagram.
    Case(
        "padding-unread",
        FOUND,
        bytes(Eth() / IPv4(proto=253, length=20) / UDP),
        "pass",
        "default",
    ),
]
