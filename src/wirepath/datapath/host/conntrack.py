"""Connection tracking: turned on by an nft table of ours while a rule needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirepath.errors import NotSupported
from wirepath.kernel import conntrack

if TYPE_CHECKING:
    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements


def survey(needs: Requirements, place: Place, before: str | None) -> str:  # noqa: ARG001
    """Record the nft rule that makes the kernel track connections; empty if none is needed."""
    return conntrack.rule(place.iface) if needs.conntrack else ""


def arrange(
    needs: Requirements,  # noqa: ARG001
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
