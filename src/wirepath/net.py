"""Addresses, prefixes, packets and verdicts: the words that both halves share.

An address is an ``int`` of 128 bits.  IPv4 lies in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2), so
``a.b.c.d`` is ``::ffff:a.b.c.d`` here and one table holds both families.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, NamedTuple, Self

from wirepath.errors import RequestError

ADDRESS_BITS = 128
_MAPPED = 0xFFFF << 32
_MAPPED_BITS = 96
_ALL_ONES = (1 << ADDRESS_BITS) - 1
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUADS = re.compile(r"\.".join([_OCTET] * 4))

# The lower-case names of the enums in bpf/packet/verdict.h; tests/unit/test_net.py compares them.
VerdictName = Literal["pass", "drop", "tx", "redirect"]
"""What can become of a packet."""
Outcome = Literal["pass", "drop"]
"""The verdicts that a policy can ask for by name."""
Reason = Literal[
    "default",
    "rule",
    "banned",
    "never_block",
    "malformed",
    "fragment",
    "not_ip",
    "limit_exceeded",
    "wireguard",
    "reject",
    "challenge",
]
Fault = Literal[
    "ethernet",
    "vlan_depth",
    "ipv4_header",
    "ipv4_length",
    "ipv6_header",
    "ipv6_length",
    "mapped_address",
    "extension_header",
    "extension_depth",
    "tcp_header",
    "udp_header",
    "udp_length",
    "icmp_header",
]
Hook = Literal["ingress", "tc_ingress", "egress"]
"""Where packets are judged: XDP, and both sides of TC."""
HOOKS: tuple[Hook, ...] = ("ingress", "tc_ingress", "egress")
DSCPS = {
    **{f"cs{n}": 8 * n for n in range(8)},
    **{f"af{n}{d}": 8 * n + 2 * d for n in range(1, 5) for d in range(1, 4)},
    "ef": 46,
    "va": 44,
    "le": 1,
}
"""Differentiated services: RFC 2474 (CS), RFC 2597 (AF), RFC 3246 (EF), RFC 5865 (VA), RFC 8622."""
Family = Literal[0, 4, 6]
Fragment = Literal["none", "first", "later"]
Ct = Literal["untracked", "new", "established", "related", "invalid"]
"""What conntrack knows of a packet's connection; the names of ``enum ct`` in bpf/packet/pkt.h."""


def is_ipv4(address: int) -> bool:
    """Tell whether *address* is an IPv4 one."""
    return address >> 32 == _MAPPED >> 32


def parse_address(text: str) -> int:
    """Read one address of either family.

    Raises:
        RequestError: *text* is no address, has a zone (``%eth0``), or is an IPv4 address in IPv6
            form: no such IPv6 packet is ever let through, so it would not mean what it seems to.
    """
    if quads := _QUADS.fullmatch(text):
        a, b, c, d = map(int, quads.groups())
        return _MAPPED | a << 24 | b << 16 | c << 8 | d
    zoneless, percent, _ = text.partition("%")
    try:
        address = int(IPv6Address(zoneless))
    except AddressValueError:
        raise RequestError(
            f"{text}: not an address (write it like 192.0.2.1 or 2001:db8::1, without port)"
        ) from None
    if percent:
        raise RequestError(f"{text}: a zone cannot be matched (write {zoneless})")
    if is_ipv4(address):
        right = format_address(address)
        raise RequestError(f"{text}: an IPv4 address in IPv6 form (write it as IPv4: {right})")
    return address


def format_address(address: int) -> str:
    """Write *address* as dotted quads or as RFC 5952 has it."""
    return str(IPv4Address(address & 0xFFFFFFFF) if is_ipv4(address) else IPv6Address(address))


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Prefix:
    """The addresses that share their first *bits* bits.

    A prefix is of one family: ``::/0`` is every IPv6 address and no IPv4 one, although IPv4 lies
    inside it as a number.  Sorts by address, then the shorter prefix first.

    Attributes:
        address: its first address; bits behind *bits* are 0.
        bits: 0 to 128; IPv4 prefixes have 96 more than the operator writes.
    """

    address: int
    bits: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``10.0.0.0/8``, ``2001:db8::/32`` or a single address.

        Raises:
            RequestError: it is no prefix, has host bits set, or is IPv4 in IPv6 form; the message
                says what to write instead.
        """
        head, slash, length = text.partition("/")
        address = parse_address(head)
        if not slash:
            return cls(address, ADDRESS_BITS)
        extra = _MAPPED_BITS if is_ipv4(address) else 0
        if not (length.isascii() and length.isdigit()) or int(length) > ADDRESS_BITS - extra:
            raise RequestError(
                f"{text}: not a prefix (its length is a number from 0 to {ADDRESS_BITS - extra})"
            )
        prefix = cls.around(address, int(length) + extra)
        if prefix.address != address:
            raise RequestError(f"{text}: host bits are set (write {prefix}, or {head} alone)")
        return prefix

    @classmethod
    def of(cls, value: "AnyPrefix") -> "Prefix":
        """Give *value* itself if it is a prefix; read it if it is text or of `ipaddress`.

        Raises:
            RequestError: it is no prefix.
        """
        return value if isinstance(value, Prefix) else cls.parse(str(value))

    @classmethod
    def all_of(cls, values: "AnyPrefix | Iterable[AnyPrefix]") -> "list[Prefix]":
        """Read one prefix or several, each as `of` does.

        Raises:
            RequestError: one of them is no prefix.
        """
        # A network of `ipaddress` iterates over its addresses, and a text over its characters.
        if isinstance(values, Iterable) and not isinstance(values, str | IPv4Network | IPv6Network):
            return [cls.of(value) for value in values]
        return [cls.of(values)]

    @classmethod
    def around(cls, address: int, bits: int) -> Self:
        """Give the prefix of *bits* bits, 0 to 128, that *address* lies in."""
        return cls(address & _mask(bits), bits)

    @property
    def is_ipv4(self) -> bool:
        """Whether its addresses are IPv4."""
        return self.bits >= _MAPPED_BITS and is_ipv4(self.address)

    @property
    def family(self) -> Literal[4, 6]:
        """The family of its addresses, by version number."""
        return 4 if self.is_ipv4 else 6

    @property
    def last(self) -> int:
        """Its last address."""
        return self.address | (_ALL_ONES ^ _mask(self.bits))

    def __contains__(self, address: int) -> bool:
        return address & _mask(self.bits) == self.address and is_ipv4(address) == self.is_ipv4

    def covers(self, other: "Prefix") -> bool:
        """Tell whether every address of *other* is one of this prefix."""
        return (
            self.bits <= other.bits
            and self.is_ipv4 == other.is_ipv4
            and other.address & _mask(self.bits) == self.address
        )

    def __str__(self) -> str:
        text = format_address(self.address)
        if self.bits == ADDRESS_BITS:
            return text
        return f"{text}/{self.bits - _MAPPED_BITS if self.is_ipv4 else self.bits}"

    def __repr__(self) -> str:
        return f"Prefix.of('{self}')"


AnyPrefix = Prefix | str | IPv4Address | IPv6Address | IPv4Network | IPv6Network
"""What is read as a prefix wherever one is asked for."""


def _mask(bits: int) -> int:
    return _ALL_ONES ^ (_ALL_ONES >> bits)


class Datagram(NamedTuple):
    """What a UDP header has behind it.

    Attributes:
        size: bytes, as the header has it; in a first fragment those of all fragments.
        here: how many there are in this packet, perhaps more.
        data: those that were captured.
    """

    size: int
    here: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One frame as it was understood; the twin of ``struct pkt`` in ``bpf/packet/pkt.h``.

    Attributes:
        frame_bytes: on the wire, from the Ethernet header on.
        family: 0 if it is not IP, or was cut before its IP header was whole: no rule sees it.
        source, destination: 128-bit numbers; 0 without family.
        proto: what follows the IPv6 extension headers; 0 without family.
        sport, dport: of TCP and UDP; None if there are none to read, as in a later fragment.
        to_group: the frame went to an Ethernet multicast or broadcast address.
        tcp_flags: FIN is bit 0, CWR bit 7; None unless TCP.
        tcp_seq: the sequence number; likewise.
        icmp_type: of ICMP and ICMPv6; None otherwise.
        vlan: VID of the outermost tag, 0 to 4095; None if untagged.
        length: of the IP packet, header included; 65,535 if larger.
        ttl: or hop limit, 0 to 255.
        dscp: 0 to 63.
        fragment: ``first`` holds the L4 header, ``later`` never does.
        datagram: what UDP carries; None if its header is not here.
        ct: the state of its connection; as parsed, of one that nobody has tracked.
    """

    frame_bytes: int
    to_group: bool = False
    family: Family = 0
    source: int = 0
    destination: int = 0
    proto: int = 0
    sport: int | None = None
    dport: int | None = None
    tcp_flags: int | None = None
    tcp_seq: int | None = None
    icmp_type: int | None = None
    vlan: int | None = None
    length: int = 0
    ttl: int = 0
    dscp: int = 0
    fragment: Fragment = "none"
    datagram: Datagram | None = None
    ct: Ct = "untracked"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What becomes of a packet, and why.

    Attributes:
        verdict: what becomes of it.
        reason: what decided.
        rule: the rule that decided, or that banned the source, if one did.
        fault: how the frame lies (reason ``malformed``).
    """

    verdict: VerdictName
    reason: Reason
    rule: str | None = None
    fault: Fault | None = None

    def __repr__(self) -> str:
        more = f", rule={self.rule!r}" if self.rule else ""
        more += f", fault={self.fault!r}" if self.fault else ""
        return f"Verdict({self.verdict!r}, {self.reason!r}{more})"


@dataclass(frozen=True, slots=True)
class Ban:
    """Sources that are dropped for a time.

    Attributes:
        prefix: whom it is for.
        expires_ns: holds while the clock is before this; same clock as the packets'.
        rule: that imposed it; None if an operator did.
        scope: the rule that it is for; None if it is for all packets, ahead of every rule.
    """

    prefix: Prefix
    expires_ns: int
    rule: str | None = None
    scope: str | None = None
