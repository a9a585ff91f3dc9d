"""Offloads by which a card merges received packets: XDP turns them off, `down` turns them on again.

The kernel and some drivers do so by themselves when a program is attached, and leave it at that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wirepath.errors import RequestError
from wirepath.kernel import offloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements


def survey(needs: Requirements, place: Place, before: Sequence[str] | None) -> list[str]:  # noqa: ARG001
    """Record the offloads that are on, besides those on record already.

    Raises:
        RequestError: there is no such interface.
        KernelError: the offloads cannot be read.
    """
    now = offloads.are_on(place.device, sorted(offloads.MERGING))
    return sorted({*now, *(before or ())})


def arrange(
    needs: Requirements, place: Place, record: Sequence[str] | None, before: Sequence[str] | None
) -> None:
    """Do nothing: attaching a program turns them off."""


def restore(place: Place, record: Sequence[str], keep: Sequence[str] | None) -> None:
    """Turn the recorded offloads on, unless *keep* has them; nothing if the interface is gone.

    Raises:
        KernelError: the kernel refuses.
    """
    off = [each for each in record if each not in (keep or ())]
    if off:
        with suppress(RequestError):
            offloads.turn_on(place.device, off)
