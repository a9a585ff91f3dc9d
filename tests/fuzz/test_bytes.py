# ruff: noqa: S311 - a seed, so that it fails again
"""Frames of arbitrary bytes: the program never aborts, and agrees with the model.

``make fuzz T=60`` runs each test for that many seconds, on new seeds;
without, each is short.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import frames as f
from harness.chance import Aim, Maker, Shooter, frames, mutant
from harness.seeding import seeds
from harness.xdp import Expected, Sent, Xdp, agree
from wirepath.model import Model
from wirepath.policy import Policy

pytestmark = pytest.mark.kernel

_MOST = 2000  # bytes; jumbo frames have 9,000
_LINEAR = 2048  # the least number of bytes in the first buffer of a frame
_HEADERS = (b"", b"\x81\x00\x00\x01", b"\x88\xa8\x0f\xff", b"\x81\x00\x00\x01\x88\xa8\x00\x02")
_BEGINNINGS = (
    b"\x08\x00\x45\x00", b"\x08\x00\x46\x00", b"\x08\x00\x4f\x00", b"\x08\x00",
    b"\x86\xdd\x60\x00\x00\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x08\x06", b"",
)  # fmt: skip
_CHAIN = (0, 43, 44, 51, 60, 135, 139, 140, 6, 17, 58, 59)


@pytest.fixture(scope="module", params=["plain", "many", "strict"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Xdp, Expected]]:
    """Load one of three policies: a few rules, many rules, and one that drops all it can."""
    policy = {
        "plain": lambda: Maker(Random(1)).policy(8),
        "many": lambda: Maker(Random(2), deciding=0.05).policy(200, sets=6),
        "strict": lambda: Policy.parse('[datapath]\ndefault = "drop"\nfragments = "drop"\n'),
    }[request.param]()
    with Xdp(policy) as xdp:
        yield xdp, Expected(Model(policy))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.lists(st.binary(max_size=_MOST), max_size=20))
def test_any_bytes(pair: tuple[Xdp, Expected], data: list[bytes]) -> None:
    """Any bytes that Hypothesis draws."""
    agree(*pair, [Sent(each) for each in data])


def _begun(random: Random) -> bytes:
    # Random bytes that pass the first checks.
    start = random.randbytes(12) + random.choice(_HEADERS) + random.choice(_BEGINNINGS)
    noise = bytearray(random.randbytes(random.choice((0, 4, 20, 40, 60, 200, _MOST))))
    for at in range(0, len(noise), random.choice((1, 3, 8, 1000))):
        noise[at] = random.choice((*_CHAIN, 0, 0, 1, 255))
    return start + bytes(noise)


def test_noise(pair: tuple[Xdp, Expected]) -> None:
    for seed in seeds():
        random = Random(seed)
        sent = [Sent(_begun(random)) for _ in range(400)]
        sent += [Sent(e.data[: random.randrange(120)], len(e.data)) for e in sent[:200]]
        agree(*pair, sent)


def test_mutants(pair: tuple[Xdp, Expected]) -> None:
    for seed in seeds():
        random = Random(seed)
        agree(*pair, frames(random, pair[0].policy, 500))


def test_chains(pair: tuple[Xdp, Expected]) -> None:
    """Long chains of IPv6 headers, with lengths that nearly fit."""
    for seed in seeds():
        random = Random(seed)
        agree(*pair, [Sent(_chain(random)) for _ in range(300)])


def _chain(random: Random) -> bytes:
    body = b""
    for _ in range(random.randrange(11)):
        size = random.choice((0, 0, 0, 1, 2, 30))
        head = bytes([random.choice(_CHAIN), size]) + random.choice((bytes(2), random.randbytes(2)))
        body += head.ljust(random.choice((8, (size + 1) * 8, (size + 2) * 4)), b"\0")
    body += random.randbytes(random.choice((0, 7, 8, 19, 20, 60)))
    length = max(0, len(body) + random.choice((0, 0, 0, -1, -8, 1, -60)))
    return bytes(f.Eth() / f.IPv6(next=random.choice(_CHAIN), length=length) / body[:_MOST])


def test_jumbo_frames(pair: tuple[Xdp, Expected]) -> None:
    """Frames in several buffers, with all headers in the first."""
    for seed in seeds():
        random = Random(seed)
        shooter = Shooter(random, Aim.at(pair[0].policy))
        sent = []
        for _ in range(60):
            size = random.choice((2048, 3400, 3500, 3520, 3600, 4096, 9000, 9014, 40_000))
            whole = bytes(shooter.frame()).ljust(size, b"\0")
            sent.append(mutant(random, whole) if random.random() < 0.3 else Sent(whole))
        sent += [Sent(_large(random, random.choice((1400, 9000, 65000)))) for _ in range(60)]
        agree(*pair, sent)


def _large(random: Random, size: int) -> bytes:
    ip = random.choice((f.IPv4, f.IPv6))()
    layer4 = random.choice((f.Tcp(dport=443, flags="A"), f.Udp(), f.Icmp()))
    return bytes(f.Eth() / ip / layer4 / bytes(size))


def test_headers_out_of_sight(pair: tuple[Xdp, Expected]) -> None:
    """XDP sees only the first buffer: a frame with headers beyond it is malformed, never passed."""
    chain = [f.DestinationOptions(255), f.DestinationOptions(255), f.DestinationOptions(255)]
    frame = bytes(f.Frame((f.Eth(), f.IPv6(), *chain, f.Tcp())) / bytes(100))
    assert len(frame) > 3 * _LINEAR
    [verdict] = pair[0].judge([Sent(frame)])
    assert (verdict.reason, verdict.fault) == ("malformed", "extension_header")


def test_policies() -> None:
    """New policies too, not only new frames."""
    for seed in seeds():
        random = Random(seed)
        policy = Maker(random).policy(random.choice((3, 30, 300)), sets=random.randrange(6))
        with Xdp(policy) as xdp:
            agree(xdp, Expected(Model(policy)), frames(random, policy, 300))
