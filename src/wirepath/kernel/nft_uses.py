"""What rules of nft and iptables-nft do that our programs, ahead of them, cannot see."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.kernel.nfnetlink import number, text
from wirepath.kernel.nft_fields import NAME_BYTES, Known, Ranges
from wirepath.kernel.nft_walk import OUTPUT, PREROUTING, Found, walk
from wirepath.kernel.rtnetlink import above

if TYPE_CHECKING:
    from collections.abc import Callable

    from wirepath.kernel.ruleset import Expression, Ruleset

_TCP: Final = 6
_DESTINATION: Final = 1  # NFT_NAT_DNAT
_ZONE: Final = 17  # NFT_CT_ZONE
_NOTRACK, _ZONE_BY_MARK = 1 << 0, 1 << 4  # XT_CT_*
_XT_MOVES: Final = frozenset({"DNAT", "REDIRECT", "TPROXY", "NETMAP"})
_LEGACY: Final = ("ip_tables_names", "ip6_tables_names")


class Packets(NamedTuple):
    """The packets of one family that a rule of a policy is about.

    Attributes:
        family: 4 or 6.
        ports: their destination ports.
        destinations: their destination addresses; None if any.
        sources: their source addresses; None if any.
    """

    family: int
    ports: Ranges
    destinations: Ranges | None
    sources: Ranges | None


def moving(ruleset: Ruleset, iface: str, packets: Packets) -> Found | None:
    """Find the first rule that may give TCP packets arriving on *iface* another destination."""
    if not any(word in ruleset.packed for word in (b"redir\0", b"nat\0", b"tproxy\0", b"target\0")):
        return None
    known = _arriving(iface, packets.family) | {"l4proto": ((_TCP, _TCP),), "dport": packets.ports}
    if packets.destinations is not None:
        known["daddr"] = packets.destinations
    if packets.sources is not None:
        known["saddr"] = packets.sources
    return next(walk(ruleset, (PREROUTING,), packets.family, known, _moves), None)


def untracking(ruleset: Ruleset, iface: str) -> Found | None:
    """Find a rule by which netfilter does not track some packets of *iface*."""
    return _of_tracking(ruleset, iface, _untracks)


def zoning(ruleset: Ruleset, iface: str) -> Found | None:
    """Find a rule that puts connections of some packets of *iface* into a zone."""
    return _of_tracking(ruleset, iface, _zones)


def legacy_tables() -> list[str]:
    """List the tables of iptables-legacy in this network namespace, which cannot be read."""
    names: set[str] = set()
    for file in _LEGACY:
        path = Path("/proc/thread-self/net", file)
        if path.exists():
            names.update(path.read_text().split())
    return sorted(names)


def _of_tracking(ruleset: Ruleset, iface: str, does: Callable[[Expression], str]) -> Found | None:
    if not any(word in ruleset.packed for word in (b"notrack\0", b"ct\0", b"target\0")):
        return None
    for family in (4, 6):
        for hook, known in ((PREROUTING, _arriving(iface, family)), (OUTPUT, _of(family))):
            for found in walk(ruleset, (hook,), family, known, does):
                return found
    return None


# Packets pass the rules with the interface they arrived on, or with one above it: a bridge, a VLAN.
def _arriving(iface: str, family: int) -> Known:
    there = above(iface)
    names = [os.fsencode(name).ljust(NAME_BYTES, b"\0") for name in there.values()]
    return _of(family) | {
        "iif": tuple((index, index) for index in sorted(there)),
        "iifname": tuple((number(name), number(name)) for name in sorted(names)),
    }


def _of(family: int) -> Known:
    protocol = 2 if family == 4 else 10  # noqa: PLR2004 - NFPROTO_*
    return {"nfproto": ((protocol, protocol),)}


def _moves(each: Expression) -> str:
    if each.name == "redir":
        return "redirect"
    if each.name == "nat" and number(each.data.get(1, b"\0")) == _DESTINATION:
        return "dnat"
    if each.name == "target" and (name := text(each.data.get(1, b""))) in _XT_MOVES:
        return name
    return "tproxy" if each.name == "tproxy" else ""


def _untracks(each: Expression) -> str:
    return "notrack" if each.name == "notrack" or _xt_ct(each)[0] & _NOTRACK else ""


def _zones(each: Expression) -> str:
    flags, zone = _xt_ct(each)
    sets = each.name == "ct" and 4 in each.data and number(each.data[2]) == _ZONE  # noqa: PLR2004 - NFTA_CT_SREG
    return "ct zone set" if sets or zone or flags & _ZONE_BY_MARK else ""


# Flags and zone of the target CT of iptables, struct xt_ct_target_info_v1; 0 for anything else.
def _xt_ct(each: Expression) -> tuple[int, int]:
    if each.name != "target":
        return 0, 0
    name = text(each.data.get(1, b""))
    if name == "NOTRACK":
        return _NOTRACK, 0
    flags, zone = struct.unpack_from("=HH", each.data[3]) if name == "CT" else (0, 0)
    return flags, zone
