"""The filter ahead of the bans: no ban is missed, whatever happens while it is written anew."""

import random
from collections.abc import Iterator

import pytest

from harness.frames import Eth, IPv4, IPv6, Tcp
from wirepath.datapath.generation.load import Generation
from wirepath.datapath.live.ban_filter import BanFilter
from wirepath.datapath.live.ban_lengths import Lengths
from wirepath.datapath.live.ban_table import BanTable
from wirepath.kernel.program import XdpAction
from wirepath.net import Prefix
from wirepath.policy import Policy
from wirepath.prefixes import Members

pytestmark = pytest.mark.kernel

PASS, DROP = XdpAction.PASS, XdpAction.DROP
NEVER = (1 << 64) - 1
LOW = (1 << 64) - 1
POLICY = Policy.parse("""
[[rule]]
name = "ssh"
match = { dport = 22 }
limit = { rate = "1/h", per = "src", ban = "1h" }
""")


@pytest.fixture
def generation() -> Iterator[Generation]:
    with Generation.load(POLICY, Members.of([]), sizes={"bans": 4096}) as loaded:
        yield loaded


@pytest.fixture
def bans(generation: Generation) -> BanTable:
    Lengths(generation.maps["ban_lengths"]).mark()
    return BanTable(generation.maps["bans"], BanFilter.of(generation.maps))


def ban(generation: Generation, bans: BanTable, prefixes: list[Prefix]) -> None:
    Lengths(generation.maps["ban_lengths"]).expect({prefix.bits for prefix in prefixes})
    rows = [(p.address >> 64, p.address & LOW, p.bits, 0, NEVER, 0) for p in prefixes]
    bans.write(rows, 0)


def verdict(generation: Generation, address: int, dport: int = 80) -> XdpAction:
    prefix = Prefix(address, 128)
    ip = (IPv4 if prefix.is_ipv4 else IPv6)(src=str(prefix).partition("/")[0])
    return XdpAction(generation.program.test_run(bytes(Eth() / ip / Tcp(dport=dport))).retval)


def bits_in_use(generation: Generation) -> int:
    memory = generation.maps["ban_filters"].memory(writable=False)
    half = (len(memory) - 8) // 2
    start = 8 + memory[:8].cast("Q")[0] * half
    return sum(word.bit_count() for word in memory[start + 8 : start + half].cast("Q"))


def test_every_ban_holds_and_no_other(generation: Generation, bans: BanTable) -> None:
    rng = random.Random(5)  # noqa: S311 - it must be repeatable
    banned = [
        Prefix.around(rng.getrandbits(128) if wide else 0xFFFF << 32 | rng.getrandbits(32), bits)
        for _ in range(300)
        for wide, bits in ((True, rng.randint(16, 128)), (False, rng.randint(104, 128)))
    ]
    ban(generation, bans, banned)
    for prefix in banned:
        assert verdict(generation, prefix.address | rng.getrandbits(128 - prefix.bits)) == DROP
    for address in (0xFFFF << 32 | rng.getrandbits(32) for _ in range(300)):
        expected = DROP if any(address in prefix for prefix in banned) else PASS
        assert verdict(generation, address) == expected


def test_bits_of_lifted_bans_go(generation: Generation, bans: BanTable) -> None:
    ban(generation, bans, [Prefix.parse(f"10.0.0.{n}") for n in range(50)])
    assert bits_in_use(generation) > 50
    bans.remove(lambda _: True, "bits")
    assert bits_in_use(generation) == 0


@pytest.mark.parametrize("when", ["before the table is read", "after"])
def test_a_limit_bans_while_the_filter_is_written(
    generation: Generation, bans: BanTable, when: str
) -> None:
    Lengths(generation.maps["ban_lengths"]).expect({128})
    attacker = Prefix.parse("192.0.2.7").address

    def attack() -> None:
        for _ in range(3):
            verdict(generation, attacker, dport=22)

    def batches() -> Iterator[bytes]:
        if when != "after":
            attack()
        yield from (keys for keys, _ in generation.maps["bans"].raw_batches())
        if when == "after":
            attack()

    BanFilter.of(generation.maps).renew(batches())
    assert verdict(generation, attacker) == DROP


def test_a_command_killed_while_it_bans(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ban that is in the table holds; bits without one cost a search."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    Lengths(generation.maps["ban_lengths"]).mark()
    table = BanTable(generation.maps["bans"], BanFilter.of(generation.maps))
    monkeypatch.setattr(generation.maps["bans"], "raw_update_batch", killed)
    source = Prefix.parse("192.0.2.7")
    with pytest.raises(KeyboardInterrupt):
        ban(generation, table, [source])
    assert bits_in_use(generation) > 0
    assert verdict(generation, source.address) == PASS
