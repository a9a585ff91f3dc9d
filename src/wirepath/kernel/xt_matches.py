"""The matches of iptables that know ports, as iptables-nft puts them into rules of nft.

Source: linux/netfilter/xt_tcpudp.h and xt_multiport.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from wirepath.kernel import nft_fields
from wirepath.kernel.nft_fields import Part

if TYPE_CHECKING:
    from wirepath.kernel.nft_fields import Known

_DPORT: Final = [Part("dport", 2, 16)]
_INVERTED: Final = 2  # XT_TCP_INV_DSTPT, XT_UDP_INV_DSTPT
_INVERTED_AT: Final = {"tcp": 11, "udp": 8}  # in struct xt_tcp and struct xt_udp
_DESTINATION: Final = 1  # XT_MULTIPORT_DESTINATION
_PORTS_MOST: Final = 15  # XT_MULTI_PORTS


def narrow(known: Known, name: str, info: bytes, family: int) -> Known | None:
    """Keep the packets that a match lets through; None if none is left.

    Matches that are not known here let all through.

    Args:
        known: the packets.
        name: of the match.
        info: its struct.
        family: 4 or 6.
    """
    if name in _INVERTED_AT:
        low, high = struct.unpack_from("=HH", info, 4)
        inverted = info[_INVERTED_AT[name]] & _INVERTED
        return _on_ports(known, [(low, high)], family, inverted=bool(inverted))
    if name == "multiport" and info[0] == _DESTINATION:
        ports = struct.unpack_from(f"={_PORTS_MOST}H", info, 2)
        begins, inverted = info[32 : 32 + _PORTS_MOST], info[47]  # struct xt_multiport_v1
        ranges, at = [], 0
        while at < info[1]:
            last = at + bool(begins[at])
            ranges.append((ports[at], ports[last]))
            at = last + 1
        return _on_ports(known, ranges, family, inverted=bool(inverted))
    return known


def _on_ports(
    known: Known, ranges: list[tuple[int, int]], family: int, *, inverted: bool
) -> Known | None:
    ends = [(low.to_bytes(2, "big"), high.to_bytes(2, "big")) for low, high in ranges]
    if inverted:
        return nft_fields.exclude(known, _DPORT, ends, family)
    kinds = [nft_fields.narrow(known, _DPORT, *end, family) for end in ends]
    left = [kind for kind in kinds if kind is not None]
    return nft_fields.either(left) if left else None
