"""What the host must have before a policy can serve on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from wirepath.actions.needs import Copies, Fq, Sysctl, Unmoved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.actions.needs import Target
    from wirepath.policy import Match, Policy
    from wirepath.policy.addresses import Addresses
    from wirepath.policy.numbers import Ranges

_EVERY_PORT: Final = ((0, 65_535),)
_IPV4_MASK: Final = 0xFFFFFFFF


class Setting(NamedTuple):
    """A setting of the kernel that a rule needs.

    Attributes:
        rule: the first rule that asks for it.
        name: as sysctl(8) has it.
        values: the values that will do; wirepath sets the first.
    """

    rule: str
    name: str
    values: tuple[str, ...]


class Mirrored(NamedTuple):
    """A device that copies are sent to.

    Attributes:
        rule: the first rule that mirrors there.
        target: which device it is.
        truncated: whether the copies of some rule are truncated there.
    """

    rule: str
    target: Target
    truncated: bool


class Flow(NamedTuple):
    """TCP packets of one family that NAT must not move.

    Attributes:
        rule: the rule that is about them.
        but, cure: as in `wirepath.actions.needs.Unmoved`.
        family: 4 or 6.
        ports: their destination ports.
        destinations, sources: ranges of their addresses, IPv4 with 32 bits; None if any.
    """

    rule: str
    but: str
    cure: str
    family: int
    ports: Ranges
    destinations: Ranges | None
    sources: Ranges | None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a policy needs of its host, each need with the first rule that has it.

    Attributes:
        sysctls: settings of the kernel, in the order of the rules that ask for them.
        conntrack: the rule that asks for the state of connections; empty if none does.
        zoned: the rule that asks for it in a zone of conntrack; empty if none does.
        untracked: the rule that asks for what is untracked; empty if none does.
        fq: the rule that needs fq as the root qdisc; empty if none does.
        mirrors: devices that copies are sent to, by `Target.words`.
        unmoved: packets that NAT must not move.
    """

    sysctls: tuple[Setting, ...]
    conntrack: str
    fq: str
    mirrors: Mapping[str, Mirrored]
    unmoved: tuple[Flow, ...] = ()
    zoned: str = ""
    untracked: str = ""


def requirements(policy: Policy) -> Requirements:
    """Gather what the rules of *policy* need of the host, at all hooks together."""
    sysctls: dict[tuple[str, tuple[str, ...]], str] = {}
    fq = ""
    mirrors: dict[str, Mirrored] = {}
    unmoved: list[Flow] = []
    for rule in policy.rules:
        for need in rule.action.needs:
            match need:
                case Sysctl(name, values):
                    sysctls.setdefault((name, values), rule.name)
                case Fq():
                    fq = fq or rule.name
                case Copies(target, truncated):
                    known = mirrors.get(target.words, Mirrored(rule.name, target, truncated=False))
                    mirrors[target.words] = known._replace(truncated=known.truncated or truncated)
                case Unmoved():
                    unmoved += _flows(rule.name, need, rule.match)
    return Requirements(
        sysctls=tuple(Setting(rule, *setting) for setting, rule in sysctls.items()),
        conntrack=next((rule.name for rule in policy.rules if rule.match.ct is not None), ""),
        fq=fq,
        mirrors=mirrors,
        unmoved=tuple(unmoved),
        zoned=next((rule.name for rule in policy.rules if rule.match.ct_zone), ""),
        untracked=next((rule.name for rule in policy.rules if _asks_untracked(rule.match)), ""),
    )


def _asks_untracked(match: Match) -> bool:
    return match.ct is not None and "untracked" in match.ct.states


def _flows(rule: str, need: Unmoved, match: Match) -> Iterator[Flow]:
    ports = match.dport.ranges if match.dport else _EVERY_PORT
    for family in (4, 6):
        destinations, sources = (_addresses(of, family) for of in (match.dst, match.src))
        if destinations != () and sources != ():
            yield Flow(rule, need.but, need.cure, family, ports, destinations, sources)


# None if any address will do, as far as that can be told without the contents of sets.
def _addresses(asked: Addresses | None, family: int) -> Ranges | None:
    if asked is None or asked.sets or not asked.prefixes:
        return None
    mask = _IPV4_MASK if family == 4 else -1  # noqa: PLR2004 - a family
    of = [prefix for prefix in asked.prefixes if prefix.family == family]
    return tuple((prefix.address & mask, prefix.last & mask) for prefix in of)
