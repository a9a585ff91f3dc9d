"""The screen of ``wirepath top``: what it shows, and that it fits the terminal."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from wirepath.cli.top_screen import screen, waiting
from wirepath.datapath.generation.manifest import Manifest
from wirepath.datapath.live.ban_view import BanEntry
from wirepath.datapath.live.counters import Count, Outcomes, RuleCount, Stats
from wirepath.datapath.live.rates import Look, View
from wirepath.datapath.live.top_keys import TopKey
from wirepath.net import Prefix

_FIELDS: dict[str, Any] = {field: {} for field in Manifest.__dataclass_fields__}
MANIFEST = Manifest(
    **_FIELDS | {"file": "/etc/wirepath/policy.toml", "mode": "native", "generation": 3, "since": 0}
)
FOOT = "every 1 s; q ends"


def look(at: float, packets: int, rules: int, bans: int, keys: int) -> Look:
    """Make a look at a datapath that has judged a number of packets and dropped half of them."""
    half = Count(packets // 2, packets * 30)
    none = Count(0, 0)
    reasons = {"rule": half, "default": half, "banned": none}
    outcomes = Outcomes({"pass": half, "drop": half, "tx": none}, reasons, {}, {})
    counts = {
        f"rule-{n}-{'x' * n}"[:63]: RuleCount(packets // (n + 1), packets, packets // 4)
        for n in range(rules)
    }
    address = Prefix.parse("2001:db8:ffff:ffff:ffff:ffff:ffff:0").address
    entries = [
        BanEntry(Prefix(address + n, 128), f"rule-{n}", None, 3000.0 + n, packets - n, packets)
        for n in range(bans)
    ]
    talkers = [
        TopKey("dns", Prefix(address, 112 + n % 16), None, None, 53, 1 - n / keys)
        for n in range(keys)
    ]
    counted = Stats("wp0", {"ingress": outcomes}, counts, frozenset())
    return Look(at, 7, MANIFEST, counted, bans, entries, talkers, ["the interface is gone (x)"])


def view(rules: int = 3, bans: int = 2, keys: int = 1) -> View:
    return View(look(12, 5000, rules, bans, keys), look(10, 1000, rules, bans, keys))


def lines(of: object, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, markup=False, highlight=False)
    with console.capture() as printed:
        console.print(of)
    return printed.get().splitlines()


def test_what_it_shows_on_80_by_24() -> None:
    shown = [line.rstrip() for line in lines(screen(view(), 80, 24, FOOT), 80, 24)]
    assert shown[0].startswith("wp0: native mode, serving for ")
    assert shown[1:3] == [
        "2,000 packets/s  1.0 Mbit/s  1,000 dropped/s",
        "warning: the interface is gone (x)",
    ]
    text = "\n".join(" ".join(line.split()) for line in shown[3:])
    assert text == (
        "\nverdict reason\n"
        "pass 1,000/s rule 1,000/s\n"
        "drop 1,000/s default 1,000/s\n"
        "\nrule packets/s dropped/s packets dropped\n"
        "rule-0- 2,000 500 5,000 1,250\n"
        "rule-1-x 1,000 500 2,500 1,250\n"
        "rule-2-xx 666 500 1,666 1,250\n"
        "\nbanned by rule remaining dropped/s dropped\n"
        "2001:db8:ffff:ffff:ffff:ffff:ffff:0 rule-0 50 min 2,000 5,000\n"
        "2001:db8:ffff:ffff:ffff:ffff:ffff:1 rule-1 50 min 1 s 2,000 4,999\n"
        "\nuses an exact limit up of rule used\n"
        "2001:db8:ffff:ffff:ffff:ffff:ffff:0/112 port 53 dns 100%\n" + FOOT
    )


@pytest.mark.parametrize("size", [(80, 24), (80, 10), (40, 24), (200, 60), (20, 3)])
@pytest.mark.parametrize("much", [(0, 0, 0), (1, 1, 1), (500, 50, 50), (500, 0, 0), (2, 50, 0)])
def test_it_is_never_larger_than_the_screen(
    size: tuple[int, int], much: tuple[int, int, int]
) -> None:
    shown = lines(screen(view(*much), *size, FOOT), *size)
    assert len(shown) <= size[1]
    assert max(map(len, shown)) <= size[0]
    if much == (500, 50, 50) and size[1] >= 24:
        assert len(shown) == size[1]  # no line is wasted
        assert shown[-1].rstrip() == FOOT
        assert size[0] < 80 or any("of 500" in line for line in shown)


def test_rates_do_not_run_backwards() -> None:
    """A rule that was added again counts from 0; another datapath has no rates yet."""
    now, before = look(12, 1000, 2, 0, 0), look(10, 5000, 2, 0, 0)
    assert [rule.packets_s for rule in View(now, before).rules] == [500, 250]
    with pytest.raises(ValueError, match="another datapath"):
        View(now, replace(before, link=8))
    counted = replace(now.counted, rules={"new": RuleCount(10, 0, 0)})
    assert [rule.packets_s for rule in View(replace(now, counted=counted), before).rules] == [5]


def test_a_ban_that_is_new_has_no_rate() -> None:
    found = View(look(12, 5000, 0, 3, 0), look(10, 1000, 0, 2, 0)).bans
    assert [rate for _, rate in found] == [2000, 2000, None]


def test_what_it_waits_for() -> None:
    assert lines(waiting("wp0", FOOT), 80, 24) == [
        "wp0: wirepath is not up there; waiting for it",
        FOOT,
    ]


def test_document() -> None:
    document = view(1, 1, 1).document()
    assert document["rules"] == [
        {"name": "rule-0-", "packets_s": 2000, "dropped_s": 500, "packets": 5000, "dropped": 1250}
    ]
    assert (document["packets_s"], document["bits_s"]) == (2000, 960000)
    assert document["verdicts"] == {"pass": 1000, "drop": 1000}
    assert document["bans"][0]["packets_s"] == 2000
    assert document["talkers"][0]["src"] == "2001:db8:ffff:ffff:ffff:ffff:ffff:0/112"
