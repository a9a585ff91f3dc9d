"""The status of a datapath: what is attached, since when, and how full its tables are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from wirepath.datapath import answers, tags
from wirepath.datapath.generation.pinned import BOUND
from wirepath.datapath.live import counters
from wirepath.datapath.live.ban_view import BanView
from wirepath.datapath.live.set_view import SetView
from wirepath.kernel.interface import received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.ban_view import Usage
    from wirepath.datapath.live.counters import Outcomes

_NEARLY_FULL: Final = 0.9
_MANY: Final = 1_000  # packets; a few may come while the program is being attached
_LIFT: Final = "lift some: `wirepath unban`"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Status:
    """The status of one datapath at one moment.

    Attributes:
        iface, mode, policy, generation, since, serving_s, version: as in `Manifest`.
        program_id, link_id: the kernel's IDs of program and link at ingress.
        hooks: by hook, how it is attached, as `attach.Attachment.document` gives it.
        rules: how many rules the policy has.
        sets: by name, how many prefixes each set has.
        bans: how many entries are ``used``, how many the table has ``room`` for, and how many bans
            of limits were ``refused`` because it was full, since the operator last lifted some.
        conntrack: the nft rule that turns connection tracking on; None if no rule needs it.
        packets, bytes: judged so far.
        filtering: whether packets reach the program of ingress.
        warnings: what needs the operator's attention, one line each.
    """

    iface: str
    mode: str
    policy: str
    generation: int
    since: float
    serving_s: float
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
    filtering: bool
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        what = f"generation {self.generation} of {self.policy}, {self.packets:,} packets"
        warned = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"<status of {self.iface}: {self.mode}, {what}{warned}>"


def status(handles: Handles) -> Status:
    """Determine the status of the generation of *handles*."""
    manifest = handles.manifest
    found = handles.attachments()
    bans = BanView(handles).usage()
    outcomes = counters.hooks(handles)
    counted = counters.Outcomes.together(outcomes.values())
    return Status(
        iface=handles.device,
        mode=manifest.mode,
        policy=manifest.file,
        generation=manifest.generation,
        since=manifest.since,
        serving_s=manifest.serving_s,
        version=manifest.version,
        program_id=handles.program.id,
        link_id=handles.link.id,
        hooks={hook: place.document() for hook, place in found.items()},
        rules=len(manifest.policy["rule"]),
        sets=SetView(handles).counts(),
        bans=bans._asdict(),
        conntrack=handles.host.get("conntrack"),
        packets=counted.packets,
        bytes=counted.bytes,
        filtering=not handles.loss,
        warnings=(*warnings(handles, bans, outcomes), *_untracked(handles), *_moved(handles)),
    )


def warnings(handles: Handles, bans: Usage, outcomes: Mapping[str, Outcomes]) -> list[str]:
    """List what needs the operator's attention, one line each."""
    found = []
    running = handles.link.program_id
    if loss := handles.loss:
        cure = f"`wirepath apply {handles.iface} POLICY` attaches it again, `wirepath down` ends it"
        found.append(f"nothing is filtered: {loss} ({cure})")
    elif running != handles.program.id:
        found.append(f"program {running} runs there, which is not ours")
    else:
        found += [
            *_unseen(handles, outcomes),
            *_misread(handles, outcomes),
            *_stripped(handles),
            *_out_of_place(handles),
            *_missed(handles),
            *answers.warnings(handles, outcomes["ingress"]),
        ]
    return found + mirror_warnings(handles) + full_warnings(bans)


# Whatever the reason: a driver, or what is above the interface, may hand packets past our program.
def _unseen(handles: Handles, outcomes: Mapping[str, Outcomes]) -> list[str]:
    manifest = handles.manifest
    came = received(handles.device) - manifest.received
    if came < _MANY or outcomes["ingress"].packets != manifest.judged:
        return []
    if counters.hooks(handles)["ingress"].packets != manifest.judged:  # came since they were read
        return []
    cure = f"see `wirepath doctor {handles.device}`, or use --mode generic"
    return [f"ingress: {came:,} packets were received, and none met our program ({cure})"]


def _missed(handles: Handles) -> list[str]:
    from wirepath.kernel import devices

    told = devices.missed(handles.link.ifindex, devices.devices())
    return [told] if told else []


def _stripped(handles: Handles) -> list[str]:
    manifest, interface = handles.manifest, handles.link.interface
    if not (manifest.need_tags and interface):
        return []
    bound = handles.program.name == BOUND
    matching = [rule["name"] for rule in manifest.policy["rule"] if "vlan" in rule["match"]]
    return tags.unseen(interface, manifest.need_tags, manifest.mode, matching=matching, bound=bound)


# The headers of such packets are not where the device should have them.
def _misread(handles: Handles, at: Mapping[str, Outcomes]) -> list[str]:
    cure = "attach where they are plain IP: to the device above or below"
    found = []
    for hook, outcomes in at.items():
        count = outcomes.reasons["misread"].packets - handles.manifest.misread.get(hook, 0)
        if count:
            what = f"{count:,} IP packet{'s' * (count != 1)} passed that no rule could read"
            found.append(f"{hook}: {what} ({cure})")
    return found


def mirror_warnings(handles: Handles) -> list[str]:
    """Warn of mirror devices that are gone or that refused copies."""
    from wirepath.kernel.interface import name_of

    copies = handles.manifest.copies
    if not copies:
        return []
    rules = [rule for rule in handles.manifest.policy["rule"] if rule["name"] in copies]
    counted = counters.read(handles).rules
    gone = {
        rule["name"]
        for hook in handles.manifest.rows
        for place, rule in enumerate(rule for rule in rules if hook in rule["hook"])
        if not name_of(handles.tables[hook]["mirrors"][place]["ifindex"])
    }
    found = []
    for name, to in copies.items():
        if name in gone:
            cure = "bring it back and `wirepath apply`"
            found.append(f"rule {name}: {to} is gone ({cure})")
        elif failed := counted[name].own.get("mirror_failed"):
            found.append(f"rule {name}: {failed} copies to {to} failed (is it up? `ip link`)")
    return found


# Our nft rule may be gone: tools that load a rule set usually flush the old one first. And rules
# may make netfilter judge packets otherwise than we can.
def _untracked(handles: Handles) -> list[str]:
    if "conntrack" not in handles.host:
        return []
    from wirepath.datapath.host.conntrack import warnings
    from wirepath.kernel.conntrack import watched

    found = warnings(handles.device, handles.manifest.policy["rule"])
    if not watched(handles.iface):
        found.append("conntrack: our rule of nft is gone (`wirepath apply` adds it again)")
    return found


# NAT may have been added since `up`, which refuses it.
def _moved(handles: Handles) -> list[str]:
    if "nat" not in handles.host:
        return []
    from wirepath.datapath.host import nat

    return nat.warnings(handles.device, handles.host["nat"])


def _out_of_place(handles: Handles) -> list[str]:
    found = []
    cure = f"put it back: `wirepath apply {handles.iface} POLICY`"
    for hook, place in handles.attachments().items():
        what = "filter" if place.link_id is None else "link"
        if hook == "ingress" or place.running == place.program_id:
            continue
        if place.running:
            found.append(f"{hook}: program {place.running} runs there, which is not ours ({cure})")
        else:
            found.append(f"{hook}: our {what} was removed, so no rule is in force there ({cure})")
    return found


def full_warnings(bans: Usage) -> list[str]:
    """Warn if the table of bans is nearly full, or was full when a limit imposed a ban."""
    found = []
    if bans.used >= _NEARLY_FULL * bans.room:
        found.append(f"bans: {bans.used} of {bans.room} used ({_LIFT})")
    if bans.refused:
        what = "the table was full, or the kernel had no memory"
        found.append(f"bans: {bans.refused} of limits refused, {what} ({_LIFT})")
    return found
