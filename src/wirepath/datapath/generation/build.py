"""The next generation of a change, loaded next to the one that serves and with its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wirepath.datapath.generation import state as actions
from wirepath.datapath.generation.load import STATE, Generation
from wirepath.datapath.generation.manifest import describing
from wirepath.datapath.generation.slots import Succession
from wirepath.datapath.host.mirrors import devices
from wirepath.datapath.live.ban_view import BanView

if TYPE_CHECKING:
    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.prefix_counters import Replacement
    from wirepath.datapath.steps import Order
    from wirepath.kernel.maps import Map
    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True)
class Next:
    """A generation that does not serve yet.

    Attributes:
        old: handles of the one that does; None if none does.
        slots: the places of its names.
        loaded: its programs and tables.
        prefixes: the counters of prefixes that take the place of others; None if no set counts.
    """

    old: Handles | None
    slots: Succession
    loaded: Generation
    prefixes: Replacement | None

    @classmethod
    def load(cls, order: Order, old: Handles | None, ifindex: int) -> Self:
        """Load the programs for *order* and write their tables.

        Args:
            order: what is to serve.
            old: handles of what serves now.
            ifindex: of the interface, for programs that run on its card.

        Raises:
            RequestError: the policy asks for more than the tables hold.
            KernelError: the kernel does not take it.
        """
        policy = order.policy
        slots = Succession.first(policy)
        if old:
            slots = Succession.after(old.manifest, policy, old.maps["rule_counters"])
            given = set(slots.counters.values()) - set(old.manifest.counters.values())
            BanView(old).forget(given)
        loaded = Generation.load(
            policy,
            order.members,
            state=_carried(old, policy, slots) if old else {},
            succession=slots,
            describe=describing(policy, order.mode, slots, order.tc),
            devices=devices(order.needs, order.place.iface),
            ifindex=ifindex if order.mode == "offload" else 0,
        )
        counting = old.manifest.counting if old else {}
        try:
            prefixes = loaded.replace_counters(order.members, slots.counting, counting)
        except BaseException:
            loaded.close()
            raise
        return cls(old, slots, loaded, prefixes)

    def hand_over(self) -> None:
        """Let limits that stay find what they remember, and new ones nothing."""
        if self.old:
            rooms = self.old.manifest.rooms
            actions.hand_over(self.old.maps, self.loaded.maps, rooms, self.slots.rooms)


def _carried(old: Handles, policy: Policy, slots: Succession) -> dict[str, Map]:
    state = {name: old.maps[name] for name in STATE}
    return state | actions.carried(old.maps, actions.state_sizes(policy, slots))
