"""The devices that mirrors send copies to: interfaces without offloads, and tunnels of ours."""

from __future__ import annotations

import socket
from contextlib import suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, TypedDict

from wirepath.errors import RequestError
from wirepath.kernel import offloads, tunnels
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.clsact import Filter
from wirepath.kernel.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.actions.needs import Target
    from wirepath.datapath.host.place import Place
    from wirepath.kernel.offloads import Feature
    from wirepath.plan.requirements import Requirements

_OFF: Final[tuple[Feature, ...]] = ("tso", "gso", "tx")
"""Offloads that run after mirroring: with them copies are unsegmented and lack checksums."""


class Record(TypedDict):
    """The record of what was changed for mirrors.

    Attributes:
        offloads: by interface, whether each offload was on.
        tunnels: the names of our tunnels.
        truncated: the names of the devices at which copies are truncated.
    """

    offloads: dict[str, dict[Feature, bool]]
    tunnels: list[str]
    truncated: list[str]


def survey(needs: Requirements, place: Place, before: Record | None) -> Record | None:
    """Record the current offloads of interfaces, and the names of the tunnels to be made.

    Raises:
        RequestError: there is no such interface, or it is the one that is mirrored.
        KernelError: the offloads cannot be read.
    """
    if not needs.mirrors:
        return None
    iface = place.iface
    found = Record(offloads={}, tunnels=[], truncated=[])
    for words, (rule, target, truncated) in needs.mirrors.items():
        if target.kind == "device":
            _check(rule, words, place.device)
            known = [state["offloads"] for state in (before, *_elsewhere(iface)) if state]
            was = next((offs[words] for offs in known if words in offs), None)
            found["offloads"][words] = was or {f: offloads.get(words, f) for f in _OFF}
        else:
            found["tunnels"].append(tunnel_name(iface, words))
        if truncated:
            found["truncated"].append(device_name(iface, target))
    return found


def arrange(
    needs: Requirements,
    place: Place,
    record: Record | None,  # noqa: ARG001
    before: Record | None,
) -> None:
    """Turn offloads off, so that copies look as on the wire, and make missing tunnels.

    Raises:
        KernelError: the kernel refuses a tunnel, or an interface cannot turn an offload off.
    """
    for words, (_, target, _) in needs.mirrors.items():
        if target.kind == "device":
            for feature in _OFF:
                offloads.put(words, feature, on=False)
            continue
        name = tunnel_name(place.iface, words)
        if not (before and name in before["tunnels"] and _exists(name)):
            tunnels.remove(name)  # a device of that name that is not on record
            _make(name, target)


def restore(place: Place, record: Record, keep: Record | None) -> None:
    """Remove our tunnels and restore offloads, unless *keep* or another interface needs them.

    Raises:
        KernelError: the kernel refuses.
    """
    stay = [state for state in (keep, *_elsewhere(place.iface)) if state]
    for name in record["tunnels"]:
        if not keep or name not in keep["tunnels"]:
            tunnels.remove(name)
    for name, was in record["offloads"].items():
        if not any(name in state["offloads"] for state in stay):
            _put(name, was)


def forget(place: Place) -> None:
    """Remove our tunnels of *place*, which are known by their names.

    Raises:
        KernelError: the kernel refuses.
    """
    for _, name in socket.if_nameindex():
        if name.startswith(_prefix(place.iface)):
            tunnels.remove(name)


def tunnel_name(iface: str, words: str) -> str:
    """Give the name of the tunnel from *iface* to the target *words*: 15 bytes."""
    return _prefix(iface) + _digest(words)


def device_name(iface: str, target: Target) -> str:
    """Give the name of the device that copies from *iface* to *target* are sent to."""
    return target.words if target.kind == "device" else tunnel_name(iface, target.words)


def devices(needs: Requirements, iface: str) -> dict[str, int]:
    """Map the words of each target to the ifindex of its device, unless the device is gone."""
    found = {}
    for words, mirrored in needs.mirrors.items():
        with suppress(OSError):
            found[words] = socket.if_nametoindex(device_name(iface, mirrored.target))
    return found


def _check(rule: str, name: str, iface: str) -> None:
    if name == iface:
        cure = "name another: copies would be copied again"
        raise RequestError(f"rule.{rule}: mirrors {name} to itself ({cure})")
    if not _exists(name):
        cure = f"make it: `ip link add {name} type veth`, or name another"
        raise RequestError(f"rule.{rule}: {name}: no such interface ({cure})")


def _put(name: str, was: Mapping[Feature, bool]) -> None:
    with suppress(RequestError):  # the interface is gone
        for feature in reversed(_OFF):  # tso needs tx
            offloads.put(name, feature, on=was[feature])


# The records of other interfaces on which wirepath is up; the caller holds the lock.
def _elsewhere(iface: str) -> Iterator[Record]:
    from wirepath.datapath.generation.pinned import Pinned

    pins = Pins.find()
    for name in pins.names():
        number = pins.serving(name)
        if name != iface and number is not None:
            record = Pinned(name, number, pins.generation(name, number)).host.get("mirrors")
            if record:
                yield record


# A tunnel would also accept frames, from anywhere and for this host: a filter drops them all.
def _make(name: str, target: Target) -> None:
    from wirepath.datapath.host.truncate import load

    if target.kind == "device" or not target.remote:
        raise AssertionError(target)

    def shut() -> None:
        with load("shut") as loaded:
            # The filter goes away with the device.
            Filter.attach(loaded.programs["shut"], Interface.of(name).index, "tc_ingress")

    tunnels.create(name, target.kind, target.remote, target.number, prepare=shut)


def _exists(name: str) -> bool:
    return any(name == there for _, there in socket.if_nameindex())


def _prefix(iface: str) -> str:
    return f"wp{_digest(iface)}-"


def _digest(text: str) -> str:
    return blake2s(text.encode(), digest_size=3).hexdigest()
