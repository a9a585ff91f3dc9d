"""Where mirrors send copies: interfaces that show frames as a wire would, tunnels of our making."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, TypedDict

from wirepath.errors import PinError, RequestError
from wirepath.kernel import offloads, tunnels
from wirepath.kernel.bpffs import Pins
from wirepath.kernel.clsact import Filter
from wirepath.kernel.interface import Interface
from wirepath.kernel.maps import Map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.actions.needs import Target
    from wirepath.datapath.host.arrange import Place
    from wirepath.kernel.offloads import Feature
    from wirepath.policy import Policy

_OFF: Final[tuple[Feature, ...]] = ("tso", "gso", "tx")
"""What an interface does late: behind it frames are whole, and their checksums not there yet."""


class Found(TypedDict):
    """What there was, and what was made.

    Attributes:
        offloads: by interface, as they were.
        tunnels: the names of ours.
    """

    offloads: dict[str, dict[Feature, bool]]
    tunnels: list[str]


@contextmanager
def arranged(policy: Policy, place: Place, before: Found | None) -> Iterator[Found | None]:
    """Let there be every device that *policy* mirrors to; if the context fails, all is as it was.

    What the policy before needed and this one does not goes when the context ends.

    Raises:
        RequestError: there is no such interface, or it is the one that is mirrored.
        KernelError: the kernel makes no such tunnel, or an interface has its offloads fixed.
    """
    old = before or Found(offloads={}, tunnels=[])
    new = Found(offloads={}, tunnels=[])
    with ExitStack() as undo:
        for words, (rule, target) in _targets(policy).items():
            if target.kind == "device":
                _check(rule, words, place.iface)
                new["offloads"][words] = _plain(words, place.iface, old, undo)
            else:
                name = tunnel_name(place.iface, words)
                new["tunnels"].append(name)
                if name not in old["tunnels"] or not _exists(name):
                    tunnels.remove(name)  # of a process that died
                    _make(name, target)
                    undo.callback(tunnels.remove, name)
        yield new if any(new.values()) else None
        undo.pop_all()
    left = Found(
        offloads={n: was for n, was in old["offloads"].items() if n not in new["offloads"]},
        tunnels=[name for name in old["tunnels"] if name not in new["tunnels"]],
    )
    restore(place.iface, left)


def restore(iface: str, found: Found) -> None:
    """Remove our tunnels and put offloads back, unless another interface mirrors there too.

    Raises:
        KernelError: it cannot be done.
    """
    for name in found["tunnels"]:
        tunnels.remove(name)
    others = {name for state in _elsewhere(iface) for name in state["offloads"]}
    for name, was in found["offloads"].items():
        if name not in others:
            _put(name, was)


def abandon(iface: str) -> None:
    """Remove tunnels and filters of *iface*; what offloads were is not known any more."""
    from wirepath.datapath.host import truncate

    truncate.abandon(iface)
    for _, name in socket.if_nameindex():
        if name.startswith(_prefix(iface)):
            tunnels.remove(name)


def tunnel_name(iface: str, words: str) -> str:
    """Name the tunnel from *iface* to the target *words*; 15 bytes."""
    return _prefix(iface) + _digest(words)


def devices(policy: Policy, iface: str) -> dict[str, int]:
    """Give the ifindex of every target that is there now."""
    found = {}
    for words, (_, target) in _targets(policy).items():
        name = words if target.kind == "device" else tunnel_name(iface, words)
        with suppress(OSError):
            found[words] = socket.if_nametoindex(name)
    return found


# By its words, with the first rule that names it.
def _targets(policy: Policy) -> Mapping[str, tuple[str, Target]]:
    from wirepath.actions.mirror import Mirror

    found: dict[str, tuple[str, Target]] = {}
    for rule in policy.rules:
        if isinstance(rule.action, Mirror):
            found.setdefault(rule.action.to.words, (rule.name, rule.action.to))
    return found


def _check(rule: str, name: str, iface: str) -> None:
    if name == iface:
        cure = "name another: copies would be copied again"
        raise RequestError(f"rule.{rule}: mirrors {name} to itself ({cure})")
    if not _exists(name):
        cure = f"make it: `ip link add {name} type veth`, or name another"
        raise RequestError(f"rule.{rule}: {name}: no such interface ({cure})")


# Gives what the offloads were before anybody mirrored there.
def _plain(name: str, iface: str, old: Found, undo: ExitStack) -> dict[Feature, bool]:
    now = {feature: offloads.get(name, feature) for feature in _OFF}
    undo.callback(_put, name, now)
    for feature in _OFF:
        offloads.put(name, feature, on=False)
    known = [old, *_elsewhere(iface)]
    return next((state["offloads"][name] for state in known if name in state["offloads"]), now)


def _put(name: str, was: Mapping[Feature, bool]) -> None:
    with suppress(RequestError):  # it is gone
        for feature in reversed(_OFF):  # tso needs tx
            offloads.put(name, feature, on=was[feature])


# What other interfaces that wirepath is up on have noted; the lock is the caller's.
def _elsewhere(iface: str) -> Iterator[Found]:
    from wirepath.datapath.generation.manifest import Manifest

    pins = Pins.find()
    for name in pins.names():
        if name != iface:
            with suppress(PinError), Map.open(pins.directory(name) / "manifest") as pages:
                if found := Manifest.read(pages, name).surroundings.get("mirrors"):
                    yield found


# What comes in by it could be from anybody, and for this host: nothing does.
def _make(name: str, target: Target) -> None:
    from wirepath.datapath.host.truncate import load

    if target.kind == "device" or not target.remote:
        raise AssertionError(target)

    def shut() -> None:
        with load("shut") as loaded:
            # A filter lives and dies with the device.
            Filter.attach(loaded.programs["shut"], Interface.of(name).index, "tc_ingress")

    tunnels.create(name, target.kind, target.remote, target.number, prepare=shut)


def _exists(name: str) -> bool:
    return any(name == there for _, there in socket.if_nameindex())


def _prefix(iface: str) -> str:
    return f"wp{_digest(iface)}-"


def _digest(text: str) -> str:
    return blake2s(text.encode(), digest_size=3).hexdigest()
