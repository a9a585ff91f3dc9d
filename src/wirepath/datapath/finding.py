"""Where wirepath is up, and which of these interfaces is meant."""

from __future__ import annotations

from wirepath.datapath.attach import recover
from wirepath.errors import RequestError
from wirepath.kernel.bpffs import Pins


def settled() -> Pins:
    """Find the pins of this machine, when nothing is left half done by processes that died."""
    pins = Pins.find()
    if pins.leftovers():
        with pins.locked():
            recover(pins)
    return pins


def choose_name(name: str | None, up: list[str]) -> str:
    """Give *name*, or the only interface that is *up* if it is None.

    Raises:
        RequestError: nothing is up there, or a name is needed.
    """
    if name is None and len(up) == 1:
        return up[0]
    if name is None and up:
        raise RequestError(f"which one: {', '.join(up)} are up (name it: --iface {up[0]})")
    if name is None or name not in up:
        what = f"{name}: wirepath is not up there" if name else "wirepath is not up anywhere"
        cure = f"up on {', '.join(up)}" if up else "bring it up: `wirepath up IFACE POLICY`"
        raise RequestError(f"{what} ({cure})")
    return name
