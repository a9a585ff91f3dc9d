"""The packets without which a host loses its network, although no policy lists them.

The twin of ``bpf/guard/essentials.h``. RFC 4890 section 4.4.1 names most of them.
"""

from typing import Final

from wirepath.net import Family, Hook, Packet

DESCRIBED: Final = (
    "neighbour and router discovery: icmp_type 133-137 of ICMPv6 with hop limit 255",
    "packet too big: icmp_type 2 of ICMPv6, fragmentation needed of ICMP",
    "DHCP: udp from port 67 to 68, and from 547 to 546 of fe80::/10; at egress the other way",
    "multicast membership: IGMP, and icmp_type 130-132,143 of ICMPv6, with hop limit 1",
)
"""What passes, in words, for ``wirepath check``."""

_ICMP, _IGMP, _UDP, _ICMPV6 = 1, 2, 17, 58
_ON_LINK: Final = 255  # RFC 4861 section 6.1: the packet has crossed no router
_MEMBERS: Final = 1  # IGMP, RFC 3376 section 4; MLD, RFC 3810 section 5
_DISCOVERY: Final = range(133, 138)
_MEMBERSHIP: Final = (130, 131, 132, 143)
_TOO_BIG: Final = (3, 4)  # type and code, RFC 1191 section 4
_TOO_BIG_V6: Final = 2
_DHCP: Final = {4: (67, 68), 6: (547, 546)}  # server, client
_LINK_LOCAL: Final = 0xFE80 >> 6  # fe80::/10, RFC 4291 section 2.5.6
_IPV4: Final = 4


def is_essential(packet: Packet, hook: Hook) -> bool:
    """Tell whether *packet* passes at *hook* although the policy does not list it."""
    if packet.fragment != "none":  # RFC 6980 section 5: discovery is never in pieces
        return False
    if packet.proto == _UDP:
        return _is_dhcp(packet, hook)
    if packet.proto == _ICMPV6 and packet.family != _IPV4:
        return packet.icmp_type is not None and _is_essential_icmpv6(packet)
    if packet.proto == _ICMP and packet.family == _IPV4:
        return (packet.icmp_type, packet.icmp_code) == _TOO_BIG
    return packet.proto == _IGMP and packet.family == _IPV4 and packet.ttl == _MEMBERS


def _is_dhcp(packet: Packet, hook: Hook) -> bool:
    # An answer to the client of this host, or at egress its question.
    server, client = _DHCP[packet.family]
    wanted = (client, server) if hook == "egress" else (server, client)
    asked = (packet.sport, packet.dport) == wanted
    return asked and (packet.family == _IPV4 or _is_link_local(packet.source))


def _is_essential_icmpv6(packet: Packet) -> bool:
    if packet.icmp_type in _DISCOVERY:
        return packet.ttl == _ON_LINK
    if packet.icmp_type in _MEMBERSHIP:
        from_here = _is_link_local(packet.source) or not packet.source
        return packet.ttl == _MEMBERS and from_here
    return packet.icmp_type == _TOO_BIG_V6


def may_be_essential(family: Family, proto: int | None, dport: int | None, hook: Hook) -> bool:
    """Tell whether some packets with these fields pass at *hook*; None stands for any."""
    if dport is not None:
        server, client = _DHCP[family]
        return proto in (None, _UDP) and dport == (server if hook == "egress" else client)
    return proto in (None, _UDP, *((_ICMP, _IGMP) if family == _IPV4 else (_ICMPV6,)))


def _is_link_local(address: int) -> bool:
    return address >> 118 == _LINK_LOCAL
