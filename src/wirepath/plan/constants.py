"""The constants of the program of one hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.plan import actions
from wirepath.plan.tables import Bits, ByEnum
from wirepath.policy import SETS_MAX
from wirepath.policy.zones import ZONES_MAX, zones_of

if TYPE_CHECKING:
    from wirepath.net import Hook, Link
    from wirepath.plan.classifier import Classifier
    from wirepath.plan.slots import Slots
    from wirepath.policy import Policy

DIMENSION = "dimension"
ZONE_ANY: Final = 1 << 16  # the same in bpf/track/connections.h


def constants(hook: Hook, lowered: Classifier, slots: Slots, link: Link) -> dict[str, object]:
    """Give the constants of *hook*, by C name; *link* says which headers frames begin with."""
    policy = lowered.policy
    datapath = policy.datapath
    kinds = {rule.action.kind for rule in policy.rules} - {"none"}
    return {
        "hook": hook,
        "parse_config": {
            "malformed": datapath.malformed,
            "answers": any("tx" in rule.action.may for rule in policy.rules),
            "layer3": link == "ip",
        },
        "foreign_ignored": _ignores_foreign(hook, policy, link),
        "guard_config": {
            "never_block": bool(datapath.never_block),
            "essentials": datapath.passes_essentials,
            "fragment": "drop" if datapath.fragments == "drop" else "continue",
        },
        "track_config": _tracking(policy),
        "dimensions_used": Bits(DIMENSION, lowered.dimensions),
        "actions_used": Bits("action", kinds),
        "literal_root_bits": lowered.literals.table.root_bits,
        "prefix_counters_config": {
            "counting": bool(slots.counting),
            "number": _set_numbers(lowered, slots),
        },
        **actions.constants(policy, slots),
        **_classifying(lowered),
    }


def _tracking(policy: Policy) -> dict[str, object]:
    zones = zones_of(policy)
    numbers = [ZONE_ANY if zone is None else zone for zone in zones]
    return {
        "zones": numbers + [ZONE_ANY] * (ZONES_MAX - len(numbers)),
        "count": len(zones),
        "zoned": any(zone is not None for zone in zones),
    }


# Whether the program has to tell frames for other hosts: only for rules that limit or answer.
def _ignores_foreign(hook: Hook, policy: Policy, link: Link) -> bool:
    return (
        policy.datapath.foreign_frames == "ignore"
        and link == "ethernet"
        and hook != "egress"
        and any(rule.action.for_ours or "tx" in rule.action.may for rule in policy.rules)
    )


# By set, its number in the keys of prefix counters.
def _set_numbers(lowered: Classifier, slots: Slots) -> bytes:
    numbers = (slots.counting.get(name, 0) for name in lowered.set_ids)
    return bytes(numbers).ljust(SETS_MAX, b"\0")


def _classifying(lowered: Classifier) -> dict[str, object]:
    filing = lowered.filing
    return {
        "classify_config": {
            "words": lowered.words,
            "summary_words": lowered.summary_words,
            "default_verdict": lowered.policy.datapath.default,
            "row_base": ByEnum(DIMENSION, lowered.row_base),
        },
        "candidates_config": {
            "lists": len(filing.lists),
            "filed_by": Bits(DIMENSION, filing.base),
            "base": ByEnum(DIMENSION, filing.base),
        },
        "lanes_config": {
            "guards": filing.guards,
            "in_lanes": Bits(DIMENSION, filing.lane_at),
            "in_runs": Bits(DIMENSION, filing.in_runs),
            "lane_at": ByEnum(DIMENSION, filing.lane_at),
        },
    }
