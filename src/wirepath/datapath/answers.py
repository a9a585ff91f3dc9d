"""Whether what a policy answers arrives: not over every veth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wirepath.kernel.interface import Interface
from wirepath.kernel.veth import peer_of

if TYPE_CHECKING:
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.counters import Outcomes
    from wirepath.kernel.links import Mode
    from wirepath.policy import Policy

_CURE: Final = "attach one there, such as `wirepath up` with an empty policy, or use --mode generic"


def note(name: str, policy: Policy, mode: Mode) -> str:
    """Say that answers of *policy* do not arrive, or may not, on interface *name*; empty if not.

    Raises:
        RequestError: there is no such interface in this network namespace.
    """
    rules = [rule.name for rule in policy.at("ingress").rules if "tx" in rule.action.may]
    if not rules or mode != "native" or not (peer := peer_of(Interface.of(name))):
        return ""
    if peer.takes_answers:
        return ""
    whose = f"rule {rules[0]}" if len(rules) == 1 else f"rules {rules[0]} and {len(rules) - 1} more"
    if peer.takes_answers is None:
        said = f"answers of {whose} need a native XDP program on the peer of veth {name}"
        return f"{said}, which cannot be seen from here ({_CURE})"
    where = peer.name if peer.here else f"{peer.name} in another network namespace"
    said = f"answers of {whose} do not arrive over veth {name}"
    return f"{said}: its peer, {where}, has no native XDP program ({_CURE})"


def warnings(handles: Handles, ingress: Outcomes) -> list[str]:
    """Warn of answers that were sent, and that the peer of a veth does not take."""
    sent = ingress.verdicts["tx"].packets
    if not sent or handles.manifest.mode != "native":
        return []
    peer = peer_of(Interface.of(handles.device))
    if not peer or peer.takes_answers is not False:
        return []
    said = f"{sent:,} answer{'s' * (sent != 1)} sent, and none arrives as long as the peer of this"
    return [f"ingress: {said} veth, {peer.name}, has no native XDP program ({_CURE})"]
