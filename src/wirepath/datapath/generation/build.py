"""The next generation of a change, loaded next to the serving one, whose state it takes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from wirepath.datapath.generation.load import Generation
from wirepath.datapath.generation.loading import Loading
from wirepath.datapath.generation.manifest import Seen, describing
from wirepath.datapath.generation.pinned import INGRESS
from wirepath.datapath.generation.state import ban_room, first_slots, next_slots
from wirepath.datapath.host.mirrors import devices
from wirepath.datapath.live import counters
from wirepath.datapath.live.ban_view import BanView
from wirepath.kernel.interface import Interface, mac_of, received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.handles import Handles
    from wirepath.datapath.live.prefix_counters import Replacement
    from wirepath.datapath.order import Order


@dataclass(frozen=True, slots=True)
class Next:
    """A loaded generation that does not serve yet.

    Attributes:
        old: handles of the serving generation; None if none serves.
        loaded: its programs and tables.
        prefixes: the exchange of prefix counters; None if no set counts by prefix.
    """

    old: Handles | None
    loaded: Generation
    prefixes: Replacement | None

    @classmethod
    def load(cls, order: Order, old: Handles | None, owner: Mapping[str, Any]) -> Self:
        """Load the programs for *order* and write their tables.

        Args:
            order: what is to serve.
            old: handles of the serving generation; None if none serves.
            owner: the pins that it will belong to, as in `Manifest`.

        Raises:
            RequestError: the policy asks for more than the tables hold.
            KernelError: the kernel refuses it.
        """
        policy = order.policy
        if old:
            slots = next_slots(old.manifest, policy, old.maps)
            BanView(old).forget({*slots.counters.values()} - {*old.manifest.counters.values()})
        else:
            slots = first_slots(policy)
        manifest, maps = (old.manifest, old.maps) if old else (None, {})
        met = counters.hooks(old) if old else {}
        seen = Seen(
            received(order.place.device),
            met[INGRESS].packets if met else 0,
            {hook: outcomes.reasons["misread"].packets for hook, outcomes in met.items()},
        )
        loaded = Generation.load(
            policy,
            order.members,
            before=maps or None,
            sizes={"bans": ban_room(policy, order.bans, manifest, maps)},
            slots=slots,
            describe=describing(policy, order.mode, slots, order.tc, seen=seen, owner=owner),
            devices=devices(order.needs, order.place.iface),
            link=order.link,
            mac=mac_of(order.place.device),
            loading=Loading.of(policy, order.mode, Interface.of(order.place.device)),
        )
        try:
            prefixes = loaded.replace_counters(order.members, old.manifest.counting if old else {})
        except BaseException:
            loaded.close()
            raise
        return cls(old, loaded, prefixes)

    def hand_over(self) -> None:
        """Take the state of rules that stay over, right before this generation serves."""
        if self.old:
            self.loaded.take_over(self.old.maps, self.old.policy, self.old.manifest.slots)
