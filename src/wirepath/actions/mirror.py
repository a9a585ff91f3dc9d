"""``mirror``: send a copy of the packet to a monitor; the packet itself goes on.

The kernel's half is ``bpf/actions/mirror.h``.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, ClassVar, Final

from wirepath.actions.action import Action, Counting, Key, Memory
from wirepath.actions.needs import Copies, Target
from wirepath.actions.placed import Placed
from wirepath.actions.state import StateMap
from wirepath.document import Table, string
from wirepath.errors import RequestError, shown
from wirepath.net import Hook, Packet

MIRRORS_MOST: Final = 64  # MIRRORS_MAX of bpf/actions/mirror.h
_ONE_IN_MOST: Final = 1_000_000_000
_SNAP_LEAST: Final = 14  # an Ethernet header
_SNAP_MOST: Final = 65_535  # MIRROR_SNAP of bpf/actions/mirror_mark.h

_COUNTERS: Final = StateMap(name="mirror_counters")
COUNTER_BLOCKS: Final = 40  # RULE_BLOCKS of bpf/stats.h

_SUCH_AS: Final = '"mirror0", "vxlan:IP:VNI" or "erspan:IP:ID"'
_DEVICE: Final = re.compile(r"[^\s/:]{1,15}")  # dev_valid_name in net/core/dev.c
_NUMBERS: Final = {"vxlan": ("VNI", (1 << 24) - 1), "erspan": ("ERSPAN ID", (1 << 10) - 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror(Action):
    """A copy of each packet that matches, as it leaves the hook, is sent to a device.

    Attributes:
        to: the device that gets the copies.
        one_in: of each block of so many packets, a CPU copies one at random.
        snap: bytes that a copy keeps; None if it is whole.
    """

    to: Target
    one_in: int = 1
    snap: int | None = None

    hooks: ClassVar[tuple[Hook, ...]] = ("tc_ingress", "egress")
    kind: ClassVar[str] = "mirror"
    configs: ClassVar[str] = "mirrors"
    parallel: ClassVar[tuple[str, ...]] = ("mirror_blocks",)
    states: ClassVar[tuple[StateMap, ...]] = (_COUNTERS,)
    counting: ClassVar[Counting] = Counting(("mirrored", "mirror_failed"), _COUNTERS.name)
    most: ClassVar[int | None] = MIRRORS_MOST

    @property
    def needs(self) -> tuple[Copies]:
        """The device that copies go to."""
        return (Copies(self.to, truncated=self.snap is not None),)

    @property
    def remembers(self) -> dict[StateMap, int]:
        """A map of counters with room for every slot."""
        return {_COUNTERS: COUNTER_BLOCKS}

    def decide(self, packet: Packet, memory: Memory) -> None:
        """Let *packet* go on; the model sends no copies."""

    def lower(self, placed: Placed) -> dict[str, Any]:
        """Give the values of ``struct mirror``."""
        return {
            "ifindex": placed.devices.get(self.to.words, 0),
            "one_in": self.one_in,
            "snap": self.snap or 0,
            "rule": placed.slot,
        }

    def describe(self) -> str:
        """Say ``mirror to mirror0, 1 in 100, 96 bytes``."""
        one_in = f", 1 in {self.one_in:,}" if self.one_in > 1 else ""
        snap = f", {self.snap:,} bytes" if self.snap else ""
        return f"mirror to {self.to.words}{one_in}{snap}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        snap = {"snap": self.snap} if self.snap else {}
        return {"mirror": {"to": self.to.words, "one_in": self.one_in} | snap}


def read(rule: Table) -> Mirror | None:
    """Take ``mirror`` from *rule*; None if it is invalid; the errors are recorded."""
    table = rule.table("mirror", 'mirror = { to = "mirror0" }')
    to = table.one("to", _target, None)
    if "to" not in table:
        table.wrong("to", f"a mirror without `to` (write to = {_SUCH_AS})")
    one_in = table.one("one_in", _one_in, 1)
    snap = table.one("snap", _snap, None)
    table.done()
    return Mirror(to=to, one_in=one_in, snap=snap) if to else None


def _target(value: Any) -> Target:
    words = string(value)
    if ":" not in words:
        if _DEVICE.fullmatch(words) and words not in (".", ".."):
            return Target(words=words)
        raise RequestError(f"{shown(value)}: nowhere to mirror to (write {_SUCH_AS})")
    kind, _, rest = words.partition(":")
    remote, _, number = rest.rpartition(":")
    if kind not in _NUMBERS:
        raise RequestError(f"{shown(value)}: nowhere to mirror to (write {_SUCH_AS})")
    there = _remote(value, remote)
    return Target(
        words=words,
        kind="vxlan" if kind == "vxlan" else "erspan",
        remote=there,
        number=_number(kind, number),
    )


def _remote(value: Any, text: str) -> IPv4Address | IPv6Address:
    try:
        remote = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise RequestError(f"{shown(value)}: nowhere to mirror to (write {_SUCH_AS})") from None
    if remote.is_multicast or remote.is_unspecified:
        raise RequestError(f"{shown(value)}: {remote} is not of one host (name the collector)")
    return remote


def _number(kind: str, text: str) -> int:
    what, most = _NUMBERS[kind]
    if text.isascii() and text.isdigit() and int(text) <= most:
        return int(text)
    raise RequestError(f"{shown(text)}: not a number for {kind} ({what}s go from 0 to {most})")


def _one_in(value: Any) -> int:
    return _whole(value, "not a number of packets", 1, _ONE_IN_MOST)


def _snap(value: Any) -> int:
    return _whole(value, "not a length of frames in bytes", _SNAP_LEAST, _SNAP_MOST)


def _whole(value: Any, what: str, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise RequestError(f"{shown(value)}: {what} (they go from {least} to {most})")


RULE_KEYS: Final = {"mirror": Key(read, (Mirror,))}
