"""What is attached, since when, and how full it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wirepath.datapath import Datapath

_NEARLY_FULL: Final = 0.9
_MIRROR: Final = "mirror"  # the key of rules that mirror
_LIFT: Final = "lift some: `wirepath unban`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One datapath, as it is now.

    Attributes:
        iface, mode, policy, generation, since, version: as in `Manifest`.
        program_id, link_id: the kernel's numbers, at ingress.
        hooks: by hook, how it is attached, as `attach.Attachment.document` has it.
        rules: how many.
        sets: by name, how many prefixes.
        bans: how many entries are ``used``, for how many there is ``room``, and how many bans of
            limits were ``refused`` for want of it since some were lifted.
        conntrack: the rule of nft that has connections tracked; None if no rule asks for it.
        packets, bytes: judged so far.
        warnings: what an operator should look at, a line each.
    """

    iface: str
    mode: str
    policy: str
    generation: int
    since: float
    version: str
    program_id: int
    link_id: int
    hooks: dict[str, dict[str, Any]]
    rules: int
    sets: dict[str, int]
    bans: dict[str, int]
    conntrack: str | None
    packets: int
    bytes: int
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)


def status(datapath: Datapath) -> Status:
    """Look at *datapath*."""
    from wirepath.datapath.live import counters

    manifest = datapath.manifest
    found = datapath.attachments()
    held = datapath.bans
    bans = {"used": held.used(), "room": held.room, "refused": held.refused}
    counted = counters.Outcomes.together(counters.hooks(datapath).values())
    return Status(
        iface=datapath.name,
        mode=manifest.mode,
        policy=manifest.file,
        generation=manifest.generation,
        since=manifest.since,
        version=manifest.version,
        program_id=datapath.program.id,
        link_id=datapath.link.id,
        hooks={hook: place.document() for hook, place in found.items()},
        rules=len(manifest.policy["rule"]),
        sets=datapath.sets.counts(),
        bans=bans,
        conntrack=manifest.surroundings.get("conntrack"),
        packets=counted.packets,
        bytes=counted.bytes,
        warnings=(*warnings(datapath, bans), *_untracked(datapath)),
    )


def warnings(datapath: Datapath, bans: dict[str, int]) -> list[str]:
    """Say what an operator should look at; *bans* as in `Status`."""
    found = []
    running = datapath.link.program_id
    if not datapath.link.ifindex:
        found.append("the interface is gone (`wirepath down` removes what is left)")
    elif running != datapath.program.id:
        found.append(f"program {running} runs there, which is not ours")
    if datapath.link.ifindex:
        found += _out_of_place(datapath)
    return found + mirror_warnings(datapath) + full_warnings(bans)


def mirror_warnings(datapath: Datapath) -> list[str]:
    """Say which devices that rules mirror to are gone, and which took no copies."""
    from wirepath.datapath.live import counters
    from wirepath.kernel.interface import name_of

    rules = [rule for rule in datapath.manifest.policy["rule"] if _MIRROR in rule]
    if not rules:
        return []
    counted = counters.read(datapath).rules
    gone = {
        rule["name"]
        for hook in datapath.manifest.rows
        for place, rule in enumerate(rule for rule in rules if hook in rule["hook"])
        if not name_of(datapath.tables(hook)["mirrors"][place]["ifindex"])
    }
    found = []
    for name, to in ((rule["name"], rule[_MIRROR]["to"]) for rule in rules):
        if name in gone:
            cure = "bring it back and `wirepath apply`"
            found.append(f"rule {name}: {to} is gone ({cure})")
        elif failed := counted[name].own["mirror_failed"]:
            found.append(f"rule {name}: {failed} copies to {to} failed (is it up? `ip link`)")
    return found


# Whoever loads a rule set of his own flushes ours first, as a rule.
def _untracked(datapath: Datapath) -> list[str]:
    if "conntrack" not in datapath.manifest.surroundings:
        return []
    from wirepath.kernel.conntrack import watched

    if watched(datapath.name):
        return []
    return ["conntrack: our rule of nft is gone (`wirepath apply` adds it again)"]


def _out_of_place(datapath: Datapath) -> list[str]:
    found = []
    cure = f"put it back: `wirepath apply {datapath.name} POLICY`"
    for hook, place in datapath.attachments().items():
        what = "filter" if place.link_id is None else "link"
        if hook == "ingress" or place.running == place.program_id:
            continue
        if place.running:
            found.append(f"{hook}: program {place.running} runs there, which is not ours ({cure})")
        else:
            found.append(
                f"{hook}: somebody has removed our {what}, so no rule holds there ({cure})"
            )
    return found


def full_warnings(bans: dict[str, int]) -> list[str]:
    """Say that the table of bans is nearly full, or was when limits wanted to ban."""
    found = []
    if bans["used"] >= _NEARLY_FULL * bans["room"]:
        found.append(f"bans: {bans['used']} of {bans['room']} used ({_LIFT})")
    if bans["refused"]:
        found.append(f"bans: {bans['refused']} of limits refused, the table was full ({_LIFT})")
    return found
