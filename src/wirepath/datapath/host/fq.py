"""The root qdisc fq, for limits that shape: put there by the operator's word, and put back."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from wirepath.errors import RequestError
from wirepath.kernel import qdisc
from wirepath.kernel.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.datapath.host.arrange import Place
    from wirepath.policy import Policy


@contextmanager
def arranged(policy: Policy, place: Place, before: str | None) -> Iterator[str]:
    """Let packets wait for their time if *policy* gives them one; if the context fails, as before.

    Yields:
        What was there before fq; empty if fq is not ours.

    Raises:
        RequestError: the root qdisc is another and may not be changed.
        NotSupported: this kernel has no fq.
        KernelError: the one that is there could not be put back later.
    """
    rule = _shaping(policy)
    ifindex = Interface.of(place.iface).index if rule else 0
    if not rule or qdisc.paces(ifindex):
        yield before or ""
        return
    if not place.qdisc:
        cure = f"`tc qdisc replace dev {place.iface} root fq`, or allow it until down: `--qdisc`"
        found = qdisc.root(ifindex) or "none"
        raise RequestError(
            f"rule.{rule}: shape needs the root qdisc fq on {place.iface}, it is {found} ({cure})"
        )
    found = qdisc.put_fq(ifindex)
    try:
        yield found
    except BaseException:
        qdisc.restore(ifindex, found)
        raise


# The first rule that shapes; empty if none does.
def _shaping(policy: Policy) -> str:
    shaping = (
        rule.name
        for rule in policy.rules
        if any(limit.shape for limit in rule.action.limits.values())
    )
    return next(shaping, "")


def restore(iface: str, found: str) -> None:
    """Put back what was there before fq; nothing is done if the interface is gone.

    Raises:
        KernelError: the kernel refuses.
    """
    with suppress(RequestError):
        qdisc.restore(Interface.of(iface).index, found)


def abandon(iface: str) -> None:
    """Leave the qdisc alone: what was there before is not known any more."""
