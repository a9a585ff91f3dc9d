"""WireGuard: types, lengths, limits, mac1 and replays, on a simulated clock."""

# ruff: noqa: S311 - a seed, so that it fails again
from base64 import b64encode
from collections.abc import Callable
from random import Random

import pytest

from harness.frames import (
    Eth,
    Fragment,
    Frame,
    HopByHop,
    IPv4,
    IPv6,
    Layer,
    ServiceVlan,
    Tcp,
    Udp,
    Vlan,
)
from harness.sequence import Moment, Sequence, executors, outcome
from harness.wireguard import COOKIE, DATA, INITIATION, MAC1_AT, RESPONSE, SIZES, message, proved
from harness.xdp import Sent
from wirepath.errors import PolicyError, shown
from wirepath.model import Model
from wirepath.policy import Policy

S = 1_000_000_000
PORT = 51820
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


def guarded(words: str = "", *rest: str) -> str:
    match = f'match = {{ proto = "udp", dport = {PORT} }}'
    return "\n".join([f'[[rule]]\nname = "wg"\n{match}\nwireguard = {{ {words} }}\n', *rest])


def flipped(payload: bytes, bit: int) -> bytes:
    return (int.from_bytes(payload, "little") ^ 1 << bit).to_bytes(len(payload), "little")


def keyed(words: str = "", key: bytes = KEY) -> str:
    return guarded(", ".join(filter(None, [f'public_key = "{b64encode(key).decode()}"', words])))


def sent(payload: bytes, src: str = "198.51.100.1", dport: int = PORT) -> Frame:
    ip: Layer = IPv6(src=src) if ":" in src else IPv4(src=src)
    return Eth() / ip / Udp(dport=dport) / payload


def each(payloads: dict[bytes, str]) -> tuple[Moment, ...]:
    return tuple((0, sent(payload), said) for payload, said in payloads.items())


def times(count: int, kind: int, now: int, said: str, src: str = "198.51.100.1") -> list[Moment]:
    """Make a number of different messages."""
    return [(now, sent(message(kind, seed=1000 * now + n), src), said) for n in range(count)]


_NONE, _OVER = "wireguard wg", "limit_exceeded wg"
_DATA = message(DATA, 1452)

SEQUENCES = [
    Sequence(
        "types",
        guarded(),
        each({
            message(0, 64): _NONE, message(INITIATION): "pass", message(RESPONSE): "pass",
            message(COOKIE): "pass", message(DATA): "pass", message(5, 64): _NONE,
            message(5, 148): _NONE, message(255, 64): _NONE,
        }),
    ),
    Sequence(
        "lengths",
        guarded(),
        each({
            message(INITIATION, 147): _NONE, message(INITIATION, 149): _NONE,
            message(INITIATION, 64): _NONE, message(RESPONSE, 91): _NONE,
            message(RESPONSE, 93): _NONE, message(RESPONSE, 148): _NONE,
            message(COOKIE, 63): _NONE, message(COOKIE, 65): _NONE, message(COOKIE, 92): _NONE,
            message(DATA, 31): _NONE, message(DATA, 33): "pass", message(DATA, 148): "pass",
            message(DATA, 1452): "pass", message(DATA, 8000): "pass", message(DATA, 4): _NONE,
            b"": _NONE, b"\4": _NONE, b"\4\0\0": _NONE,
        }),
    ),
    Sequence(
        "reserved-bytes",
        guarded(),
        each({
            message(kind, reserved=1 << bit): _NONE
            for kind in (INITIATION, RESPONSE, COOKIE, DATA) for bit in (0, 7, 8, 15, 16, 23)
        }),
    ),
    Sequence(
        "padding-is-not-the-message",
        guarded(),
        (
            (0, bytes(sent(message(DATA, 31))) + bytes(20), _NONE),
            (0, bytes(sent(message(INITIATION))) + bytes(20), "pass"),
            # The IP packet may also be longer than UDP says.
            (0, Eth() / IPv4() / Udp(dport=PORT, length=72) / message(COOKIE, 160), "pass"),
            (0, Eth() / IPv4() / Udp(dport=PORT, length=8 + 31) / message(DATA, 160), _NONE),
            (0, Eth() / IPv4() / Udp(dport=PORT, length=8) / message(DATA, 160), _NONE),
        ),
    ),
    Sequence(
        "wherever-the-header-lies",
        guarded(),
        tuple(
            (0, layers / Udp(dport=PORT) / payload, said)
            for layers in (
                Eth() / IPv6(), Eth() / Vlan() / IPv4(), Eth() / ServiceVlan() / Vlan() / IPv6(),
                Eth() / IPv4(options=bytes(40)), Eth() / IPv6() / HopByHop(3),
                Eth() / IPv6() / HopByHop() / Fragment(),
            )
            for payload, said in (
                (message(DATA), "pass"), (message(DATA, 31), _NONE), (message(COOKIE, 65), _NONE),
            )
        ),
    ),
    Sequence(
        "what-does-not-match",
        guarded("", '[[rule]]\nname = "rest"\naction = "drop"'),
        (
            (0, sent(b"", dport=PORT + 1), "rule rest"),
            (0, Eth() / IPv4() / Tcp(dport=PORT), "rule rest"),
            (0, sent(_DATA), "rule rest"), (0, sent(b""), _NONE),
            (0, Eth() / IPv4(offset=1480) / Udp(dport=PORT) / bytes(64), "rule rest"),
        ),
    ),
    Sequence(
        "first-fragments",
        guarded(),
        (
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT, length=1460) / _DATA[:1400], "pass"),
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT, length=1460) / _DATA[:8], "pass"),
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT, length=1460), _NONE),
            (0, bytes(Eth() / IPv4(more=True) / Udp(dport=PORT, length=1460)) + _DATA, _NONE),
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT, length=39) / _DATA[:24], _NONE),
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT) / message(INITIATION), _NONE),
            (0, Eth() / IPv4(more=True) / Udp(dport=PORT, length=156) / message(1, 64), _NONE),
            (0, Eth() / IPv6() / Fragment(more=True) / Udp(dport=PORT) / message(COOKIE), _NONE),
            (0, Eth() / IPv6() / Fragment(more=True) / Udp(dport=PORT) / _DATA, "pass"),
        ),
    ),
    Sequence(
        "twenty-initiations-a-second",
        guarded(),
        (
            *times(20, INITIATION, 0, "pass"), *times(1, INITIATION, 1, _OVER),
            *times(1, INITIATION, 2, "pass", "198.51.100.2"),
            *times(1, INITIATION, S // 20 - 1, _OVER), *times(1, INITIATION, S // 20, "pass"),
            *times(5, DATA, S // 20, "pass"),
        ),
    ),
    Sequence(
        "a-rate-of-ones-own",
        guarded('handshakes = "2/min"'),
        (
            *times(2, INITIATION, 0, "pass"), *times(1, INITIATION, 30 * S - 1, _OVER),
            *times(1, INITIATION, 30 * S, "pass"),
        ),
    ),
    Sequence(
        "each-kind-has-its-limit",
        guarded('handshakes = "1/s"'),
        (
            *times(1, INITIATION, 0, "pass"), *times(1, RESPONSE, 0, "pass"),
            *times(1, COOKIE, 0, "pass"), *times(2, INITIATION, 1, _OVER),
            *times(2, RESPONSE, 1, _OVER), *times(2, COOKIE, 1, _OVER),
            *times(1, RESPONSE, S, "pass"),
        ),
    ),
    Sequence(
        "ipv6-by-64",
        guarded('handshakes = "1/s"'),
        (
            *times(1, INITIATION, 0, "pass", "2001:db8::1"),
            *times(1, INITIATION, 1, _OVER, "2001:db8::2"),
            *times(1, INITIATION, 2, "pass", "2001:db8:0:1::2"),
        ),
    ),
    Sequence(
        "what-is-no-message-takes-nothing-up",
        guarded('handshakes = "1/s"'),
        ((0, sent(message(INITIATION, 147)), _NONE), *times(1, INITIATION, 0, "pass")),
    ),
    Sequence(
        "two-guards",
        guarded('handshakes = "2/s"') + guarded('handshakes = "1/s"').replace('"wg"', '"b"'),
        (
            *times(1, INITIATION, 0, "pass"), *times(1, INITIATION, 1, "limit_exceeded b"),
            *times(1, INITIATION, 2, _OVER), (2, sent(b""), _NONE),
        ),
    ),
    Sequence(
        "mac1",
        keyed(),
        each({
            proved(INITIATION, KEY): "pass", proved(RESPONSE, KEY): "pass", message(COOKIE): "pass",
            message(DATA): "pass", message(INITIATION): _NONE, message(RESPONSE): _NONE,
            proved(INITIATION, OTHER_KEY): _NONE, proved(RESPONSE, OTHER_KEY): _NONE,
            proved(INITIATION, KEY, seed=1): "pass", proved(RESPONSE, KEY, seed=1): "pass",
        }),
    ),
    Sequence(
        "mac1-is-of-every-bit-before-it",
        keyed(),
        (
            *(
                (0, sent(flipped(proved(kind, KEY, seed=bit), bit)), _NONE)
                for kind, at in MAC1_AT.items() for bit in range(32, 8 * (at + 16), 5)
            ),
            (0, sent(flipped(proved(INITIATION, KEY), 8 * 132)), "pass"),
            (0, sent(flipped(proved(RESPONSE, KEY), 8 * 76)), "pass"),
        ),
    ),
    Sequence(
        "mac1-wherever-the-header-lies",
        keyed(),
        tuple(
            (0, layers / Udp(dport=PORT) / payload, said)
            for n, layers in enumerate((
                Eth() / IPv6(), Eth() / Vlan() / IPv4(), Eth() / ServiceVlan() / Vlan() / IPv6(),
                Eth() / IPv4(options=bytes(40)), Eth() / IPv6() / HopByHop(3),
            ))
            for payload, said in (
                (proved(INITIATION, KEY, seed=n), "pass"), (proved(RESPONSE, KEY, seed=n), "pass"),
                (message(INITIATION, seed=n), _NONE), (message(RESPONSE, seed=n), _NONE),
            )
        ),
    ),
    Sequence(
        "who-does-not-know-the-key-uses-up-nothing",
        keyed('handshakes = "1/s"'),
        (
            *times(50, INITIATION, 0, _NONE), *times(50, RESPONSE, 0, _NONE),
            (0, sent(proved(INITIATION, KEY)), "pass"), (0, sent(proved(RESPONSE, KEY)), "pass"),
            (0, sent(proved(INITIATION, KEY, seed=1)), _OVER),
            (0, sent(proved(RESPONSE, KEY)), _OVER),
        ),
    ),
    Sequence(
        "repeats",
        keyed(),
        (
            (0, sent(proved(INITIATION, KEY)), "pass"), (0, sent(proved(INITIATION, KEY)), _NONE),
            (0, sent(proved(INITIATION, KEY), "2001:db8::1"), _NONE),
            (0, sent(proved(INITIATION, KEY, seed=1)), "pass"),
            (300 * S - 1, sent(proved(INITIATION, KEY)), _NONE),
            (300 * S, sent(proved(INITIATION, KEY)), "pass"),
            (600 * S - 1, sent(proved(INITIATION, KEY)), _NONE),
            (0, sent(proved(RESPONSE, KEY)), "pass"), (0, sent(proved(RESPONSE, KEY)), "pass"),
        ),
    ),
    Sequence(
        "repeats-without-a-key",
        guarded(),
        (
            (0, sent(message(INITIATION)), "pass"), (0, sent(message(INITIATION)), _NONE),
            (0, sent(flipped(message(INITIATION), 8 * 132)), _NONE),
            (0, sent(flipped(message(INITIATION), 8 * 131)), "pass"),
        ),
    ),
    Sequence(
        "repeats-use-up-nothing",
        keyed('handshakes = "2/s"'),
        (
            (0, sent(proved(INITIATION, KEY)), "pass"),
            *[(0, sent(proved(INITIATION, KEY)), _NONE)] * 9,
            (0, sent(proved(INITIATION, KEY, seed=1)), "pass"),
            (0, sent(proved(INITIATION, KEY, seed=2)), _OVER),
        ),
    ),
    Sequence(
        "each-guard-sees-for-itself",
        keyed() + keyed().replace('"wg"', '"b"'),
        ((0, sent(proved(INITIATION, KEY)), "pass"), (0, sent(proved(INITIATION, KEY)), _NONE)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_model(sequence: Sequence) -> None:
    model = Model(Policy.parse(sequence.policy))
    judged = [model.decide(sent.data, sent.now_ns).verdict for sent in sequence.sent()]
    assert list(map(outcome, judged)) == sequence.outcomes()


@pytest.mark.kernel
@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.id)
def test_program(sequence: Sequence) -> None:
    with executors(sequence.policy) as both:
        assert list(map(outcome, both.judge(sequence.sent()))) == sequence.outcomes()


def _payload(random: Random) -> bytes:
    kind = random.choice((INITIATION, INITIATION, INITIATION, RESPONSE, COOKIE, DATA, DATA, 0, 7))
    size = SIZES.get(kind, random.choice((0, 31, 32, 64, 92, 148, 200)))
    if random.random() < 0.2:
        size = max(0, size + random.choice((-1, 1, 16)))
    reserved = random.choice((0,) * 9 + (random.getrandbits(24),))
    seed = random.randrange(40)
    if kind in MAC1_AT and random.random() < 0.6:
        payload = proved(kind, random.choice((KEY, KEY, KEY, OTHER_KEY)), seed=seed)
        return payload if random.random() < 0.8 else flipped(payload, random.randrange(8 * size))
    return message(kind, size, seed=seed, reserved=reserved)


@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(6))
def test_sequences_by_chance(seed: int) -> None:
    """Few sources and few messages, whole and truncated, so that many exceed or repeat."""
    random = Random(seed)
    rules = [
        random.choice((guarded, keyed))(f'handshakes = "{random.choice((1, 3, 20))}/s"').replace(
            '"wg"', f'"wg{n}"'
        )
        for n in range(random.randint(1, 3))
    ]
    now, frames = 0, []
    for _ in range(1500):
        now += random.choice((0, 0, 0, 1, S // 7, S, 50 * S))
        source = random.choice(("198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"))
        data = bytes(sent(_payload(random), source))
        kept = random.randint(14, len(data)) if random.random() < 0.1 else len(data)
        frames.append(Sent(data[:kept], wire_bytes=len(data), now_ns=now))
    with executors("".join(rules)) as both:
        both.judge(frames)


@pytest.mark.kernel
def test_every_cut() -> None:
    """A message is judged by the bytes that a snap length left."""
    payloads = [message(kind, size) for kind, size in (*SIZES.items(), (DATA, 40), (DATA, 31))]
    payloads += [proved(INITIATION, KEY), proved(RESPONSE, KEY)]
    whole = [bytes(sent(payload)) for payload in (*payloads, b"", b"\1")]
    frames = [
        Sent(data[:size], wire_bytes=len(data), now_ns=n * S)
        for n, data in enumerate(whole) for size in range(14, len(data) + 1)
    ]  # fmt: skip
    with executors(keyed('handshakes = "1m/s"')) as both:
        said = both.judge(frames)
    assert outcome(said[46 - 14]) == "pass"


@pytest.mark.kernel
def test_a_flood_makes_the_oldest_forgotten() -> None:
    """Replays are found among the last messages, after any number of earlier ones."""
    frames = [
        Sent(bytes(sent(message(INITIATION, seed=n))), now_ns=n * S // 200) for n in range(40_000)
    ]
    with executors(guarded('handshakes = "1m/s"')) as both:
        assert {outcome(said) for said in both.xdp.judge(frames)} == {"pass"}
        assert {outcome(said) for said in both.xdp.judge(frames[-1_000:])} == {_NONE}


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text, file="p.toml")
    return [str(problem) for problem in caught.value.problems]


_CURE = "write the 44 signs of `wg show wg0 public-key`"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('handshakes = "1/d"',
         ('handshakes: "1/d": not a rate (write packets like "100/s", "5/min", "2k/s", or bits a'
          ' second like "100mbit")')),
        ('handshakes = "0/s"',
         'handshakes: "0/s": a rate of nothing (to drop all, write action = "drop")'),
        ('handshakes = "1mbit"',
         'handshakes: "1mbit": bits, of messages (write packets like "20/s")'),
        ('indexes = "yes"', 'indexes: "yes": not a truth value (write true or false)'),
        ("public_key = 5", 'public_key: 5: not a string (write it in quotes: "...")'),
        *(
            (f'public_key = "{text}"', f"public_key: {shown(text)}: not a public key ({_CURE})")
            for text in (
                "", "base64...", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==", "A" * 41 + "===",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "\u00e4" * 44, "!" * 44,
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= ", "AAECAwQFBgcICQoLDA0ODxAREg==",
            )
        ),
        ('public_key = "' + "A" * 43 + '="',
         f"public_key: {shown('A' * 43 + '=')}: nobody's public key ({_CURE})"),
        ('handshake = "20/s"', "handshake: unknown key (did you mean handshakes?)"),
    ],
)  # fmt: skip
def test_bad_input(words: str, said: str) -> None:
    assert problems(guarded(words)) == [f"p.toml:4: rule.wg.wireguard.{said}"]


@pytest.mark.parametrize(
    "match",
    ["", "dport = 51820", 'proto = "udp"', 'proto = ["udp", "tcp"], dport = 51820',
     'proto = "tcp", dport = 51820', 'proto = "udp", fragment = "later"'],
)  # fmt: skip
def test_rules_for_other_packets_too(match: str) -> None:
    text = f'[[rule]]\nname = "wg"\nmatch = {{ {match} }}\nwireguard = {{}}\n'
    cure = 'write match = { proto = "udp", dport = ... }'
    assert problems(text) == [
        f"p.toml:4: rule.wg.wireguard: in a rule for other packets too ({cure})"
    ]


def test_one_problem_at_a_time() -> None:
    text = '[[rule]]\nname = "wg"\nmatch = { proto = "udp", dport = 70000 }\nwireguard = {}\n'
    assert problems(text) == [
        "p.toml:3: rule.wg.match.dport: 70000: not a port (they go from 0 to 65535)"
    ]


@pytest.mark.parametrize("words", ["", 'handshakes = "5/min"'])
@pytest.mark.parametrize("guard", [guarded, keyed])
def test_document_round_trip(guard: Callable[[str], str], words: str) -> None:
    policy = Policy.parse(guard(words))
    assert Policy.from_document(policy.document()) == policy


def test_description() -> None:
    rules = Policy.parse(guarded() + keyed('handshakes = "5/min"').replace('"wg"', '"b"')).rules
    assert [rule.action.describe() for rule in rules] == [
        "wireguard, handshakes 20/s",
        "wireguard, mac1, handshakes 5/min",
    ]


@pytest.mark.kernel
def test_many_guards_and_the_rule_after_them() -> None:
    """The walk goes on after each of them."""
    guards = "".join(
        f'[[rule]]\nname = "g{n}"\nmatch = {{ proto = "udp", dport = {PORT} }}\nwireguard = {{}}\n'
        for n in range(100)
    )
    with executors(guards + '[[rule]]\nname = "end"\naction = "drop"\n') as both:
        [verdict] = both.judge([Sent(bytes(sent(message(DATA))))])
        assert outcome(verdict) == "rule end"
