"""WireGuard with ``indexes``: sessions are learned at egress; messages for none are dropped."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from harness.frames import Eth, Fragment, Frame, IPv4, IPv6, Layer, ServiceVlan, Tcp, Udp, Vlan
from harness.wireguard import COOKIE, DATA, INITIATION, RESPONSE, message
from harness.xdp import BANS, SECRET
from wirepath.actions import wireguard
from wirepath.actions.wireguard import SESSION_S
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.state import first_slots
from wirepath.judge import judge_frames, judge_skbs
from wirepath.model import Model
from wirepath.net import Hook, Verdict
from wirepath.plan.set_files import read_contents
from wirepath.policy import Policy

S = 1_000_000_000
PORT = 51820
LEARNED = wireguard.LEARNING_NS
TC_ACT_UNSPEC = (1 << 32) - 1
POLICY = Policy.parse(f"""
[[rule]]
name = "wg"
match = {{ proto = "udp", dport = {PORT} }}
wireguard = {{ handshakes = "1000/s", indexes = true }}
[[rule]]
name = "out"
hook = "egress"
match = {{ dst = "203.0.113.1" }}
""")
LINKS = [
    Eth() / IPv4(),
    Eth() / IPv6(),
    Eth() / Vlan(7) / IPv4(options=bytes(8)),
    Eth() / ServiceVlan() / Vlan() / IPv6(),
]


def with_index(kind: int, index: int, size: int | None = None) -> bytes:
    """Make a message with *index* in the word after the type, the sender's or the receiver's."""
    payload = message(kind, size) if size else message(kind)
    return payload[:4] + index.to_bytes(4, "little") + payload[8:]


def response(sender: int, receiver: int) -> bytes:
    payload = with_index(RESPONSE, sender)
    return payload[:8] + receiver.to_bytes(4, "little") + payload[12:]


class Both:
    """Both hooks of one policy, on the program and the model, which must agree."""

    def __init__(self, learned_ns: int) -> None:
        learned = {"wg": learned_ns}
        places = replace(first_slots(POLICY), counting={}, secret=SECRET, learned_ns=learned)
        self.generation = Generation.load(
            POLICY, read_contents(POLICY).members, replaying=True,
            sizes={"bans": BANS}, slots=places,
        )  # fmt: skip
        sessions: dict[int, int] = {}
        self._models = {
            hook: Model(POLICY, hook=hook, sessions=sessions, learned_ns=learned)
            for hook in POLICY.hooks
        }
        self._names = {n: list(self.generation.btf.enum(n)) for n in ("verdict", "reason")}

    def close(self) -> None:
        self.generation.close()

    def judge(
        self, hook: Hook, now: int, frame: Frame | Layer | bytes, wire: int | None = None
    ) -> str:
        data = bytes(frame)
        traces = np.zeros(1, dtype=self.generation.btf.ctype("struct trace").dtype)
        traces["now_ns"], traces["wire_bytes"] = now, wire or len(data)
        run = judge_frames if hook == "ingress" else judge_skbs
        lengths, offsets = np.array([len(data)], dtype="u4"), np.zeros(1, dtype="u8")
        run(self.generation.hooks[hook].program, data, offsets, lengths, traces)
        verdict, reason = (names[traces[0][n]] for n, names in self._names.items())
        said = self._models[hook].decide(data, now, wire).verdict
        assert Verdict(verdict, reason) == replace(said, rule=None)
        return reason if verdict == "drop" else verdict

    def comes(self, now: int, payload: bytes, link: Frame = LINKS[0]) -> str:
        return self.judge("ingress", now, link / Udp(dport=PORT) / payload)

    def leaves(self, now: int, payload: bytes, link: Frame = LINKS[0]) -> str:
        return self.judge("egress", now, link / Udp(sport=PORT, dport=40000) / payload)


@pytest.fixture
def both() -> Iterator[Both]:
    made = Both(LEARNED)
    yield made
    made.close()


pytestmark = pytest.mark.kernel


def test_what_is_for_no_session_passes_while_they_are_learned(both: Both) -> None:
    for now in (0, LEARNED - 1):
        assert both.comes(now, with_index(DATA, 1)) == "pass"
        assert both.comes(now, response(1, 2)) == "pass"
        assert both.comes(now, with_index(COOKIE, 1)) == "pass"
    for payload in (with_index(DATA, 1), response(1, 2), with_index(COOKIE, 1)):
        assert both.comes(LEARNED, payload) == "wireguard"
    assert both.comes(LEARNED, with_index(INITIATION, 1)) == "pass"


@pytest.mark.parametrize("link", LINKS, ids=["ipv4", "ipv6", "tagged-options", "two-tags"])
def test_sessions_are_learned_from_handshakes_that_leave(both: Both, link: Frame) -> None:
    now = LEARNED + S
    ours, other = 0xDEADBEEF, 0xDEADBEF0
    assert both.leaves(now, with_index(INITIATION, ours), link) == "pass"
    assert both.comes(now, response(other, ours), link) == "pass"
    assert both.comes(now, response(ours, other), link) == "wireguard"
    assert both.comes(now, with_index(COOKIE, ours), link) == "pass"
    assert both.leaves(now, response(77, other), link) == "pass"
    assert both.comes(now, with_index(DATA, 77, 1452), link) == "pass"
    assert both.comes(now, with_index(DATA, other, 1452), link) == "wireguard"


def test_an_index_is_good_for_as_long_as_a_session_lives(both: Both) -> None:
    both.leaves(LEARNED, response(5, 1))
    assert both.comes(LEARNED + SESSION_S * S - 1, with_index(DATA, 5)) == "pass"
    assert both.comes(LEARNED + SESSION_S * S, with_index(DATA, 5)) == "wireguard"
    both.leaves(LEARNED + SESSION_S * S, response(5, 1))
    assert both.comes(LEARNED + SESSION_S * S, with_index(DATA, 5)) == "pass"


def test_what_is_learned_before_the_time_counts(both: Both) -> None:
    both.leaves(LEARNED - S, response(5, 1))
    assert both.comes(LEARNED, with_index(DATA, 5)) == "pass"


def test_only_handshakes_from_the_port_teach(both: Both) -> None:
    now = LEARNED
    both.leaves(now, with_index(DATA, 1))
    both.leaves(now, with_index(COOKIE, 2))
    both.judge("egress", now, LINKS[0] / Udp(sport=PORT + 1) / response(3, 9))
    both.judge("egress", now, LINKS[0] / Tcp(sport=PORT) / response(4, 9))
    for index in range(1, 5):
        assert both.comes(now, with_index(DATA, index)) == "wireguard"


def test_the_source_may_change(both: Both) -> None:
    """Peers roam: an index is not bound to an address."""
    both.leaves(LEARNED, response(5, 1), Eth() / IPv4(dst="198.51.100.7"))
    for link in (Eth() / IPv4(src="192.0.2.99"), Eth() / IPv6(src="2001:db8::99")):
        assert both.comes(LEARNED, with_index(DATA, 5), link) == "pass"


def test_a_first_fragment_says_which_session_it_is_for(both: Both) -> None:
    both.leaves(LEARNED, response(5, 1))
    for index, said in ((5, "pass"), (6, "wireguard")):
        first = Udp(dport=PORT, length=8 + 1452) / with_index(DATA, index, 1000)
        assert both.judge("ingress", LEARNED, Eth() / IPv4(more=True) / first) == said
        assert both.judge("ingress", LEARNED, Eth() / IPv6() / Fragment(more=True) / first) == said


def test_what_a_snap_length_cut_off_is_not_held_against_it(both: Both) -> None:
    frame = bytes(LINKS[0] / Udp(dport=PORT) / with_index(DATA, 5, 100))
    head = len(frame) - 100
    assert both.judge("ingress", LEARNED, frame[: head + 8], len(frame)) == "wireguard"
    assert both.judge("ingress", LEARNED, frame[: head + 7], len(frame)) == "pass"


def test_who_learns_drops_nothing() -> None:
    """Settings such as the default apply only at hooks with rules of the operator."""
    strict = '[datapath]\ndefault = "drop"\nfragments = "drop"\nmalformed = "drop"\n'
    rule = f'name = "wg"\nmatch = {{ proto = "udp", dport = {PORT} }}'
    policy = Policy.parse(f"{strict}[[rule]]\n{rule}\nwireguard = {{ indexes = true }}\n")
    frames = (
        LINKS[0] / Tcp(),
        LINKS[1] / Udp(sport=PORT) / response(1, 2),
        Eth() / IPv4(offset=1480, proto=17) / bytes(64),
        Eth() / IPv4(length=9000) / Udp(),
    )
    with Generation.load(
        policy, read_contents(policy).members, hooks=["egress"], sizes={"bans": BANS}
    ) as generation:
        program = generation.program
        assert {program.skb_run(bytes(frame)).retval for frame in frames} == {TC_ACT_UNSPEC}
    model = Model(policy, hook="egress")
    assert {model.decide(bytes(frame)).verdict.verdict for frame in frames} == {"pass"}


def test_nothing_of_it_is_counted_at_egress(both: Both) -> None:
    from wirepath.datapath.live import counters

    both.leaves(LEARNED, response(5, 1))
    counted = counters.rules(both.generation.maps, {"wg": 0, "out": 1})
    assert not any(counted["wg"])
    assert not any(counted["out"])
