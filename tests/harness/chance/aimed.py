"""Frames aimed at a policy: at the edges of what its rules match, and past them."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from random import Random

from harness import frames as f
from harness.xdp import Sent
from wirepath.net import ADDRESS_BITS, Prefix
from wirepath.policy import Policy
from wirepath.policy.addresses import Addresses
from wirepath.policy.numbers import Numbers

_LAST = (1 << ADDRESS_BITS) - 1
_IPV4 = 0xFFFF << 32
_OTHER_PROTOCOLS = (0, 2, 4, 41, 43, 44, 47, 50, 51, 59, 60, 89, 132, 135, 136, 139, 140, 253, 255)


@dataclass(frozen=True)
class Aim:
    """The values of a policy to aim at.

    Attributes:
        ipv4, ipv6: addresses.
        ports, vlans, lengths, ttls, dscps: numbers.
    """

    ipv4: tuple[int, ...]
    ipv6: tuple[int, ...]
    ports: tuple[int, ...]
    vlans: tuple[int, ...]
    lengths: tuple[int, ...]
    ttls: tuple[int, ...]
    dscps: tuple[int, ...]

    @classmethod
    def at(cls, policy: Policy) -> "Aim":
        edges = sorted({0, *(edge for p in _prefixes(policy) for edge in _around(p))})
        return cls(
            ipv4=tuple(e for e in edges if e >> 32 == 0xFFFF) or (_IPV4 | 0x0A000001,),
            ipv6=tuple(e for e in edges if e >> 32 != 0xFFFF),
            ports=_numbers(policy, 65535, "sport", "dport", "port"),
            vlans=_numbers(policy, 4095, "vlan"),
            lengths=_numbers(policy, 2000, "length"),
            ttls=_numbers(policy, 255, "ttl"),
            dscps=_numbers(policy, 63, "dscp"),
        )


def _prefixes(policy: Policy) -> Iterator[Prefix]:
    yield from policy.datapath.never_block
    for spec in policy.sets.values():
        yield from spec.prefixes
    for rule in policy.rules:
        for asked in (rule.match.src, rule.match.dst):
            if isinstance(asked, Addresses):
                yield from (*asked.prefixes, *asked.not_prefixes)


def _around(prefix: Prefix) -> Iterator[int]:
    yield from (prefix.address, prefix.last)
    if prefix.address:
        yield prefix.address - 1
    if prefix.last < _LAST:
        yield prefix.last + 1


def _numbers(policy: Policy, limit: int, *keys: str) -> tuple[int, ...]:
    edges = {0, limit}
    for rule in policy.rules:
        for asked in (getattr(rule.match, key) for key in keys):
            if isinstance(asked, Numbers):
                edges |= {edge + by for pair in asked.ranges for edge in pair for by in (-1, 0, 1)}
    return tuple(sorted(edge for edge in edges if 0 <= edge <= limit))


class Shooter:
    """Draws frames.

    Args:
        random: the source of randomness.
        aim: the values to aim at.
    """

    def __init__(self, random: Random, aim: Aim) -> None:
        self._random = random
        self._aim = aim

    def frame(self) -> f.Frame:
        """Draw a frame that is mostly well formed."""
        r = self._random
        ip = self._ipv4() if r.random() < 0.5 else self._ipv6()
        return f.Frame((f.Eth(), *self._tags(), *ip))

    def sent(self) -> Sent:
        """Draw a frame; a snap length truncates one in eight."""
        r = self._random
        data = bytes(self.frame())
        if r.random() < 0.125:
            return Sent(data[: r.randint(0, len(data))], len(data))
        return Sent(data)

    def _tags(self) -> list[f.Layer]:
        r = self._random
        count = r.choice((0,) * 30 + (1,) * 20 + (2,) * 10 + (3,))
        tags = r.choices((f.Vlan, f.ServiceVlan), k=count)
        return [tag(r.choice(self._aim.vlans)) for tag in tags]

    def _tos(self) -> int:
        return self._random.choice(self._aim.dscps) << 2 | self._random.getrandbits(2)

    def _ipv4(self) -> list[f.Layer]:
        r = self._random
        src, dst = (str(IPv4Address(r.choice(self._aim.ipv4) & 0xFFFFFFFF)) for _ in range(2))
        fragment = r.choice(((0, False),) * 6 + ((0, True), (8, True), (1480, False)))
        options = bytes(r.choice((0, 0, 0, 4, 40)))
        ttl = r.choice(self._aim.ttls)
        layer4 = self._layer4(1)
        head = f.IPv4(
            src=src, dst=dst, tos=self._tos(), ttl=ttl, options=options,
            offset=fragment[0], more=fragment[1],
        )  # fmt: skip
        return [head, *layer4, self._payload(20 + len(options), layer4)]

    def _ipv6(self) -> list[f.Layer]:
        r = self._random
        ends = [r.choice(self._aim.ipv6) for _ in range(2)]
        if r.random() < 0.02:
            ends[r.randrange(2)] = r.choice(self._aim.ipv4)  # an IPv4 address in an IPv6 header
        src, dst = (str(IPv6Address(end)) for end in ends)
        head = f.IPv6(src=src, dst=dst, tos=self._tos(), hops=r.choice(self._aim.ttls))
        count = r.choice((0, 0, 0, 0, 1, 1, 2, 3, 7, 8, 9))
        chain = [self._extension() for _ in range(count)]
        layer4 = self._layer4(58)
        return [head, *chain, *layer4, self._payload(40, layer4)]

    def _extension(self) -> f.Layer:
        r = self._random
        kind = r.choice(("plain", "plain", "fragment", "ah"))
        if kind == "fragment":
            offset, more = r.choice(((0, False), (0, True), (8, True), (1448, False)))
            return f.Fragment(offset=offset, more=more, reserved=r.choice((0, 255)))
        if kind == "ah":
            return f.Ah(r.choice((0, 4, 5)))
        plain = (f.HopByHop, f.Routing, f.DestinationOptions, f.Mobility, f.Hip, f.Shim6)
        return r.choice(plain)(r.choice((0, 0, 1, 2)))

    def _layer4(self, icmp: int) -> list[f.Layer]:
        r = self._random
        kind = r.choice(("tcp", "tcp", "udp", "udp", "icmp", "other", "short"))
        sport, dport = r.choice(self._aim.ports), r.choice(self._aim.ports)
        if kind == "tcp":
            flags = "".join(r.sample("FSRPAUEC", r.choice((0, 1, 1, 2, 3))))
            return [f.Tcp(sport, dport, flags, options=bytes(r.choice((0, 0, 12, 40))))]
        if kind == "udp":
            return [f.Udp(sport, dport)]
        if kind == "icmp":
            number = r.choice((icmp, icmp, icmp, 59 - icmp))
            kinds = (0, 1, 2, 3, 5, 8, 9, 11, 12, 13, 128, 129, 133, 135, 136, 137, 255)
            return [(f.Icmp if number == 1 else f.Icmp6)(r.choice(kinds))]
        if kind == "short":
            return [f.Proto(r.choice((1, 6, 17, 58)), r.randbytes(r.randrange(20)))]
        return [f.Proto(r.choice(_OTHER_PROTOCOLS), bytes(r.choice((0, 4, 16))))]

    def _payload(self, header: int, layer4: list[f.Layer]) -> f.Layer:
        # One time in three, to exactly a length that some rule matches.
        r = self._random
        if r.random() < 0.3:
            have = header + sum(len(bytes(layer)) for layer in layer4)
            return f.Raw(bytes(max(0, r.choice(self._aim.lengths) - have)))
        return f.Raw(bytes(r.choice((0, 0, 1, 6, 26, 100))))
