"""Actions of rules on their way into the kernel: what each is configured with, what it remembers.

Rules of one kind have their structs side by side, in the map ``KINDs``.  Limits are a kind, and
parts of other kinds: all lie in ``limits``, and what they remember in cells that outlive a
generation.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wirepath.actions.mirror import Mirror
from wirepath.datapath.live.ban_lengths import Lengths
from wirepath.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wirepath.actions.limit import Limit
    from wirepath.datapath.generation.slots import Room, Succession
    from wirepath.kernel.maps import Map
    from wirepath.policy import Policy, Rule

BUCKETS_MOST: Final = 1 << 24  # a cache line each: 1 GiB
_BUCKETS: Final = "limit_buckets"
_EXACT: Final = "limit_exact_cells"
_HELD_BACK: Final = 512  # entries that a CPU keeps to itself, at most; as kernel/bpf/bpf_lru_list.c
_DUE: Final = "bans_due"
_BANS_MOST: Final = 1_000_000  # BANS_MAX of bpf/guard/bans.h
_SEEN: Final = "wireguard_seen"
_SESSIONS: Final = "wireguard_indexes"
_SESSIONS_MOST: Final = 65_536  # INDEXES_MAX of bpf/actions/wireguard_indexes.h
_SEEN_BUCKETS: Final = 4096  # SEEN_BUCKETS of bpf/actions/wireguard_seen.h
STATE: Final = (_BUCKETS, _EXACT, _DUE, _SEEN, _SESSIONS)
"""Maps of what actions remember."""


class Placed(NamedTuple):
    """A rule's place among those of its kind, which 0 holds if it has none."""

    kind: str
    place: int


def limits_of(policy: Policy) -> dict[str, Limit]:
    """Give every limit of *policy*, by ``RULE``, or ``RULE:ROLE`` if it is a part of its action."""
    return {
        f"{rule.name}:{role}" if role else rule.name: limit
        for rule in policy.rules
        for role, limit in rule.action.limits.items()
    }


def places(policy: Policy) -> list[Placed]:
    """Give every rule its place."""
    at = {name: place for place, name in enumerate(limits_of(policy))}
    seen: dict[str, int] = {}
    placed = []
    for rule in policy.rules:
        kind = rule.action.kind
        place = at[rule.name] if kind == "limit" else seen.get(kind, 0)
        seen[kind] = place + 1
        placed.append(Placed(kind, place if kind != "none" else 0))
    return placed


def sizes(policy: Policy) -> dict[str, int]:
    """Give the capacities of the maps of structs."""
    kinds = {f"{kind}s": len(rules) for kind, rules in _by_kind(policy).items()}
    return kinds | {
        "limits": max(1, len(limits_of(policy))),
        "mirror_blocks": max(1, kinds.get("mirrors", 0)),
    }


def state_sizes(policy: Policy, succession: Succession) -> dict[str, int]:
    """Give the capacities of the maps of what actions remember.

    Raises:
        RequestError: the limits need more memory than there is for them.
    """
    if succession.buckets > BUCKETS_MOST:
        raise RequestError(
            f"load {policy.file}: its limits need {succession.buckets >> 14} MiB, there are"
            f" {BUCKETS_MOST >> 14} (lower `keys` where few sources are to be told apart)"
        )
    exact = sum(limit.keys for limit in limits_of(policy).values() if limit.exact)
    return {
        _BUCKETS: max(1, succession.buckets),
        _EXACT: exact + _HELD_BACK * (os.cpu_count() or 1) if exact else 1,
        _DUE: _BANS_MOST if bans(policy) else 1,
        _SEEN: _SEEN_BUCKETS if "wireguard" in _by_kind(policy) else 1,
        _SESSIONS: _SESSIONS_MOST if indexed(policy) else 1,
    }


def write(
    maps: Mapping[str, Map], policy: Policy, places: Succession, devices: Mapping[str, int]
) -> None:
    """Write the structs of all actions, and the lengths that limits may ban by.

    Args:
        maps: of one hook.
        policy: what is said of it.
        places: of the policy's names.
        devices: by target of mirrors, the ifindex; who is not there gets no copies.
    """
    limits = limits_of(policy)
    at = {name: place for place, name in enumerate(limits)}
    for name, limit in limits.items():
        maps["limits"][at[name]] = _lowered(limit, places.rooms.get(name))
    for kind, rules in _by_kind(policy).items():
        for place, rule in enumerate(rules):
            parts = {f"{role}_limit": at[f"{rule.name}:{role}"] for role in rule.action.limits}
            if kind == "wireguard":
                parts["learned_ns"] = places.learned_ns.get(rule.name, 0)
            if isinstance(rule.action, Mirror):
                parts["ifindex"] = devices.get(rule.action.to.words, 0)
                parts["rule"] = places.counters[rule.name]
            maps[f"{kind}s"][place] = rule.action.lower() | parts
    Lengths(maps["ban_lengths"]).expect(ban_lengths(policy))


def limit_config(policy: Policy, secret: Sequence[int]) -> dict[str, object]:
    """Give ``struct limit_config``."""
    banning = _banning(policy)
    return {
        "secret": list(secret),
        "bans": bool(banning),
        "by_rule": any(limit.ban_scope == "rule" for limit in banning),
        "exact": any(limit.exact for limit in limits_of(policy).values()),
        "by_cgroup": any(limit.per.cgroup for limit in limits_of(policy).values()),
        "shapes": any(limit.shape for limit in limits_of(policy).values()),
    }


def indexed(policy: Policy) -> bool:
    """Tell whether some rule of *policy* knows WireGuard's sessions."""
    return any(rule.action.on_answers for rule in policy.rules)


def bans(policy: Policy) -> bool:
    """Tell whether some limit of *policy* bans."""
    return bool(_banning(policy))


def ban_lengths(policy: Policy) -> set[int]:
    """Give the lengths of prefixes that limits of *policy* ban from all rules."""
    return {
        bits for limit in _banning(policy) if limit.ban_scope == "all" for bits in limit.ban_bits
    }


def _banning(policy: Policy) -> list[Limit]:
    return [limit for limit in limits_of(policy).values() if limit.ban_s is not None]


def carried(maps: Mapping[str, Map], needed: Mapping[str, int]) -> dict[str, Map]:
    """Give those maps of what actions remember that have room for the next generation too."""
    enough = (name for name in STATE if maps[name].max_entries >= needed[name])
    return {name: maps[name] for name in enough}


def hand_over(
    old: Mapping[str, Map],
    new: Mapping[str, Map],
    before: Mapping[str, Sequence[object]],
    after: Mapping[str, Room],
) -> None:
    """Let limits that stay find what they remember, and new ones nothing.

    To be called right before the next generation serves: in maps of its own it does not see what
    the one before remembers from here on.
    """
    size = new[_BUCKETS].value_size
    same = old[_BUCKETS].id == new[_BUCKETS].id
    with old[_BUCKETS].memory() as source, new[_BUCKETS].memory() as target:
        for name, room in after.items():
            part = slice(room.first * size, (room.first + room.buckets) * size)
            stays = tuple(before.get(name, ())) == room
            if stays and not same:
                target[part] = source[part]
            elif same and not stays:
                target[part] = bytes(room.buckets * size)
    if old[_EXACT].id != new[_EXACT].id:
        for keys, values in old[_EXACT].raw_batches():
            new[_EXACT].raw_update_batch(keys, values)


def _by_kind(policy: Policy) -> dict[str, list[Rule]]:
    # But for limits, which are parts of others too.
    kinds: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        if rule.action.kind not in ("none", "limit", "learn"):
            kinds.setdefault(rule.action.kind, []).append(rule)
    return kinds


def _lowered(limit: Limit, room: Room | None) -> dict[str, Any]:
    first, mask = (room.first, room.buckets - 1) if room else (0, 0)
    return limit.lower() | {"first_bucket": first, "bucket_mask": mask}
