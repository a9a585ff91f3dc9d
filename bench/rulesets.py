"""Random rules on five dimensions, and packets for them, reproducible by a seed.

``realistic`` resembles access lists at the edge of a network: clustered hosts and networks, well
known ports, few wildcards in both addresses at once.  ``hostile`` is the worst case: in every
dimension a rule covers a quarter of all packets, so that only all five together select.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wirepath.net import Hook

Kind = Literal["realistic", "hostile"]
Outcome = Literal["pass", "drop"]

ICMP, TCP, UDP = 1, 6, 17
_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}
_SERVICES = (
    *(20, 21, 22, 23, 25, 53, 67, 69, 80, 88, 110, 111, 119, 123, 135, 137, 138, 139, 143, 161),
    *(162, 179, 389, 443, 445, 465, 500, 514, 515, 520, 546, 587, 631, 636, 860, 873, 989, 990),
    *(993, 995, 1080, 1194, 1433, 1521, 1701, 1723, 1812, 1883, 2049, 3128, 3306, 3389, 4500),
    *(5060, 5222, 5432, 6379, 6443, 8080, 8443, 9090, 9200, 11211, 27017),
)
INSIDE = "10.0.0.0/8"  # destinations of packets for `realistic` rules
_FRAME_BYTES = 64
_IP_BYTES = 46


@dataclass(frozen=True)
class Span:
    """A range of numbers, *low* and *high* included."""

    low: int
    high: int

    def draw(self, rng: random.Random) -> int:
        """Draw a random number of the range."""
        return rng.randint(self.low, self.high)


EVERY_PORT = Span(0, 65535)
EVERY_ADDRESS = Span(0, (1 << 32) - 1)
EVERY_PROTO = Span(0, 255)


@dataclass(frozen=True)
class Rule:
    """One rule. Ports are restricted only where the protocol has ports.

    Attributes:
        src, dst: IPv4 prefixes, as ranges of addresses.
        sport, dport: ports.
        proto: IP protocol; None for any.
    """

    src: Span
    dst: Span
    sport: Span
    dport: Span
    proto: int | None


def prefix(address: int, bits: int) -> Span:
    """Return the range of addresses in *address*/*bits*."""
    hosts = (1 << 32 - bits) - 1
    return Span(address & ~hosts, address | hosts)


def draw(kind: Kind, count: int, seed: int = 1) -> list[Rule]:
    """Draw *count* rules; with the same seed, a longer list begins with the shorter one."""
    rng = random.Random(seed)  # noqa: S311 - it must be repeatable
    rules = _realistic(rng) if kind == "realistic" else _hostile(rng)
    return [next(rules) for _ in range(count)]


def _realistic(rng: random.Random) -> Iterator[Rule]:
    outside = [rng.randrange(1 << 24, 224 << 24) for _ in range(500)]
    inside = [0x0A000000 | rng.randrange(1 << 16) << 8 for _ in range(60)]
    while True:
        proto = rng.choices((TCP, UDP, ICMP, None), (60, 25, 5, 10))[0]
        ported = proto in (TCP, UDP)
        src_bits = rng.choices((32, 28, 24, 20, 16, 8, 0), (40, 8, 22, 6, 8, 2, 14))[0]
        dst_bits = rng.choices((32, 28, 24, 16), (55, 10, 30, 5))[0]
        yield Rule(
            prefix(rng.choice(outside) ^ rng.randrange(1 << 12), src_bits),
            prefix(rng.choice(inside) | rng.randrange(256), dst_bits),
            rng.choices((EVERY_PORT, Span(1024, 65535)), (90, 10))[0] if ported else EVERY_PORT,
            _service(rng) if ported else EVERY_PORT,
            proto,
        )


def _service(rng: random.Random) -> Span:
    first = rng.choice(_SERVICES)
    return rng.choices(
        (Span(first, first), Span(first, first + 20), Span(1024, 65535), EVERY_PORT),
        (70, 8, 10, 12),
    )[0]


def _hostile(rng: random.Random) -> Iterator[Rule]:
    def quarter() -> Span:
        low = rng.randrange(49152)
        return Span(low, low + rng.randrange(12288, 16384))

    while True:
        src, dst = (prefix(rng.getrandbits(32), rng.choice((1, 2, 2, 3))) for _ in range(2))
        yield Rule(src, dst, quarter(), quarter(), rng.choice((TCP, UDP)))


def wirepath_policy(
    rules: Sequence[Rule], *, hook: Hook = "ingress", default: Outcome = "drop"
) -> str:
    """Write *rules* as a policy that drops what they match at *hook*."""
    parts = [f'[datapath]\ndefault = {{ {hook} = "{default}" }}\n']
    for number, rule in enumerate(rules):
        keys = dict(_wirepath_keys(rule))
        match = ", ".join(f"{key} = {value}" for key, value in keys.items())
        parts.append(
            f'[[rule]]\nname = "r{number}"\nhook = "{hook}"\n'
            f'match = {{ {match} }}\naction = "drop"\n'
        )
    return "\n".join(parts)


def _wirepath_keys(rule: Rule) -> Iterator[tuple[str, str]]:
    for key, span in (("src", rule.src), ("dst", rule.dst)):
        if span != EVERY_ADDRESS:
            yield key, f'"{_cidr(span)}"'
    for key, span in (("sport", rule.sport), ("dport", rule.dport)):
        if span != EVERY_PORT:
            yield key, f'"{span.low}-{span.high}"' if span.low < span.high else f"{span.low}"
    if rule.proto is not None:
        yield "proto", f'"{_NAMES[rule.proto]}"'


def nft_rules(rules: Sequence[Rule]) -> list[str]:
    """Write *rules* in nft syntax, each with a counter, since ours count too."""
    return [f"{' '.join(_nft_words(rule))} counter drop" for rule in rules]


def _nft_words(rule: Rule) -> Iterator[str]:
    for key, span in (("saddr", rule.src), ("daddr", rule.dst)):
        if span != EVERY_ADDRESS:
            yield f"ip {key} {_cidr(span)}"
    if rule.proto is not None:
        yield f"meta l4proto {_NAMES[rule.proto]}"
    for key, span in (("sport", rule.sport), ("dport", rule.dport)):
        if span != EVERY_PORT:
            yield f"th {key} {span.low}" + (f"-{span.high}" if span.low < span.high else "")


def u32_filters(rules: Sequence[Rule]) -> list[str]:
    """Write *rules* as ``tc filter`` arguments for u32, which has masks but no ranges.

    A rule becomes several filters, one for each combination of masks of its port ranges.
    """
    return [words for rule in rules for words in _u32(rule)]


def _u32(rule: Rule) -> Iterator[str]:
    parts = [
        f"match ip {key} {_cidr(span)}"
        for key, span in (("src", rule.src), ("dst", rule.dst))
        if span != EVERY_ADDRESS
    ]
    if rule.proto is not None:
        parts.append(f"match ip protocol {rule.proto} 0xff")
    for sport, dport in product(_masks("sport", rule.sport), _masks("dport", rule.dport)):
        yield " ".join(["u32", *parts, *sport, *dport])


# The fewest u32 matches, each a value with a mask, that together cover exactly *ports*.
def _masks(key: str, ports: Span) -> list[list[str]]:
    if ports == EVERY_PORT:
        return [[]]
    found, low = [], ports.low
    while low <= ports.high:
        size = low & -low or 1 << 16
        while low + size - 1 > ports.high:
            size >>= 1
        found.append([f"match ip {key} {low} {0x10000 - size:#06x}"])
        low += size
    return found


def flower_filters(rules: Sequence[Rule]) -> list[str]:
    """Write *rules* as ``tc filter`` arguments for flower."""
    return [f"flower {' '.join(_flower(rule))}" for rule in rules]


def _flower(rule: Rule) -> Iterator[str]:
    for key, span in (("src_ip", rule.src), ("dst_ip", rule.dst)):
        if span != EVERY_ADDRESS:
            yield f"{key} {_cidr(span)}"
    if rule.proto is not None:
        yield f"ip_proto {_NAMES[rule.proto]}"
    for key, span in (("src_port", rule.sport), ("dst_port", rule.dport)):
        if span != EVERY_PORT:
            yield f"{key} {span.low}" + (f"-{span.high}" if span.low < span.high else "")


def _cidr(span: Span) -> str:
    return f"{IPv4Address(span.low)}/{32 - (span.high - span.low).bit_length()}"


def packets(rules: Sequence[Rule], count: int, seed: int = 1) -> list[bytes]:
    """Draw frames; half of them match one of *rules* each, half are mixtures of two rules."""
    rng = random.Random(seed)  # noqa: S311 - it must be repeatable
    fields = np.array([_aim(rng, rules) for _ in range(count)], dtype=np.int64)
    return [row.tobytes() for row in _frames(fields)]


def misses(rules: Sequence[Rule], count: int, seed: int = 1) -> list[bytes]:
    """Draw frames that are similar to *rules* but match none of them.

    Neither do they match any rule of a shorter list.  There must be many rules.
    """
    rng = random.Random(seed)  # noqa: S311 - it must be repeatable
    missing = np.empty((0, 5), dtype=np.int64)
    while len(missing) < count:
        fields = np.array([_aim(rng, rules) for _ in range(count)], dtype=np.int64)
        missing = np.concatenate([missing, fields[~_matched(fields, rules)]])
    return [row.tobytes() for row in _frames(missing[:count])]


def _matched(fields: NDArray[np.int64], rules: Sequence[Rule]) -> NDArray[np.bool_]:
    matched = np.zeros(len(fields), dtype=np.bool_)
    for rule in rules:
        proto = EVERY_PROTO if rule.proto is None else Span(rule.proto, rule.proto)
        spans = (rule.src, rule.dst, rule.sport, rule.dport, proto)
        low, high = np.array([(span.low, span.high) for span in spans]).T
        matched |= ((fields >= low) & (fields <= high)).all(axis=1)
    return matched


def _aim(rng: random.Random, rules: Sequence[Rule]) -> tuple[int, int, int, int, int]:
    one = rng.choice(rules)
    other = rng.choice(rules) if rng.random() < 0.5 else one
    proto = one.proto or rng.choice((ICMP, TCP, UDP))
    return (
        one.src.draw(rng),
        other.dst.draw(rng),
        one.sport.draw(rng),
        other.dport.draw(rng),
        proto,
    )


def _frames(fields: NDArray[np.int64]) -> NDArray[np.uint8]:
    # IPv4 of 46 bytes; L4 checksums are 0, since the subjects do not check them.
    src, dst, sport, dport, proto = fields.T
    frames = np.zeros((len(fields), _FRAME_BYTES), dtype=np.uint8)
    frames[:, :12] = np.frombuffer(bytes.fromhex("0200000000010200000000fe"), dtype=np.uint8)
    frames[:, 12:18] = (0x08, 0x00, 0x45, 0, 0, _IP_BYTES)
    frames[:, 22] = 64
    frames[:, 23] = proto
    for at, size, values in ((26, 4, src), (30, 4, dst), (34, 2, sport), (36, 2, dport)):
        for byte in range(size):
            frames[:, at + byte] = values >> 8 * (size - 1 - byte) & 0xFF
    frames[proto == ICMP, 34:38] = (8, 0, 0, 0)
    frames[proto == UDP, 38:40] = (0, _IP_BYTES - 20)
    frames[proto == TCP, 46:48] = (5 << 4, 0x10)
    words = frames[:, 14:34].astype(np.int64).reshape(len(frames), 10, 2)
    total = (words[:, :, 0] << 8 | words[:, :, 1]).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    check = ~(total + (total >> 16)) & 0xFFFF
    frames[:, 24], frames[:, 25] = check >> 8, check & 0xFF
    return frames
