"""``mark`` and ``priority``: set what the kernel keeps of a packet besides its bytes.

Routing rules and nft tell packets apart by ``skb->mark``; a qdisc chooses a class by
``skb->priority``. The walk goes on. The kernel's half is ``bpf/actions/mark.h``.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from wirepath.actions.action import Action, Key, Memory
from wirepath.actions.placed import Placed
from wirepath.errors import RequestError, shown
from wirepath.net import Hook, Packet

_MOST: Final = (1 << 32) - 1
_HEX: Final = re.compile(r"0x([0-9a-f]{1,8})", re.ASCII | re.IGNORECASE)
_HANDLE: Final = re.compile(r"([0-9a-f]{1,4}):([0-9a-f]{1,4})", re.ASCII | re.IGNORECASE)
_OURS: Final = 0x7769  # the upper half of MIRROR_MARK of bpf/actions/mirror_mark.h
_HALF: Final = 16
_LOW: Final = (1 << _HALF) - 1


@dataclass(frozen=True, slots=True)
class Mark(Action):
    """Packets that match leave with another mark; the last rule that matches wins.

    Attributes:
        value: 0 to 2^32 - 1.
    """

    value: int

    kind: ClassVar[str] = "mark"
    configs: ClassVar[str] = "skb_marks"
    hooks: ClassVar[tuple[Hook, ...]] = ("tc_ingress", "egress")
    absent: ClassVar[str] = "XDP has no skb"

    def decide(self, packet: Packet, memory: Memory) -> None:  # noqa: ARG002 - for every packet
        """Note the value and let the packet go on."""
        memory.leaves_with[self.kind] = self.value

    def lower(self, placed: Placed) -> dict[str, Any]:  # noqa: ARG002 - the same on every host
        """Give the values of ``struct skb_mark``."""
        return {"value": self.value}

    def describe(self) -> str:
        """Say ``mark 0x7``, as tc and ip do."""
        return f"mark {self.value:#x}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        return {"mark": self.value}


@dataclass(frozen=True, slots=True)
class Priority(Mark):
    """Packets that match leave with another priority; the last rule that matches wins."""

    kind: ClassVar[str] = "priority"

    def describe(self) -> str:
        """Say ``priority 1:10``, or ``priority 6``."""
        return f"priority {self._spelt}"

    def document(self) -> dict[str, Any]:
        """Give the key of the rule."""
        return {"priority": self._spelt}

    @property
    def _spelt(self) -> str | int:
        major = self.value >> _HALF
        return f"{major:x}:{self.value & _LOW:x}" if major else self.value


def _read_mark(value: Any) -> Mark:
    if isinstance(value, str) and (match := _HEX.fullmatch(value)):
        value = int(match[1], 16)
    mark = _number(value, "not a mark", '"0x7"')
    if mark >> _HALF == _OURS:
        raise RequestError(
            f"{shown(value)}: wirepath marks copies so (write another than {_OURS:#x}0000 to"
            f" {_OURS:#x}ffff)"
        )
    return Mark(mark)


def _read_priority(value: Any) -> Priority:
    if isinstance(value, str) and (match := _HANDLE.fullmatch(value)):
        value = int(match[1], 16) << _HALF | int(match[2], 16)
    return Priority(_number(value, "not a priority", 'a class of tc such as "1:10"'))


def _number(value: Any, wrong: str, other: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    raise RequestError(f"{shown(value)}: {wrong} (write a number from 0 to {_MOST}, or {other})")


RULE_KEYS: Final = {
    "mark": Key(lambda rule: rule.one("mark", _read_mark, None), (Mark,)),
    "priority": Key(lambda rule: rule.one("priority", _read_priority, None), (Priority,)),
}
