"""Challenges: which SYNs are challenged, and which answers prove a source; on a simulated clock."""

# ruff: noqa: S311, ISC004 - a seed, so that it fails again; messages stand as they are printed
from collections.abc import Iterator
from random import Random

import pytest

from harness.answered import Answer
from harness.frames import Eth, Fragment, Frame, HopByHop, IPv4, IPv6, Layer, Tcp, Udp, Vlan
from harness.sequence import Executors, Moment, Sequence, executors, outcome
from harness.xdp import SECRET, Sent
from wirepath.actions.challenge import cookie, slice_of
from wirepath.actions.siphash import siphash
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.state import first_slots
from wirepath.errors import PolicyError
from wirepath.frame import parse
from wirepath.kernel.program import XdpAction
from wirepath.model import Model
from wirepath.net import Packet
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

S = 1_000_000_000
MIN = 60 * S
SLICE = 1 << 34


def challenging(value: str = '"reset"', match: str = "dport = 80", *rest: str) -> str:
    rule = f'[[rule]]\nname = "ask"\nmatch = {{ {match} }}\nchallenge = {value}\n'
    return rule + "\n".join(rest)


def ip(src: str) -> Layer:
    return IPv6(src=src) if ":" in src else IPv4(src=src)


def syn(src: str = "198.51.100.1", sport: int = 4000) -> Frame:
    return Eth() / ip(src) / Tcp(sport, 80, "S", seq=77)


def rst(
    src: str = "198.51.100.1", sport: int = 4000, *, at: int = 0, wrong: int = 0, flags: str = "R"
) -> Frame:
    """Make the RST with which a host answers the challenge of its SYN *at* that time."""
    packet = parse(bytes(syn(src, sport)))
    assert isinstance(packet, Packet)
    seq = cookie(packet, SECRET[:2], slice_of(at)) + wrong & 0xFFFFFFFF
    return Eth() / ip(src) / Tcp(sport, 80, flags, seq=seq)


def times(frame: Frame, *moments: tuple[int, str]) -> tuple[Moment, ...]:
    return tuple((now, frame, said) for now, said in moments)


_ASK = "challenge ask"
_SEQ = rst().layers[-1].seq  # type: ignore[attr-defined]
_SSH = '[[rule]]\nname = "all"\naction = "drop"\n'

SEQUENCES = [
    Sequence(
        "a-proof-admits-for-ten-minutes", challenging(),
        (
            *times(syn(), (0, _ASK), (0, _ASK)),
            (1, rst(), _ASK),
            *times(syn(), (1, "pass"), (10 * MIN, "pass"), (10 * MIN + 1, _ASK)),
        ),
    ),
    Sequence(
        "admits-the-source-on-every-port", challenging(),
        ((0, rst(), _ASK), (0, syn(sport=5), "pass"), (0, syn("198.51.100.2"), _ASK)),
    ),
    Sequence(
        "a-time-of-its-own", challenging('{ mode = "reset", admit = "5s" }'),
        ((0, rst(), _ASK), (5 * S - 1, syn(), "pass"), (5 * S, syn(), _ASK)),
    ),
    Sequence(
        "a-proof-again-admits-for-longer", challenging('{ mode = "reset", admit = "5s" }'),
        ((0, rst(), _ASK), (4 * S, rst(), _ASK), (9 * S - 1, syn(), "pass"), (9 * S, syn(), _ASK)),
    ),
    Sequence(
        "ipv6-by-64", challenging(),
        (
            (0, syn("2001:db8::1"), _ASK), (0, rst("2001:db8::1"), _ASK),
            (0, syn("2001:db8::2"), "pass"), (0, syn("2001:db8:0:1::1"), _ASK),
        ),
    ),
    Sequence(
        "a-cookie-is-good-for-this-slice-and-the-next", challenging(),
        (
            (2 * SLICE - 1, rst(at=0), _ASK),
            (2 * SLICE, rst("198.51.100.2", at=0), "pass"),
            (SLICE - 1, rst("198.51.100.3", at=SLICE), "pass"),
        ),
    ),
    Sequence(
        "other-resets-go-on", challenging('"reset"', "dport = 80", _SSH),
        (
            (0, rst(wrong=1), "rule all"), (0, rst(wrong=-1), "rule all"),
            (0, Eth() / IPv4() / Tcp(4000, 80, "R"), "rule all"),
            (0, syn(), _ASK), (0, rst(flags="RA"), _ASK), (0, syn(), "rule all"),
        ),
    ),
    Sequence(
        "a-proof-is-of-its-own-addresses-and-ports", challenging(),
        (
            (0, Eth() / IPv4() / Tcp(4001, 80, "R", seq=_SEQ), "pass"),
            (0, Eth() / IPv4(src="198.51.100.2") / Tcp(4000, 80, "R", seq=_SEQ), "pass"),
            (0, Eth() / IPv4(dst="192.0.2.2") / Tcp(4000, 80, "R", seq=_SEQ), "pass"),
            (0, Eth() / IPv4() / Tcp(4000, 80, "R", seq=_SEQ), _ASK),
        ),
    ),
    Sequence(
        "only-syns-and-resets", challenging(),
        (
            *((0, Eth() / IPv4() / Tcp(dport=80, flags=flags), "pass")
              for flags in ("A", "SA", "F", "PA", "", "SR", "R")),
            *((0, Eth() / IPv4() / Tcp(dport=80, flags=flags), _ASK)
              for flags in ("S", "SEC", "SF")),
            (0, Eth() / IPv4() / Udp(dport=80), "pass"),
            (0, Eth() / IPv4() / Tcp(dport=81), "pass"),
        ),
    ),
    Sequence(
        "to-nobody-that-is-many", challenging(),
        (
            (0, Eth(dst=b"\xff" * 6) / IPv4() / Tcp(), "drop challenge ask"),
            (0, Eth() / IPv4(src="224.0.0.1") / Tcp(), "drop challenge ask"),
            (0, Eth() / IPv6(src="::") / Tcp(), "drop challenge ask"),
        ),
    ),
    Sequence(
        "above-a-rate", challenging('{ mode = "reset", above = "2/s" }'),
        (
            *times(syn(), (0, "pass"), (0, "pass"), (0, _ASK)),
            # Challenged SYNs count too: the rate of SYNs has to fall, not only that of answers.
            *times(syn("198.51.100.2"), (S // 2 - 1, _ASK), (S - 2, _ASK)),
            *times(syn("198.51.100.2"), (S - 2 + S // 2, "pass"), (S - 2 + S // 2, _ASK)),
            *times(syn("198.51.100.2"), (3 * S, "pass"), (3 * S, "pass"), (3 * S, _ASK)),
        ),
    ),
    Sequence(
        "above-a-rate-the-admitted-go-on", challenging('{ mode = "reset", above = "1/s" }'),
        (
            (0, syn(), "pass"), (0, syn(), _ASK), (0, rst(), _ASK), *times(syn(), (0, "pass"),
            (1, "pass"), (2, "pass")), (2, syn("198.51.100.2"), _ASK),
        ),
    ),
    Sequence(
        "two-rules-do-not-share", challenging() + challenging().replace("ask", "ask2"),
        (
            (0, syn(), _ASK), (0, rst(), _ASK), (0, syn(), "challenge ask2"),
            (0, rst(), _ASK),
        ),
    ),
    Sequence(
        "never-block-comes-first",
        '[datapath]\nnever_block = ["198.51.100.1"]\n' + challenging(),
        ((0, syn(), "never_block"), (0, syn("198.51.100.2"), _ASK)),
    ),
    Sequence(
        "tags-options-and-extensions", challenging(),
        (
            (0, Eth() / Vlan() / IPv4(options=bytes(4)) / Tcp(), _ASK),
            (0, Eth() / IPv6() / HopByHop() / Tcp(), _ASK),
            (0, Eth() / IPv6() / Fragment(more=True) / Tcp(), _ASK),
            (0, Eth() / IPv4(offset=8) / bytes(20), "pass"),
        ),
    ),
]  # fmt: skip


def check(both: "Executors | Model", sequence: Sequence) -> None:
    sent = sequence.sent()
    if isinstance(both, Model):
        verdicts = [both.decide(frame.data, frame.now_ns).verdict for frame in sent]
    else:
        verdicts = both.judge(sent)
    for verdict, expected in zip(verdicts, sequence.outcomes(), strict=True):
        said = outcome(verdict)
        assert expected in (said, f"{verdict.verdict} {said}")


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_model(sequence: Sequence) -> None:
    check(Model(Policy.parse(sequence.policy), secret=SECRET[:2]), sequence)


@pytest.mark.kernel
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_program(sequence: Sequence) -> None:
    with executors(sequence.policy) as both:
        check(both, sequence)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(6))
def test_sequences_by_chance(seed: int) -> None:
    """Few sources that answer challenges sooner or later, wrongly and correctly."""
    random = Random(seed)
    above = random.choice(("", ', above = "3/s"', ', above = "90/min"'))
    admit = random.choice(("2s", "20s"))
    policy = challenging(f'{{ mode = "reset", admit = "{admit}"{above} }}', "", _SSH)
    hosts = [f"198.51.100.{n}" for n in range(6)] + [f"2001:db8:{n // 2}::{n}" for n in range(5)]
    now, sent = 0, []
    for _ in range(1500):
        now += random.choice((0, 0, 0, 1, S // 7, S // 3, S - 1, S, 5 * S))
        host, sport = random.choice(hosts), random.choice((4000, 65535))
        at = max(0, now - random.choice((0, S, SLICE, 2 * SLICE)))
        proof = rst(host, sport, at=at, wrong=random.choice((0, 0, 1)))
        sent.append(Sent(bytes(random.choice((syn(host, sport), proof))), now_ns=now))
    with executors(policy) as both:
        both.judge(sent)


@pytest.fixture(scope="module")
def program() -> Iterator[Generation]:
    policy = Policy.parse(challenging())
    members = read_contents(policy).members
    places = first_slots(policy)
    with Generation.load(policy, members, sizes={"bans": 1}, slots=places) as generation:
        yield generation


@pytest.mark.kernel
@pytest.mark.parametrize("link", [Eth(), Eth() / Vlan(3)], ids=["plain", "tagged"])
@pytest.mark.parametrize("between", [IPv4(), IPv4(options=bytes(8)), IPv6(), IPv6() / HopByHop()])
def test_bytes(program: Generation, link: Layer, between: Layer) -> None:
    """The bytes of a challenge, and of a host's RST to it (RFC 9293 section 3.10.7.3)."""
    with program.maps["limit_buckets"].memory() as cells:
        cells[:] = bytes(len(cells))  # no source is admitted
    head = link / between
    frame = bytes(head / Tcp(4321, 80, "S", options=bytes(20), seq=900) / b"early data")
    run = program.program.test_run(frame)
    assert run.retval == XdpAction.TX
    got = Answer.read(run.frame)
    assert (got.macs, got.tags) == ((frame[6:12], frame[:6]), bytes(link)[12:-2])
    assert (got.ports, got.seq, got.flags, got.options) == ((80, 4321), 0, "A", b"")
    assert got.ack not in range(901, 901 + 10)
    reset = bytes(head / Tcp(4321, 80, "R", seq=got.ack))
    assert program.program.test_run(reset).retval == XdpAction.DROP
    assert program.program.test_run(frame).retval == XdpAction.PASS


def test_siphash() -> None:
    """The test vector of the paper, and those of its reference implementation."""
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert siphash(key, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash(key, b"").to_bytes(8, "little").hex() == "310e0edd47db6f72"
    assert siphash(key, bytes(range(63))).to_bytes(8, "little").hex() == "724506eb4c328a95"


def test_as_it_is_told() -> None:
    policy = Policy.parse(
        challenging()
        + challenging('{ mode = "reset", above = "1000/s", admit = "1h" }', 'tcp_flags = "syn"')
        .replace("ask", "ask2")
    )  # fmt: skip
    assert [rule.action.describe() for rule in policy.rules] == [
        "challenge reset, admit 10min", "challenge reset above 1k/s, admit 1h",
    ]  # fmt: skip
    assert [rule.match.describe() for rule in policy.rules] == [
        "dport 80, tcp_flags syn", "tcp_flags syn",
    ]  # fmt: skip
    assert Policy.from_document(policy.document()) == policy


def test_without_a_listener_syns_go_on() -> None:
    """SYNs without a listener go on; tests/netns/test_cookie.py has SYN cookies of a listener."""
    policy = Policy.parse(
        challenging('"cookie"', "dport = 80", _SSH)
        + challenging('{ mode = "cookie", above = "2/min", nat = "ignore" }').replace("ask", "ask2")
    )
    assert [rule.action.describe() for rule in policy.rules] == [
        "challenge cookie", "drop", "challenge cookie above 2/min, nat ignored",
    ]  # fmt: skip
    assert Policy.from_document(policy.document()) == policy
    decision = Model(policy).decide(bytes(syn()))
    assert decision.matched == ("ask", "all")


@pytest.mark.kernel
def test_without_a_listener_program() -> None:
    policy = challenging('"cookie"', "", _SSH).replace("dport = 80", "")
    with executors(policy) as both:
        both.judge([Sent(bytes(frame)) for frame in (syn(), rst(), syn("2001:db8::1"))])


@pytest.mark.parametrize(
    ("match", "value", "message"),
    [
        ("", '"rst"', 'challenge: "rst": not a way to challenge (write "reset" or "cookie")'),
        (
            "",
            '{ mode = "cookie", admit = "1h" }',
            "challenge.admit: a cookie admits one connection, not its source (leave it out)",
        ),
        (
            "",
            '{ mode = "reset", nat = "ignore" }',
            "challenge.nat: NAT does not mislead a reset (leave it out)",
        ),
        (
            "",
            '{ mode = "cookie", nat = "allow" }',
            'challenge.nat: "allow": unknown value (write "refuse" or "ignore")',
        ),
        (
            "",
            "true",
            'challenge: not a table (write challenge = "reset", or '
            'challenge = { mode = "reset", above = "1000/s" })',
        ),
        ("", "{}", 'challenge.mode: a challenge without `mode` (write mode = "reset")'),
        (
            "",
            '{ mode = "reset", above = "1mbit" }',
            'challenge.above: "1mbit": SYNs are counted (write them like "1000/s")',
        ),
        (
            "",
            '{ mode = "reset", admit = "2d" }',
            'challenge.admit: "2d": too long (at most 24h)',
        ),
        (
            'tcp_flags = "ack"',
            '"reset"',
            'match.tcp_flags: a challenge is for SYNs (write "syn", or leave it out)',
        ),
        (
            'proto = "udp"',
            '"reset"',
            "match: a challenge is for SYNs, and this excludes them (match TCP)",
        ),
        (
            "icmp_type = 8",
            '"reset"',
            "match: a challenge is for SYNs, and this excludes them (match TCP)",
        ),
    ],
)
def test_bad_input(match: str, value: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(challenging(value, match), file="p.toml")
    problems = [str(problem).partition("rule.ask.")[2] for problem in caught.value.problems]
    assert problems[0] == message


@pytest.mark.parametrize(
    ("word", "table"),
    [
        ('challenge = "reset"\nabove = "1000/s"\nadmit = "1h"',
         'challenge = { mode = "reset", above = "1000/s", admit = "1h" }'),
        ('challenge = "cookie"\nabove = "2k/s"', 'challenge = { mode = "cookie", above = "2k/s" }'),
        (
            'challenge = "cookie"\nnat = "ignore"',
            'challenge = { mode = "cookie", nat = "ignore" }',
        ),
    ],
)  # fmt: skip
def test_beside_a_word_stands_what_would_be_in_the_table(word: str, table: str) -> None:
    head = '[[rule]]\nname = "ask"\nmatch = { dport = 80 }\n'
    assert Policy.parse(head + word) == Policy.parse(head + table)
