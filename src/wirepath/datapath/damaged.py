"""The status of an interface whose pins are damaged: what still runs there, and the cure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wirepath.datapath import salvage
from wirepath.datapath.generation.pinned import INGRESS

if TYPE_CHECKING:
    from wirepath.errors import DamageError
    from wirepath.kernel.bpffs import Pins


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """An interface whose pins are damaged.

    Attributes:
        iface: the name of the interface.
        damage: the file that is damaged, and how.
        filtering: whether our program of ingress is still attached.
        hooks: by hook, how our program is still attached there.
        warnings: one line that says all this, with the cure.
    """

    iface: str
    damage: str
    filtering: bool
    hooks: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give it as plain values, for JSON."""
        return asdict(self)


def damaged(pins: Pins, home: str, error: DamageError) -> Damaged:
    """Describe the interface that is pinned as *home*, whose damage *error* tells."""
    hooks = {
        each.hook: {
            "attach": each.attach,
            "program_id": each.program_id,
            "link_id": each.link_id,
        }
        for each in salvage.attached(pins, home)
        if each.hook
    }
    serves = f"still in force at {', '.join(hooks)}" if hooks else "nothing is filtered"
    cure = f"`wirepath down {error.iface}`, then `wirepath up {error.iface} POLICY`"
    return Damaged(
        iface=error.iface,
        damage=error.damage,
        filtering=INGRESS in hooks,
        hooks=hooks,
        warnings=(f"its pins are damaged, {serves}: {error.damage} ({cure})",),
    )
