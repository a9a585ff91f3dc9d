"""The root qdisc fq, for limits that shape: installed if the operator allows it, and restored."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wirepath.errors import RequestError
from wirepath.kernel import qdisc
from wirepath.kernel.interface import Interface

if TYPE_CHECKING:
    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements


def survey(needs: Requirements, place: Place, before: str | None) -> str:
    """Record the qdisc that fq will replace; empty if it replaces none.

    Raises:
        RequestError: the root qdisc is not fq and may not be replaced.
        KernelError: the root qdisc could not be restored later.
    """
    if not needs.fq or before:
        return before or ""
    ifindex = Interface.of(place.device).index
    if qdisc.paces(ifindex):
        return ""
    if not place.qdisc:
        cure = f"`tc qdisc replace dev {place.device} root fq`, or allow it until down: `--qdisc`"
        found = qdisc.root(ifindex) or "none"
        raise RequestError(
            f"rule.{needs.fq}: shape needs the root qdisc fq on {place.device}, it is {found}"
            f" ({cure})"
        )
    return qdisc.kept(ifindex)


def arrange(
    needs: Requirements,
    place: Place,
    record: str | None,
    before: str | None,  # noqa: ARG001
) -> None:
    """Replace the recorded qdisc by fq.

    Raises:
        NotSupported: this kernel has no fq.
        KernelError: the kernel refuses.
    """
    if needs.fq and record:
        qdisc.put_fq(Interface.of(place.device).index)


def restore(place: Place, record: str, keep: str | None) -> None:
    """Restore the qdisc that fq replaced; do nothing if the interface is gone.

    Raises:
        KernelError: the kernel refuses.
    """
    if not keep:
        with suppress(RequestError):
            qdisc.restore(Interface.of(place.device).index, record)
