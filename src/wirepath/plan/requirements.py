"""What the host must have before a policy can serve on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wirepath.actions.needs import Copies, Fq, Sysctl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.actions.needs import Target
    from wirepath.policy import Policy


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


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a policy needs of its host, each need with the first rule that has it.

    Attributes:
        sysctls: settings of the kernel, in the order of the rules that ask for them.
        conntrack: the rule that asks for the state of connections; empty if none does.
        fq: the rule that needs fq as the root qdisc; empty if none does.
        mirrors: devices that copies are sent to, by `Target.words`.
    """

    sysctls: tuple[Setting, ...]
    conntrack: str
    fq: str
    mirrors: Mapping[str, Mirrored]


def requirements(policy: Policy) -> Requirements:
    """Gather what the rules of *policy* need of the host, at all hooks together."""
    sysctls: dict[tuple[str, tuple[str, ...]], str] = {}
    fq = ""
    mirrors: dict[str, Mirrored] = {}
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
    return Requirements(
        sysctls=tuple(Setting(rule, *setting) for setting, rule in sysctls.items()),
        conntrack=next((rule.name for rule in policy.rules if rule.match.ct is not None), ""),
        fq=fq,
        mirrors=mirrors,
    )
