"""Each pair of match keys: some packet satisfies both, or the policy is refused."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from random import Random
from typing import Any, Final

import pytest

from harness.frames import (
    Eth,
    Fragment,
    Frame,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Proto,
    Tcp,
    Udp,
    Vlan,
)
from wirepath.errors import PolicyError
from wirepath.frame import parse
from wirepath.net import Ct, Packet
from wirepath.policy import Policy
from wirepath.policy.match import Match

V4, V6 = "10.0.0.0/8", "2001:db8::/32"
VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "src": (V4, V6, [V4, V6], "!0.0.0.0/0", "!::/0", [V4, V6, "!10.0.0.0/9", "!10.128.0.0/9"]),
    "dst": (V4, V6, [V4, V6], ["0.0.0.0/0", "!0.0.0.0/1", "!128.0.0.0/1"], ["@any", "!::/0"]),
    "proto": ("tcp", "udp", "icmp", "icmpv6", "ah", 59, ["tcp", "icmpv6"], "0-255", "132-140"),
    "sport": (53, "1-100", [53, 40000]),
    "dport": (80, "0-65535", [53, 443]),
    "port": (443, [53, 80], "30000-65535"),
    "tcp_flags": ("syn", "null", "syn+fin", "ack", "!ack", "rst", ["syn+ack", "fin"], "ece"),
    "icmp_type": ("echo-request", "echo-reply", "packet-too-big", 3, ["redirect", "130-137"], 200),
    "vlan": (0, 5, "0-4095"),
    "length": ("0-19", 20, "0-27", "0-28", 39, "0-40", "0-47", "0-55", "60-1500", 65535),
    "ttl": (1, "0-255"),
    "dscp": ("EF", 0),
    "fragment": (True, False, "first", "later"),
    "ct": ("new", "established", "related", "invalid", ["established", "related"]),
}
# What frames of each key are made with, besides the usual.
PORTS, FLAGS = (53, 80, 443, 40000), ("", "S", "SA", "A", "R", "F", "SF", "SE", "E", "RA")
TYPES, SIZES = (0, 2, 3, 5, 8, 13, 128, 129, 130, 135, 200), (0, 27, 39, 40, 47, 55, 1000, 65535)
PROTOS = (0, 43, 47, 50, 51, 59, 60, 132, 135, 139, 140)


def alternatives(keys: frozenset[str]) -> Iterator[tuple[Layer, ...]]:
    """Give the L4 header of each protocol, with each value that *keys* look at."""
    sports = PORTS if keys & {"sport", "port"} else PORTS[:1]
    dports = PORTS if keys & {"dport", "port"} else PORTS[1:2]
    for sport, dport in product(sports, dports):
        yield (Udp(sport, dport, length=8),)
        yield from ((Tcp(sport, dport, f),) for f in (FLAGS if keys & {"tcp_flags", "ct"} else "S"))
    for kind in TYPES if keys & {"icmp_type", "ct"} else TYPES[:1]:
        yield (Icmp(kind),)
        yield (Icmp6(kind),)
    yield from ((Proto(proto, b""),) for proto in PROTOS)


def bodies(keys: frozenset[str]) -> Iterator[Frame]:
    """Give IP packets of both families, whole ones and fragments."""
    times = tuple(product((1, 64), (0, 46 << 2))) if keys & {"ttl", "dscp"} else ((64, 0),)
    for [layer], (ttl, tos) in product(alternatives(keys), times):
        header, number = bytes(layer), layer.number
        four = IPv4("10.1.2.3", "10.9.9.9", number, ttl, tos)
        six = IPv6("2001:db8::1", "2001:db8::2", None, ttl, tos)
        shapes: tuple[tuple[Frame, int, bytes], ...] = (
            (Frame((four,)), 20, header),
            (Frame((replace(four, more=True),)), 20, header),
            (Frame((replace(four, offset=8),)), 20, b""),
            (Frame((replace(six, next=number),)), 40, header),
            (six / Fragment(0, more=True, next=number), 48, header),
            (six / Fragment(8, next=number), 48, b""),
        )
        for (heads, used, rest), size in product(shapes, SIZES if "length" in keys else SIZES[:1]):
            yield heads / (rest + bytes(max(0, size - used - len(rest))))


@cache
def packets(keys: frozenset[str]) -> tuple[Packet, ...]:
    """Make packets of every shape, with all values that matter to *keys*."""
    found = []
    for body in bodies(keys):
        for tagged in ((), (Vlan(5),), (Vlan(0),)) if "vlan" in keys else ((),):
            frame = Frame((Eth(), *tagged, *body.layers))
            packet = parse(bytes(frame))
            if isinstance(packet, Packet) and packet.family:
                found += [replace(packet, ct=ct) for ct in live(packet)]
    return tuple(dict.fromkeys(found))


# The states that netfilter may know of a packet's connection, besides what it says of none.
def live(packet: Packet) -> set[Ct]:
    known: set[Ct] = {"new", "established", "related"}
    if packet.tcp_flags is not None:
        flags = packet.tcp_flags & 0x37
        return {packet.ct} | (known if flags in {2, 0x12, 4, 0x14, 0x11, 0x10} else set())
    if packet.dport is not None:
        return {packet.ct} | known
    errors = {4: {3, 5, 11, 12}, 6: set(range(128))}[packet.family or 4]
    own = packet.proto == {4: 1, 6: 58}[packet.family or 4]
    quotes = own and packet.icmp_type in errors
    return {packet.ct} | ({"related"} if quotes else set())


def judged(match: dict[str, Any]) -> tuple[bool, str]:
    """Tell whether some packet matches, and what the policy is refused for.

    Later fragments do not count for an extension header.
    """
    refusal = ""
    try:
        Policy.of([{"name": "r", "match": match}], sets={"any": {"prefixes": []}})
    except PolicyError as error:
        refusal = str(error)
    try:
        policy = Policy.from_document({"set": {"any": {}}, "rule": [{"name": "r", "match": match}]})
    except PolicyError:
        return False, refusal
    [rule] = policy.rules
    sets = {"any": All()}
    matching = [each for each in packets(frozenset(match)) if rule.match.holds(each, sets)]
    if "extension header" in refusal:
        return any(each.fragment != "later" for each in matching), refusal
    return bool(matching), refusal


class All:
    """A set that every address is in."""

    def __contains__(self, address: int) -> bool:
        return True


def test_every_key_is_there() -> None:
    # `ct_zone` says where `ct` looks; it excludes no packet.
    assert [*VALUES, "ct_zone"] == list(Match.__dataclass_fields__)


def test_at_egress_netfilter_has_judged_every_packet() -> None:
    match = 'icmp_type = "echo-reply", ct = "established"'
    Policy.parse(f'[[rule]]\nname = "r"\nhook = "egress"\nmatch = {{ {match} }}\n')


PAIRS = [*((key,) for key in VALUES), *combinations(VALUES, 2)]


@pytest.mark.parametrize("keys", PAIRS, ids="+".join)
def test_some_packet_matches_or_the_policy_is_refused(keys: tuple[str, ...]) -> None:
    for values in product(*(VALUES[key] for key in keys)):
        match = dict(zip(keys, values, strict=True))
        matches, refusal = judged(match)
        assert matches != bool(refusal), (match, refusal)


def test_three_keys() -> None:
    random = Random(7)  # noqa: S311 - no secret
    for _ in range(400):
        keys = random.sample(tuple(VALUES), 3)
        match = {key: random.choice(VALUES[key]) for key in VALUES if key in keys}
        matches, refusal = judged(match)
        assert matches != bool(refusal), (match, refusal)


def refusal(match: str, datapath: str = "") -> str:
    text = f'[datapath]\n{datapath}\n[[rule]]\nname = "r"\nmatch = {{ {match} }}\naction = "drop"\n'
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, file="p.toml")
    [problem] = caught.value.problems
    return str(problem).removeprefix("p.toml:5: rule.r.match.")


SKIPPED = "an extension header of IPv6, which is skipped: the protocol comes after it (take it out"
FOR_IPV4 = f'{SKIPPED}; for IPv4 alone, add src = "0.0.0.0/0")'


@pytest.mark.parametrize(
    ("match", "said"),
    [
        *((f"proto = {n}", f"proto: {n}: {FOR_IPV4}") for n in (0, 43, 44, 60, 135, 140)),
        ('proto = ["tcp", 43]', f"proto: 43: {FOR_IPV4}"),
        ('proto = "43-44"', f"proto: 43-44: {FOR_IPV4}"),
        ('proto = 139, dst = "2001:db8::/32"', f"proto: 139: {SKIPPED})"),
        ('length = "0-19"', "length: no packet with an IP header is so short (the least is 20)"),
        (
            'src = "2001:db8::/32", length = "20-39"',
            "length: no packet with what `src` asks for is so short (the least is 40)",
        ),
        (
            'tcp_flags = "syn", length = "0-39"',
            "length: no packet with what `tcp_flags` asks for is so short (the least is 40)",
        ),
        (
            "sport = 53, dport = 80, port = 443",
            "port: neither sport nor dport allows one of these (take one of them out)",
        ),
        (
            'proto = "udp", ct = "invalid"',
            "ct: no packet with what `proto` asks for is ever in this state (take one out)",
        ),
        (
            'icmp_type = "echo-reply", ct = "established"',
            "ct: no packet with what `icmp_type` asks for is ever in this state (take one out)",
        ),
        (
            'tcp_flags = "syn+fin", ct = "new"',
            "ct: no packet with what `tcp_flags` asks for is ever in this state (take one out)",
        ),
        (
            'src = "10.0.0.0/8", proto = "icmpv6", ct = "new"',
            "ct: no packet has this and all that the other keys ask for (take one out)",
        ),
        (
            'src = ["10.0.0.0/8", "!10.0.0.0/9", "!10.128.0.0/9"]',
            "src: what is negated covers all the rest (no packet can match)",
        ),
        (
            'src = ["2001:db8::/32", "10.0.0.0/8", "!10.0.0.0/8"], dst = "192.0.2.1"',
            "dst: of another family than src (no packet can match)",
        ),
        ('src = "::fffe:0:0/95", dst = ["!0.0.0.0/0", "!::/0"]',
         "dst: what is negated covers all the rest (no packet can match)"),
    ],
)  # fmt: skip
def test_what_is_said(match: str, said: str) -> None:
    assert refusal(match) == said


@pytest.mark.parametrize(
    "match",
    [
        'proto = 43, src = "0.0.0.0/0"',
        'proto = 60, fragment = "later"',
        'proto = "ah"',
        "proto = 139",
        'proto = "0-255"',
        'proto = ["esp", 59]',
        'src = "::fffe:0:0/95"',
        'length = "0-20"',
    ],
)
def test_what_stays(match: str) -> None:
    Policy.parse(f'[[rule]]\nname = "r"\nmatch = {{ {match} }}\n')


def test_fragments_that_are_dropped_before_the_rules() -> None:
    assert refusal('fragment = "later"', 'fragments = "drop"') == (
        'fragment: fragments = "drop" of [datapath] drops these before any rule (take the rule out)'
    )
    Policy.parse(
        '[datapath]\nfragments = "drop"\n[[rule]]\nname = "r"\nmatch = { fragment = true }'
    )


def test_a_challenge_asks_for_a_syn() -> None:
    text = '[[rule]]\nname = "r"\nmatch = { length = "20-39" }\nchallenge = "reset"\n'
    with pytest.raises(PolicyError, match=r"length: no packet with what `tcp_flags` asks for"):
        Policy.parse(text)


def test_a_policy_that_serves_is_read() -> None:
    """An older version may have accepted what no packet can match."""
    rule = {"name": "r", "match": {"proto": 43}}
    with pytest.raises(PolicyError):
        Policy.of([rule])
    assert Policy.from_document({"rule": [rule]}).document()["rule"][0]["match"] == {"proto": 43}
