"""The table of bans: many at once, full, restored, and during a flood that fills limits' cells."""

import json
import time
from collections.abc import Iterator
from errno import ENOENT
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from harness.frames import Eth, IPv4, Tcp, Udp
from harness.xdp import BANS, Sent, Xdp
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.generation.state import first_slots
from wirepath.datapath.live.ban_lists import Saved, parse_bans
from wirepath.datapath.live.ban_view import BanView, Restored, Usage
from wirepath.datapath.status import full_warnings
from wirepath.errors import FullError
from wirepath.kernel import maps
from wirepath.kernel.maps import Map
from wirepath.kernel.program import XdpAction
from wirepath.native import lib
from wirepath.net import Prefix
from wirepath.plan.slots import Slots
from wirepath.policy import Policy
from wirepath.prefixes import Members
from wirepath.quantities import SECOND_NS

if TYPE_CHECKING:
    from wirepath.datapath.handles import Handles

pytestmark = pytest.mark.kernel

ROOM = 16
POLICY = Policy.parse("""
[[rule]]
name = "ssh"
match = { dport = 22 }
limit = { rate = "1/h", per = "src", ban = "1h" }
[[rule]]
name = "web"
match = { dport = 80 }
limit = { rate = "1/h", per = "src", ban = "1h", ban_scope = "rule" }
""")


class Table:
    """A small table of bans, in a generation that is not attached."""

    def __init__(self, generation: Generation, places: Slots) -> None:
        self.generation = generation
        manifest = Manifest.of(
            generation.planned.policy, {"ingress": generation.plan}, root_bits=0,
            mode="native", since=0, slots=places, tc="tcx",
        )  # fmt: skip
        handles = SimpleNamespace(maps=generation.maps, manifest=manifest)
        self.bans = BanView(cast("Handles", handles))

    def judge(self, source: str, dport: int = 80, times: int = 1) -> list[int]:
        frame = bytes(Eth() / IPv4(src=source) / Tcp(dport=dport))
        return [self.generation.program.test_run(frame).retval for _ in range(times)]

    def listed(self) -> list[tuple[str, str | None, str | None]]:
        return [(str(ban.prefix), ban.rule, ban.scope) for ban in self.bans.all()]


@pytest.fixture
def table() -> Iterator[Table]:
    places = first_slots(POLICY)
    sizes = {"bans": ROOM}
    with Generation.load(POLICY, Members.of([]), slots=places, sizes=sizes) as generation:
        yield Table(generation, places)


def hosts(count: int, net: int = 0) -> list[Prefix]:
    return [Prefix.parse(f"10.0.{net}.{n}") for n in range(count)]


PASS, DROP = XdpAction.PASS, XdpAction.DROP


def test_who_imposed_it_and_what_it_is_for(table: Table) -> None:
    assert table.judge("192.0.2.1", 22, 2) == table.judge("192.0.2.2", 80, 2) == [PASS, DROP]
    table.bans.add_all([Prefix.parse("192.0.2.0/30")])
    expected = [
        ("192.0.2.0/30", None, None),
        ("192.0.2.1", "ssh", None),
        ("192.0.2.2", "web", "web"),
    ]
    assert table.listed() == expected
    assert [(ban.rule, ban.scope) for ban in table.bans.for_model()].count(("web", "web")) == 1


def test_a_full_table_is_loud(table: Table) -> None:
    table.bans.add_all(hosts(ROOM - 2))
    with pytest.raises(FullError, match="it holds 16; 2 were banned before") as full:
        table.bans.add_all(hosts(5, net=1))
    assert full.value.written == 2
    assert table.bans.usage()[:2] == (ROOM, ROOM)
    table.bans.add_all(hosts(3))  # the bans that were written before
    # A limit counts its refused ban, and continues to limit.
    assert table.bans.usage().refused == 0
    assert table.judge("192.0.2.1", 22, 4) == [PASS, DROP, DROP, DROP]
    assert table.bans.usage().refused == 3
    usage = Usage(used=ROOM, room=ROOM, refused=3)
    assert [warning.partition(" (")[0] for warning in full_warnings(usage)] == [
        "bans: 16 of 16 used",
        "bans: 3 of limits refused, the table was full, or the kernel had no memory",
    ]
    assert table.bans.remove(hosts(1)[0])
    assert table.bans.usage().refused == 0
    assert table.judge("192.0.2.1", 22) == [DROP]
    assert table.listed()[-1] == ("192.0.2.1", "ssh", None)


def test_what_has_expired_makes_room(table: Table) -> None:
    table.bans.add_all(hosts(ROOM), seconds=0.05)
    time.sleep(0.1)
    assert table.listed() == []
    table.bans.add_all(hosts(3, net=1))
    assert table.bans.usage().used == 3
    assert table.judge("10.0.1.2") == [DROP]
    assert table.judge("10.0.0.2") == [PASS]


def test_many_are_lifted_at_once(table: Table) -> None:
    table.bans.add_all([*hosts(4), Prefix.parse("10.0.0.0/24"), Prefix.parse("2001:db8::/32")])
    assert table.judge("192.0.2.1", 80, 2) == [PASS, DROP]
    these = [*hosts(2), Prefix.parse("192.0.2.1"), Prefix.parse("10.0.0.0/23")]
    assert table.bans.remove_all(Members.of(these)) == 3
    assert [prefix for prefix, *_ in table.listed()] == [
        "10.0.0.0/24",
        "10.0.0.2",
        "10.0.0.3",
        "2001:db8::/32",
    ]
    assert table.judge("10.0.0.1") == [DROP]
    assert table.bans.remove_all() == 4
    assert table.bans.remove_all() == 0
    assert table.judge("10.0.0.1") == [PASS]


def test_saved_and_restored(table: Table) -> None:
    table.judge("192.0.2.1", 22, 2)
    table.judge("192.0.2.2", 80, 2)
    table.bans.add_all([Prefix.parse("2001:db8::/32")])
    table.bans.add_all([Prefix.parse("10.0.0.0/8")], seconds=1000)
    before = table.bans.all()
    rows = table.bans.listing()
    text = "".join(rows.lines()).encode()
    assert len(rows) == 4
    shown = json.loads(f"[{''.join(rows.json())}]")
    assert [ban | {"remaining_s": None} for ban in shown] == [
        ban.document() | {"remaining_s": None} for ban in before
    ]
    table.bans.remove_all()
    assert table.judge("192.0.2.1", 443) == [PASS]
    assert table.bans.restore(parse_bans(text)) == Restored(4, 0, 0)
    after = table.bans.all()
    for old, new in zip(before, after, strict=True):
        assert (new.prefix, new.rule, new.scope) == (old.prefix, old.rule, old.scope)
        assert new.remaining_s == pytest.approx(old.remaining_s, abs=1)
    assert table.judge("192.0.2.1", 443) == table.judge("10.1.1.1") == [DROP]
    assert table.judge("192.0.2.2", 80) == [DROP]
    assert table.judge("192.0.2.2", 443) == [PASS]


def test_restored_is_what_still_means_something(table: Table) -> None:
    now = time.time()
    line = '{{"cidr": "10.0.0.{}", "expires": {}, "rule": {}, "scope": {}}}\n'
    lines = [
        line.format(1, now + 100, '"gone"', "null"),
        line.format(2, now + 100, '"gone"', '"gone"'),
        line.format(3, now + 100, '"ssh"', '"ssh"'),  # no longer bans for itself only
        line.format(4, now - 1, '"ssh"', "null"),
        line.format(5, 1 << 52, '"ssh"', "null"),
        "10.0.0.6\n",
    ]
    bans = parse_bans("".join(lines).encode())
    assert Saved(now - 1, "ssh", None) in bans.saved
    assert table.bans.restore(bans, seconds=50) == Restored(3, 1, 2)
    plain, unowned, _ = sorted(table.bans.all(), key=lambda ban: ban.remaining_s or 1e99)
    assert (str(plain.prefix), str(unowned.prefix), unowned.rule) == ("10.0.0.6", "10.0.0.1", None)
    assert plain.remaining_s == pytest.approx(50, abs=1)
    assert table.listed()[1] == ("10.0.0.5", "ssh", None)


def test_a_rule_that_gets_anothers_slot_gets_no_bans_with_it(table: Table) -> None:
    table.judge("192.0.2.1", 22, 2)
    table.judge("192.0.2.2", 80, 2)
    table.bans.add_all([Prefix.parse("192.0.2.3")])
    table.bans.forget([0, 7])
    assert table.listed() == [
        ("192.0.2.1", None, None),
        ("192.0.2.2", "web", "web"),
        ("192.0.2.3", None, None),
    ]
    table.bans.forget([1])
    assert [prefix for prefix, *_ in table.listed()] == ["192.0.2.1", "192.0.2.3"]
    assert table.judge("192.0.2.1", 443) == [DROP]


MANY = 40_000
"""More than two batches of a map that is read."""


@pytest.fixture
def crowded() -> Iterator[Table]:
    """Give a table with many bans: whole addresses of 10.0.0.0/8, and 192.0.2.0/24."""
    places = first_slots(POLICY)
    sizes = {"bans": 2 * MANY}
    with Generation.load(POLICY, Members.of([]), slots=places, sizes=sizes) as generation:
        table = Table(generation, places)
        table.bans.add_all(Prefix((0xFFFF << 32) + (10 << 24) + n, 128) for n in range(MANY))
        table.bans.add_all([Prefix.parse("192.0.2.0/24")])
        yield table


def test_one_among_many_is_lifted_without_reading_them(
    crowded: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    batches = Map.raw_batches

    def counted(bans: Map, *size: int) -> Iterator[tuple[bytes, bytes]]:
        for keys, values in batches(bans, *size):
            read.append(len(keys) // bans.key_size)
            yield keys, values

    monkeypatch.setattr(Map, "raw_batches", counted)
    assert crowded.judge("192.0.2.7") == crowded.judge("10.0.0.9") == [DROP]
    assert crowded.bans.remove(Prefix.parse("192.0.2.0/24"))
    assert crowded.judge("192.0.2.7") == [PASS]
    assert not crowded.bans.remove(Prefix.parse("192.0.2.0/24"))
    host = Prefix.parse("10.0.0.9")
    lifted = crowded.bans.lift([host, host, Prefix.parse("192.0.2.9")])
    assert lifted.prefixes == (host,)
    assert list(lifted.not_banned) == [Prefix.parse("192.0.2.9")]
    assert crowded.judge("10.0.0.9") == [PASS]
    assert crowded.judge("10.0.0.8") == [DROP]
    assert sum(read) < MANY // 2
    assert crowded.bans.sweep() == 0
    assert crowded.bans.usage().used == MANY - 1
    assert crowded.judge("10.0.0.8") == [DROP]


def test_how_many_there_are(crowded: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel's count, and by reading all where it keeps none."""
    assert crowded.bans.usage().used == MANY + 1
    crowded.bans.add_all(hosts(3))  # banned already
    crowded.bans.add_all([Prefix.parse("198.51.100.7")], seconds=50)
    assert crowded.bans.usage().used == MANY + 2
    older = SimpleNamespace(**{name: getattr(lib, name) for name in dir(lib)})
    older.wp_map_count = lambda _: -ENOENT
    monkeypatch.setattr(maps, "lib", older)
    assert crowded.bans.usage().used == MANY + 2


FLOOD = 1_200_000  # a million other sources
_BATCH = 100_000
_EVERY = 10


def test_a_ban_holds_while_a_million_sources_fill_the_cells() -> None:
    """No packet of the banned source passes, and no other source is banned."""
    policy = Policy.parse(
        '[[rule]]\nname = "slow"\nlimit = { rate = "2/min", per = "src", ban = "1h" }\n'
    )
    template = np.frombuffer(bytes(Eth() / IPv4() / Udp()), dtype=np.uint8)
    lengths = np.full(_BATCH, len(template), dtype=np.uint32)
    offsets = np.arange(_BATCH, dtype=np.uint64) * len(template)
    with Xdp(policy) as xdp:
        attempt = Sent(bytes(Eth() / IPv4(src="198.51.100.1") / Udp()), now_ns=1)
        assert [verdict.verdict for verdict in xdp.judge([attempt] * 3)] == ["pass", "pass", "drop"]
        for batch in range(FLOOD // _BATCH):
            frames = np.tile(template, (_BATCH, 1))
            # In 16.0.0.0/4, all different; checksums are not verified.
            numbers = np.arange(_BATCH, dtype=np.uint64) + batch * _BATCH
            sources = (numbers * 2_654_435_761 % (1 << 28) + (1 << 28)).astype(">u4")
            frames[:, 26:30] = sources.view(np.uint8).reshape(-1, 4)
            frames[::_EVERY, 26:30] = (198, 51, 100, 1)
            traces = np.zeros(_BATCH, dtype=xdp._trace)
            traces["now_ns"] = 2 + numbers * 1000
            traces["wire_bytes"] = len(template)
            run = xdp.generation.program.test_runs
            did = run(frames.reshape(-1), offsets, lengths, traces.view(np.uint8))
            assert (np.asarray(did)[::_EVERY] == DROP).all()
        bans = {key["addr"]["lo"] & 0xFFFFFFFF: ban for key, ban in xdp.maps["bans"].items()}
        assert bans[0xC6336401]["packets"] == FLOOD // _EVERY
        assert len(bans) == 1


def test_what_limits_have_banned_makes_room_when_it_has_expired() -> None:
    """In a small table many sources in turn are banned for a second, without a sweep."""
    policy = Policy.parse(
        '[[rule]]\nname = "slow"\nlimit = { rate = "1/s", per = "src", ban = "1s" }\n'
    )
    hosts = [f"10.0.{n // 256}.{n % 256}" for n in range(5 * BANS)]
    with Xdp(policy) as xdp:
        for second in range(5):
            frames = [
                Sent(bytes(Eth() / IPv4(src=host) / Udp()), now_ns=second * 2 * SECOND_NS)
                for host in hosts[second * BANS : (second + 1) * BANS]
                for _ in range(3)
            ]
            reasons = [verdict.reason for verdict in xdp.judge(frames)]
            assert reasons == ["default", "limit_exceeded", "banned"] * BANS
        assert xdp.maps["ban_lengths"][0]["refused"] == 0
        # Bans that have not expired stay: now the table is full of them.
        late = Sent(bytes(Eth() / IPv4(src="10.9.9.9") / Udp()), now_ns=8 * SECOND_NS)
        assert [v.reason for v in xdp.judge([late] * 3)] == ["default"] + ["limit_exceeded"] * 2
        assert xdp.maps["ban_lengths"][0]["refused"] == 2
