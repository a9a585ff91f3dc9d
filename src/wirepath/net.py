"""Addresses, prefixes, packets and verdicts, which both halves share.

An address is an ``int`` of 128 bits.  IPv4 is mapped into ::ffff:0:0/96 (RFC 4291 section
2.5.5.2), so that one table holds both families.
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
_MASKS = tuple(_ALL_ONES ^ (_ALL_ONES >> bits) for bits in range(ADDRESS_BITS + 1))
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PREFIX4 = re.compile(r"\.".join([_OCTET] * 4) + r"(?:/([12]?[0-9]|3[0-2]))?")
_QUADS = re.compile(r"\.".join([_OCTET] * 4))

# The lower-case names of the enums in bpf/packet/verdict.h; tests/unit/test_net.py compares them.
VerdictName = Literal["pass", "drop", "tx", "redirect"]
"""The possible verdicts on a packet."""
Outcome = Literal["pass", "drop"]
"""The verdicts that a policy can ask for by name."""
ForeignFrames = Literal["ignore", "judge"]
"""What becomes of limits, answers and bans for frames to other hosts' MACs."""
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
    "essential",
    "misread",
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
"""The places where packets are judged: XDP, and the two directions of TC."""
Link = Literal["ethernet", "ip"]
"""The headers that frames begin with: Ethernet's, or those of IP, as on tun and WireGuard."""
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
"""The state of a packet's connection in conntrack; names of ``enum ct`` in bpf/packet/pkt.h."""


def is_ipv4(address: int) -> bool:
    """Tell whether *address* is an IPv4 address."""
    return address >> 32 == _MAPPED >> 32


def parse_address(text: str) -> int:
    """Read one address of either family.

    Raises:
        RequestError: *text* is not an address, has a zone (``%eth0``), or is an IPv4 address in
            IPv6 form. The last is refused since it would never match: IPv6 packets with such
            addresses are always malformed.
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
    """Write *address* in dotted-quad notation or as in RFC 5952."""
    return str(IPv4Address(address & 0xFFFFFFFF) if is_ipv4(address) else IPv6Address(address))


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Prefix:
    """The addresses that share their first *bits* bits.

    A prefix has one family: ``::/0`` contains every IPv6 address and no IPv4 address, although
    mapped IPv4 addresses are numerically inside it.  Sorts by address, then shorter prefixes first.

    Attributes:
        address: its first address; bits after the first *bits* are 0.
        bits: 0 to 128; for IPv4, 96 more than the operator writes.
    """

    address: int
    bits: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``10.0.0.0/8``, ``2001:db8::/32`` or a single address.

        Raises:
            RequestError: *text* is not a prefix, has host bits set, or is IPv4 in IPv6 form; the
                message says what to write instead.
        """
        if found := _PREFIX4.fullmatch(text):
            a, b, c, d, length = found.groups()
            address = _MAPPED | int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
            bits = _MAPPED_BITS + int(length) if length else ADDRESS_BITS
            if address & _MASKS[bits] == address:
                return cls(address, bits)
        return cls._parse(text)

    # Reads what is not IPv4, or not right.
    @classmethod
    def _parse(cls, text: str) -> Self:
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
        """Return *value* if it is a prefix; convert it if it is text or an object of `ipaddress`.

        Raises:
            RequestError: *value* is not a prefix.
        """
        return value if isinstance(value, Prefix) else cls.parse(str(value))

    @classmethod
    def all_of(cls, values: "AnyPrefix | Iterable[AnyPrefix]") -> "list[Prefix]":
        """Convert one prefix or several, as `of` does.

        Raises:
            RequestError: one of them is not a prefix.
        """
        # A network of `ipaddress` iterates over its addresses, and a text over its characters.
        if isinstance(values, Iterable) and not isinstance(values, str | IPv4Network | IPv6Network):
            return [cls.of(value) for value in values]
        return [cls.of(values)]

    @classmethod
    def around(cls, address: int, bits: int) -> Self:
        """Return the prefix of *bits* bits, 0 to 128, that contains *address*."""
        return cls(address & _MASKS[bits], bits)

    @property
    def is_ipv4(self) -> bool:
        """Whether its addresses are IPv4."""
        return self.bits >= _MAPPED_BITS and self.address >> 32 == _MAPPED >> 32

    @property
    def family(self) -> Literal[4, 6]:
        """The family of its addresses, by version number."""
        return 4 if self.is_ipv4 else 6

    @property
    def last(self) -> int:
        """Its last address."""
        return self.address | (_ALL_ONES ^ _MASKS[self.bits])

    def __contains__(self, address: int) -> bool:
        return address & _MASKS[self.bits] == self.address and is_ipv4(address) == self.is_ipv4

    def covers(self, other: "Prefix") -> bool:
        """Tell whether every address of *other* is in this prefix."""
        return (
            self.bits <= other.bits
            and other.address & _MASKS[self.bits] == self.address
            and self.is_ipv4 == other.is_ipv4
        )

    def __str__(self) -> str:
        text = format_address(self.address)
        if self.bits == ADDRESS_BITS:
            return text
        return f"{text}/{self.bits - _MAPPED_BITS if self.is_ipv4 else self.bits}"

    def __repr__(self) -> str:
        return f"Prefix.of('{self}')"


AnyPrefix = Prefix | str | IPv4Address | IPv6Address | IPv4Network | IPv6Network
"""The types that functions accept as a prefix."""


class Datagram(NamedTuple):
    """The payload of a UDP header.

    Attributes:
        size: bytes by the UDP header; in a first fragment, those of all fragments.
        here: bytes in this packet after the UDP header; may exceed *size*.
        data: the bytes that were captured.
    """

    size: int
    here: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One parsed frame; the twin of ``struct pkt`` in ``bpf/packet/pkt.h``.

    Attributes:
        frame_bytes: length on the wire, from the Ethernet header on.
        segments: how many packets it is on the wire; more than 1 if the kernel has merged them.
        family: 0 if it is not IP, or if the capture cut its IP header; no rule sees such frames.
        misread: it is IP, but its header is where another kind of link has it.
        source, destination: 128-bit numbers; 0 without family.
        proto: the protocol after IPv6 extension headers; 0 without family.
        sport, dport: of TCP and UDP; None if not readable, as in a later fragment.
        to_group: the destination MAC is multicast or broadcast.
        foreign: the destination MAC is another host's; a frame alone does not tell.
        tcp_flags: FIN is bit 0, CWR bit 7; None unless TCP.
        tcp_seq: the sequence number; None unless TCP.
        icmp_type: of ICMP and ICMPv6; None otherwise.
        icmp_code: likewise.
        vlan: VID of the outermost tag, 0 to 4095; None if untagged.
        length: of the IP packet including its header; 65,535 if larger.
        ttl: TTL or hop limit, 0 to 255.
        dscp: 0 to 63.
        fragment: ``first`` holds the L4 header, ``later`` never does.
        datagram: the payload of UDP; None without a UDP header.
        ct: the state of its connection; after parsing, as if no connection were known.
    """

    frame_bytes: int
    segments: int = 1
    to_group: bool = False
    foreign: bool = False
    family: Family = 0
    misread: bool = False
    source: int = 0
    destination: int = 0
    proto: int = 0
    sport: int | None = None
    dport: int | None = None
    tcp_flags: int | None = None
    tcp_seq: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    vlan: int | None = None
    length: int = 0
    ttl: int = 0
    dscp: int = 0
    fragment: Fragment = "none"
    datagram: Datagram | None = None
    ct: Ct = "untracked"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The verdict on a packet, and the reason for it.

    Attributes:
        verdict: the verdict.
        reason: the part of the datapath that decided.
        rule: the rule that decided or that banned the source, if any.
        fault: what is wrong with the frame, for the reason ``malformed``.
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
    """A prefix whose packets are dropped for a time.

    Attributes:
        prefix: the banned sources.
        expires_ns: in force until this time, on the clock of the packets.
        rule: the rule that imposed it; None if an operator did.
        scope: the rule whose packets it drops; None if it drops all packets, before every rule.
    """

    prefix: Prefix
    expires_ns: int
    rule: str | None = None
    scope: str | None = None
