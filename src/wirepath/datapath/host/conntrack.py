"""Connections are tracked while a rule asks for them: by a table of nft that is ours."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wirepath.errors import KernelError, NotSupported
from wirepath.kernel import conntrack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wirepath.datapath.host.arrange import Place
    from wirepath.policy import Policy

log = logging.getLogger(__name__)


@contextmanager
def arranged(policy: Policy, place: Place, before: str | None) -> Iterator[str | None]:
    """Have connections tracked if *policy* asks for them; if the context fails, as it was.

    What it does not ask for any more ends with the context: until then the old one serves.

    Yields:
        The rule that makes the kernel do it; None if there is none.

    Raises:
        NotSupported: this kernel tracks nothing, or does not let programs ask.
        KernelError: nft is missing, or the kernel refuses.
    """
    iface = place.iface
    if not policy.tracks:
        yield None
        if before:
            _forget(iface)
        return
    added = not (before and conntrack.watched(iface))
    try:
        if added:
            conntrack.watch(iface)
        _check(iface)  # only now: it may be a module, and nft has the kernel load it
        yield conntrack.rule(iface)
    except BaseException:
        if added and not before:
            _forget(iface)
        raise


def _check(iface: str) -> None:
    if not conntrack.askable():
        needs = "CONFIG_NF_CONNTRACK and CONFIG_DEBUG_INFO_BTF"
        raise NotSupported(f"look connections up on {iface}", needs=needs)


def restore(iface: str, found: str) -> None:  # noqa: ARG001 - it is known by the interface
    """Remove the table, and with it the tracking, unless others ask for it."""
    conntrack.unwatch(iface)


def abandon(iface: str) -> None:
    """Remove a table that may be there."""
    if conntrack.installed():
        _forget(iface)


# The policy that needs it is gone already, and nothing of that is to be undone.
def _forget(iface: str) -> None:
    try:
        conntrack.unwatch(iface)
    except KernelError as error:
        log.warning("%s", error)
