"""Connection tracking: turned on by an nft table of ours while a rule needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wirepath.errors import NotSupported
from wirepath.kernel import conntrack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from wirepath.datapath.host.place import Place
    from wirepath.kernel.nft_walk import Found
    from wirepath.plan.requirements import Requirements


def survey(needs: Requirements, place: Place, before: str | None) -> str:  # noqa: ARG001
    """Record the nft rule that makes the kernel track connections; empty if none is needed."""
    return conntrack.rule(place.iface) if needs.conntrack else ""


def arrange(
    needs: Requirements,
    place: Place,
    record: str | None,
    before: str | None,  # noqa: ARG001
) -> None:
    """Add the nft rule, unless it exists.

    Raises:
        NotSupported: this kernel does not track connections, or programs cannot look them up.
        KernelError: nft is missing, or the kernel refuses.
    """
    iface = place.iface
    if not record:
        return
    if not conntrack.watched(iface):
        conntrack.watch(iface)
    # Checked only now: conntrack may be a module, and adding the nft rule loads it.
    if not conntrack.askable():
        kernel = "CONFIG_NF_CONNTRACK and CONFIG_DEBUG_INFO_BTF"
        raise NotSupported(f"look connections up on {iface}", needs=kernel)
    if needs.zoned and not conntrack.zoned():
        doing = f"rule.{needs.zoned}: look connections up in a zone"
        raise NotSupported(doing, needs="Linux 6.11")
    if needs.untracked and not conntrack.on_packets():
        doing = f"rule.{needs.untracked}: tell what is untracked"
        raise NotSupported(doing, needs="Linux 6.2")


def restore(place: Place, record: str, keep: str | None) -> None:  # noqa: ARG001
    """Remove our nft table unless *keep* needs it; tracking ends unless other software uses it.

    Raises:
        KernelError: nft is missing, or the kernel refuses.
    """
    if not keep and conntrack.installed():
        conntrack.unwatch(place.iface)


def forget(place: Place) -> None:
    """Remove our nft table of *place*, if there is one.

    Raises:
        KernelError: the kernel refuses.
    """
    if conntrack.installed() and conntrack.watched(place.iface):
        conntrack.unwatch(place.iface)


def warnings(device: str, rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """Warn where rules of nft make netfilter judge packets otherwise than our programs can.

    Args:
        device: the interface.
        rules: those of the policy, as `Rule.document` gives them.

    Raises:
        KernelError: the rules of nft cannot be read.
    """
    # At egress netfilter has judged the packet itself.
    known = {"egress"} if conntrack.on_packets() else set()
    early = [rule for rule in rules if "ct" in rule["match"] and set(rule["hook"]) - known]
    if not early:
        return []
    from wirepath.kernel.nft_uses import untracking, zoning
    from wirepath.kernel.ruleset import Ruleset

    ruleset, found = Ruleset.read(), []
    if rule := untracking(ruleset, device):
        cure = "takes such packets for new (match them at egress, or by port before it)"
        found.append(_said(rule, early[0], known, cure))
    unzoned = [each for each in early if "ct_zone" not in each["match"]]
    if unzoned and (rule := zoning(ruleset, device)):
        found.append(_said(rule, unzoned[0], known, "looks in zone 0 alone (write ct_zone)"))
    return found


def _said(found: Found, rule: Mapping[str, Any], known: Collection[str], cure: str) -> str:
    hook = next(hook for hook in rule["hook"] if hook not in known)
    return (
        f"conntrack: rule {found.handle} of nft chain {found.chain} has {found.does}, and"
        f" rule.{rule['name']} at {hook} {cure}"
    )
