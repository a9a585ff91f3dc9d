"""Which packets may be answered. The kernel's half is ``bpf/rewrite/answers.h``."""

from typing import Final

from wirepath.net import Packet, Prefix

TCP: Final = 6
RST: Final = 0x04
_ICMP: Final = 1
_ICMPV6: Final = 58
_ICMP_ERRORS: Final = frozenset({3, 4, 5, 11, 12})  # RFC 1122 section 3.2.2
_ICMPV6_INFORMATIONAL: Final = 128  # RFC 4443 section 2.1: errors are below
_ICMPV6_REDIRECT: Final = 137  # RFC 4443 section 2.4 (e.2)

# Addresses that are not of one host: RFC 1122 section 3.2.1.3, RFC 4291 section 2.4.
_NO_HOSTS: Final = tuple(
    map(Prefix.parse, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8"))
)


def may_be_answered(packet: Packet) -> bool:
    """Tell whether *packet* may be answered.

    Source: RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e), RFC 9293 section 3.5.2.
    """
    return not (
        packet.fragment == "later"
        or packet.to_group
        or packet.foreign
        or (packet.tcp_flags or 0) & RST
        or _is_icmp_error(packet)
        or any(packet.source in none or packet.destination in none for none in _NO_HOSTS)
    )


def _is_icmp_error(packet: Packet) -> bool:
    if packet.proto == _ICMP:
        return packet.icmp_type in _ICMP_ERRORS
    return (
        packet.proto == _ICMPV6
        and packet.icmp_type is not None
        and (packet.icmp_type < _ICMPV6_INFORMATIONAL or packet.icmp_type == _ICMPV6_REDIRECT)
    )
