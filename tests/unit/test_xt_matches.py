"""Rules of iptables-nft, as it writes them: matches and targets with the structs of xtables."""

import struct
from collections.abc import Iterable

import pytest

from wirepath.kernel import nft_uses
from wirepath.kernel.nft_uses import Packets
from wirepath.kernel.rtnetlink import attribute
from wirepath.kernel.ruleset import Base, ChainName, Rule, Ruleset

NAT = ChainName(2, "nat", "PREROUTING")
DOCKER = NAT._replace(chain="DOCKER")


def expression(name: str, *values: tuple[int, bytes]) -> bytes:
    data = b"".join(attribute(number, value) for number, value in values)
    return attribute(1, attribute(1, name.encode() + b"\0") + attribute(2, data))


def extension(kind: str, name: str, info: bytes = bytes(32)) -> bytes:
    return expression(kind, (1, name.encode() + b"\0"), (3, info))


def jump(chain: str) -> bytes:
    verdict = attribute(1, struct.pack("!i", -3)) + attribute(2, chain.encode() + b"\0")
    return expression("immediate", (1, struct.pack("!I", 0)), (2, attribute(2, verdict)))


def moved(match: bytes, target: str, port: int) -> bool:
    rules = {
        NAT: [Rule(2, extension("match", "addrtype") + jump("DOCKER"))],
        DOCKER: [Rule(3, match + extension("target", target))],
    }
    packets = Packets(4, ((port, port),), None, None)
    return bool(nft_uses.moving(Ruleset([Base(0, NAT)], rules), "lo", packets))


def tcp(low: int, high: int, *, inverted: bool = False) -> bytes:
    """Compose struct xt_tcp."""
    return struct.pack("=HHHHBBBB", 0, 65535, low, high, 0, 0, 0, 2 * inverted)


def multiport(ranges: Iterable[tuple[int, int]], *, inverted: bool = False) -> bytes:
    """Compose struct xt_multiport_v1, of destination ports."""
    ports, begins = [], []
    for low, high in ranges:
        ports += [low] if low == high else [low, high]
        begins += [0] if low == high else [1, 0]
    more = [0] * (15 - len(ports))
    head = struct.pack("=BB15H", 1, len(ports), *ports, *more)
    return head + bytes(begins + more) + bytes([inverted])


@pytest.mark.parametrize("target", ["DNAT", "REDIRECT", "TPROXY", "NETMAP"])
def test_targets_that_move(target: str) -> None:
    match = extension("match", "tcp", tcp(80, 80))
    assert moved(match, target, 80)
    assert not moved(match, target, 81)
    assert not moved(match, "MARK", 80)


def test_ports() -> None:
    assert moved(extension("match", "tcp", tcp(70, 80)), "DNAT", 75)
    assert not moved(extension("match", "tcp", tcp(70, 80, inverted=True)), "DNAT", 75)
    assert moved(extension("match", "tcp", tcp(70, 80, inverted=True)), "DNAT", 81)
    several = [(22, 22), (80, 90), (443, 443)]
    for port in (22, 85, 443):
        assert moved(extension("match", "multiport", multiport(several)), "DNAT", port)
        inverted = multiport(several, inverted=True)
        assert not moved(extension("match", "multiport", inverted), "DNAT", port)
    assert not moved(extension("match", "multiport", multiport(several)), "DNAT", 23)
    assert moved(extension("match", "conntrack"), "DNAT", 23)


@pytest.mark.parametrize(
    ("info", "untracks", "zones"),
    [((1, 0), True, False), ((0, 7), False, True), ((16, 0), False, True), ((0, 0), False, False)],
)
def test_target_ct(info: tuple[int, int], untracks: bool, zones: bool) -> None:  # noqa: FBT001
    raw = ChainName(2, "raw", "PREROUTING")
    ct = extension("target", "CT", struct.pack("=HH", *info) + bytes(60))
    rules = Ruleset([Base(0, raw)], {raw: [Rule(2, ct)]})
    assert bool(nft_uses.untracking(rules, "lo")) == untracks
    assert bool(nft_uses.zoning(rules, "lo")) == zones
