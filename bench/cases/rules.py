"""Rules on five dimensions: the cost by their number, compared with nftables."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, get_args

import rulesets
from results import Table, costs
from rulesets import Kind, Rule
from wirepath.bench import peers, subject
from wirepath.bench.path import BARE, Subject, compare, program
from wirepath.lab.traffic import of_frames

_GOALS: Final = {10: None, 100: None, 1_000: 1.3, 10_000: 1.7}
_FRAMES: Final = 100_000


def measure(directory: Path, repetitions: int) -> Iterator[Table]:
    """Measure lists of rules relative to their first rule alone, on the same packets.

    All packets are dropped. Only realistic rules have goals; hostile ones are measured for
    information.
    """
    for kind in get_args(Kind):
        for count, goal in _GOALS.items():
            rules = rulesets.draw(kind, count)
            traffic = of_frames(rulesets.packets(rules, _FRAMES))
            many = f"wirepath, {count:,} rules"
            subjects = [
                _wirepath("wirepath, 1 rule", directory / f"{kind}-{count}-1.toml", rules[:1]),
                _wirepath(many, directory / f"{kind}-{count}.toml", rules),
                _nft("nft, 1 rule", rules[:1]),
                _nft(f"nft, {count:,} rules", rules),
                program(BARE, "bare_drop"),
            ]
            measured = compare(subjects, traffic, repetitions=repetitions)
            title = f"{count:,} {kind} rules on five dimensions, 100,000 packets"
            yield costs(title, measured, {many: goal} if goal and kind == "realistic" else None)


def _wirepath(name: str, policy: Path, rules: list[Rule]) -> Subject:
    policy.write_text(rulesets.wirepath_policy(rules))
    return Subject(name, partial(subject.attach, policy))


def _nft(name: str, rules: list[Rule]) -> Subject:
    return Subject(name, partial(peers.nft_rules, rulesets.nft_rules(rules)))
