"""Refusals: which packets get which answer, and every byte of it."""

# ruff: noqa: S311 - a seed, so that it fails again
from collections.abc import Iterable, Iterator
from random import Random

import pytest
from scapy.layers import inet as scapy
from scapy.layers.inet6 import ICMPv6DestUnreach
from scapy.layers.inet6 import IPv6 as ScapyIPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.answered import Answer
from harness.chance import Aim, Shooter, mutant
from harness.frames import (
    Ah,
    DestinationOptions,
    Eth,
    Fragment,
    Frame,
    HopByHop,
    Icmp,
    Icmp6,
    IPv4,
    IPv6,
    Layer,
    Proto,
    ServiceVlan,
    Tcp,
    Udp,
    Vlan,
)
from harness.sequence import Sequence, executors, outcome
from harness.xdp import Sent
from wirepath.datapath.generation.load import Generation
from wirepath.errors import PolicyError
from wirepath.kernel.program import XdpAction
from wirepath.model import Model
from wirepath.net import Verdict
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

S = 1_000_000_000


def rejecting(value: str = "true", match: str = "") -> str:
    return f'[[rule]]\nname = "no"\nmatch = {{ {match} }}\nreject = {value}\n'


_GROUP = b"\x01\x00\x5e\x00\x00\x01"
_ANSWERED = [
    IPv4() / Tcp(),
    IPv6() / Tcp(flags="A"),
    IPv4(options=bytes(8)) / Udp(),
    IPv6() / HopByHop() / Udp(),
    IPv4() / Icmp(),
    IPv6() / Icmp6(),
    IPv4() / Proto(47),
    IPv4(more=True) / Udp(),
    IPv6() / Fragment(more=True) / Udp(),
    IPv6() / Proto(1, bytes([8, 0]) + bytes(6)),
    IPv4(src="1.0.0.0") / Udp(),
    IPv4(src="223.255.255.255") / Udp(),
    IPv6(src="::2") / Udp(),
    IPv6(src="feff::1") / Udp(),
]
_UNANSWERED = [
    IPv4() / Tcp(flags="R"),
    IPv6() / Tcp(flags="RA"),
    IPv4(offset=8) / bytes(8),
    IPv6() / Fragment(offset=8) / bytes(8),
    *(IPv4() / Icmp(kind) for kind in (3, 4, 5, 11, 12)),
    *(IPv6() / Icmp6(kind) for kind in (0, 1, 2, 3, 4, 127, 137)),
    IPv6() / Proto(1, bytes([3, 13]) + bytes(6)),
    *(
        IPv4(src=src) / Udp()
        for src in ("0.0.0.1", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
    ),
    *(IPv6(src=src) / Udp() for src in ("::", "::1", "ff02::1")),
    *(IPv4(dst=dst) / Udp() for dst in ("224.0.0.1", "255.255.255.255")),
    IPv6(dst="ff02::1") / Udp(),
]

SEQUENCES = [
    Sequence(
        "whom-one-answers", rejecting(),
        tuple((0, Eth() / layers, "tx reject no") for layers in _ANSWERED),
    ),
    Sequence(
        "whom-one-does-not", rejecting(),
        tuple((0, Eth() / layers, "drop reject no") for layers in _UNANSWERED),
    ),
    Sequence(
        "to-a-group-of-hosts", rejecting(),
        ((0, Eth(dst=_GROUP) / IPv4() / Udp(), "drop reject no"),
         (0, Eth(dst=b"\xff" * 6) / Vlan() / IPv6() / Tcp(), "drop reject no")),
    ),
    Sequence(
        "answers-are-limited", rejecting('{ rate = "2/s" }'),
        (*[(0, Eth() / IPv4() / Udp(), "tx reject no")] * 2,
         (0, Eth() / IPv6() / Tcp(), "drop reject no"),
         (S // 2 - 1, Eth() / IPv6() / Tcp(), "drop reject no"),
         (S // 2, Eth() / IPv6() / Tcp(), "tx reject no")),
    ),
    Sequence(
        "what-is-not-answered-takes-no-answer-up", rejecting('{ rate = "1/s" }'),
        (*[(0, Eth() / IPv4() / Tcp(flags="R"), "drop reject no")] * 3,
         (0, Eth() / IPv4() / Tcp(), "tx reject no")),
    ),
    Sequence(
        "ends-the-walk",
        rejecting("true", "dport = 23") + '[[rule]]\nname = "all"\naction = "pass"\n',
        ((0, Eth() / IPv4() / Tcp(dport=23), "tx reject no"),
         (0, Eth() / IPv4() / Tcp(dport=24), "pass rule all")),
    ),
]  # fmt: skip


def judged(verdicts: Iterable[Verdict]) -> list[str]:
    return [f"{v.verdict} {outcome(v)}" for v in verdicts]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_model(sequence: Sequence) -> None:
    model = Model(Policy.parse(sequence.policy))
    verdicts = [model.decide(sent.data, sent.now_ns).verdict for sent in sequence.sent()]
    assert judged(verdicts) == sequence.outcomes()


@pytest.mark.kernel
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_program(sequence: Sequence) -> None:
    with executors(sequence.policy) as both:
        assert judged(both.judge(sequence.sent())) == sequence.outcomes()


@pytest.fixture(scope="module")
def program() -> Iterator[Generation]:
    policy = Policy.parse(rejecting('{ rate = "1m/s" }'))
    members = read_contents(policy).members
    with Generation.load(policy, members, sizes={"bans": 1}) as generation:
        yield generation


def answer(program: Generation, frame: Frame | bytes) -> Answer:
    run = program.program.test_run(bytes(frame))
    assert run.retval == XdpAction.TX
    return Answer.read(run.frame)


_UNDER = [
    Eth(),
    Eth() / Vlan(5, pcp=3),
    Eth() / ServiceVlan(7) / Vlan(9),
]
_IPS = [
    IPv4(),
    IPv4(options=b"\x94\x04\x00\x00"),
    IPv4(tos=0xB8, options=bytes(40)),
    IPv6(),
    IPv6(tos=0xB8) / HopByHop(1) / DestinationOptions(),
    IPv6() / Fragment(),
    IPv6() / Ah(),
]
_BACK = {4: ("192.0.2.1", "198.51.100.1"), 6: ("2001:db8::1", "2001:db8:1::1")}


def version(ip: Layer | Frame) -> int:
    return bytes(ip)[0] >> 4


@pytest.mark.kernel
@pytest.mark.parametrize("ip", _IPS, ids=range(len(_IPS)))
@pytest.mark.parametrize("under", _UNDER, ids=range(len(_UNDER)))
def test_links_and_addresses(program: Generation, under: Layer, ip: Layer) -> None:
    """Answers go back to the sender, with its VLAN tags, in the same IP version."""
    for layer4 in (Tcp(), Udp()):
        frame = bytes(under / ip / layer4 / b"payload")
        got = answer(program, frame)
        assert got.macs == (frame[6:12], frame[:6])
        assert got.tags == bytes(under)[12:-2]
        assert got.ends == _BACK[version(ip)]


@pytest.mark.kernel
@pytest.mark.parametrize("ip", [IPv4(), IPv6()], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(
    ("flags", "size", "answered"),
    [
        ("S", 0, ("RA", 0, 0xFFFFFFFF)),
        ("S", 9, ("RA", 0, 8)),
        ("SF", 0, ("RA", 0, 0)),
        ("", 1460, ("RA", 0, 1458)),
        ("F", 1, ("RA", 0, 0)),
        ("A", 0, ("R", 7000, 0)),
        ("SA", 0, ("R", 7000, 0)),
        ("PAF", 1, ("R", 7000, 0)),
    ],
)
def test_numbers_of_a_reset(
    program: Generation, ip: Layer, flags: str, size: int, answered: tuple[str, int, int]
) -> None:
    """RFC 9293 section 3.10.7.1; the segment begins at 0xfffffffe."""
    tcp = Tcp(4000, 23, flags, options=bytes(12), seq=0xFFFFFFFE, ack=7000)
    got = answer(program, Eth() / ip / tcp / bytes(size))
    assert (got.proto, got.ports, got.options) == (6, (23, 4000), b"")
    assert (got.flags, got.seq, got.ack) == answered


@pytest.mark.kernel
@pytest.mark.parametrize("ip", _IPS, ids=range(len(_IPS)))
@pytest.mark.parametrize("size", [0, 1, 2, 3, 30, 519, 520, 521, 1183, 1184, 1185, 1400, 1800])
def test_quotes(program: Generation, ip: Layer, size: int) -> None:
    """An answer quotes as much of the packet as fits, and no bytes after it."""
    packet = bytes(ip / Udp() / Random(size).randbytes(size))
    proto, kind, most = (1, (3, 13), 548) if version(ip) == 4 else (58, (1, 1), 1232)
    for padding in (b"", b"padding"):
        got = answer(program, bytes(Eth())[:12] + bytes(Eth() / ip)[12:14] + packet + padding)
        assert (got.proto, got.icmp, got.quoted) == (proto, kind, packet[:most])
        assert got.tos == (0xC0 if proto == 1 else 0)


@pytest.mark.kernel
@pytest.mark.parametrize("ip", [IPv4(), IPv6()], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("size", [0, 1, 700, 1400])
def test_scapy_says_the_same(program: Generation, ip: Layer, size: int) -> None:
    """Answers composed by scapy are the same, byte by byte."""
    packet = bytes(ip / Udp() / bytes(size))
    below = scapy.IP(src="192.0.2.1", dst="198.51.100.1", id=0, flags="DF")
    error = scapy.ICMP(type=3, code=13)
    below.tos, most = 0xC0, 548
    if version(ip) == 6:
        below = ScapyIPv6(src="2001:db8::1", dst="2001:db8:1::1")
        error, most = ICMPv6DestUnreach(code=1), 1232
    link = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
    run = program.program.test_run(bytes(Eth() / ip / Udp() / bytes(size)))
    assert run.frame == bytes(link / below / error / Raw(packet[:most]))
    run = program.program.test_run(bytes(Eth() / ip / Tcp(seq=5) / bytes(size)))
    if version(ip) == 4:
        below.tos = 0
    reset = scapy.TCP(sport=80, dport=40000, flags="RA", ack=6 + size, window=0)
    assert run.frame == bytes(link / below / reset)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(6))
def test_by_chance(program: Generation, seed: int) -> None:
    """For random frames every answer is well formed, and the model agrees."""
    random, model = Random(seed), Model(program.planned.policy)
    shooter = Shooter(random, Aim.at(program.planned.policy))
    frames = [bytes(shooter.frame()) for _ in range(300)]
    frames += [mutant(random, frame).data for frame in frames]
    for frame in frames:
        if len(frame) < 14:
            continue
        run = program.program.test_run(frame)
        if run.retval == XdpAction.TX:
            Answer.read(run.frame)
        verdict = model.decide(frame, now_ns=0).verdict
        assert (run.retval == XdpAction.TX) == (verdict.verdict == "tx"), frame.hex()


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(4))
def test_sequences_by_chance(seed: int) -> None:
    random = Random(seed)
    policy = rejecting('{ rate = "3/s" }', 'proto = "udp"').replace('"no"', '"udp"') + rejecting(
        '{ rate = "90/min" }', "dport = [53, 80]"
    )
    layers = [*_ANSWERED, *_UNANSWERED]
    now, sent = 0, []
    for _ in range(1000):
        now += random.choice((0, 0, 1, S // 7, S // 3))
        sent.append(Sent(bytes(Eth() / random.choice(layers)), now_ns=now))
    with executors(policy) as both:
        both.judge(sent)


@pytest.mark.kernel
def test_what_a_snap_length_cut_would_have_been_answered() -> None:
    frame = bytes(Eth() / IPv4() / Udp() / bytes(100))
    with executors(rejecting()) as both:
        (verdict,) = both.judge([Sent(frame[:60], wire_bytes=len(frame))])
    assert verdict.verdict == "tx"


def test_as_it_is_told() -> None:
    policy = Policy.parse(rejecting() + rejecting('{ rate = "5/min" }').replace("no", "slow"))
    assert [rule.action.describe() for rule in policy.rules] == [
        "reject, 100/s answers", "reject, 5/min answers",
    ]  # fmt: skip
    assert Policy.from_document(policy.document()) == policy


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("false", "reject: false: no way to reject (leave it out)"),
        ('"rst"', 'reject: not a table (write reject = true, or reject = { rate = "100/s" })'),
        (
            '{ rate = "1mbit" }',
            'reject.rate: "1mbit": answers are counted (write them like "100/s")',
        ),
        ("{ burst = 3 }", "reject.burst: unknown key (known here: rate)"),
        (
            '{ rate = "0/s" }',
            'reject.rate: "0/s": a rate of nothing (to drop all, write action = "drop")',
        ),
    ],
)  # fmt: skip
def test_bad_input(value: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(rejecting(value), file="p.toml")
    assert [str(p).removeprefix("p.toml:4: rule.no.") for p in caught.value.problems] == [message]
