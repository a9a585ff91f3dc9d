"""Ports that NAT moves elsewhere, although a rule counts on the listener that has them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wirepath.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Flow, Requirements
    from wirepath.policy.numbers import Ranges

    Record = Sequence[Sequence[Any]]


def survey(needs: Requirements, place: Place, before: Record | None) -> list[Flow]:  # noqa: ARG001
    """Record the packets that NAT must not move, for `warnings`.

    Raises:
        RequestError: a rule of nft may move some of them.
        KernelError: the rules cannot be read.
    """
    if not place.serving:
        for moved in _moved(place.device, needs.unmoved):
            raise RequestError(moved)
    return list(needs.unmoved)


def arrange(needs: Requirements, place: Place, record: Any, before: Any) -> None:
    """Do nothing: `survey` has refused what is not as needed."""


def restore(place: Place, record: Any, keep: Any) -> None:
    """Do nothing: nothing was changed."""


def warnings(device: str, record: Record) -> list[str]:
    """Say which of the packets on *record* rules of nft may move now.

    Raises:
        KernelError: the rules cannot be read.
    """
    return list(_moved(device, record))


def unread(needs: Requirements) -> str | None:
    """Say that rules of iptables-legacy, which cannot be read, may move ports; None if not."""
    from wirepath.kernel.nft_uses import legacy_tables

    if not needs.unmoved or "nat" not in legacy_tables():
        return None
    first = needs.unmoved[0]
    return (
        f"rule.{first.rule}: iptables-legacy has a nat table, which wirepath cannot read"
        f" (if it moves a port of the rule: {first.cure})"
    )


# One message for each rule of the policy. The flows may come from JSON, as lists.
def _moved(device: str, flows: Record) -> Iterator[str]:
    if not flows:
        return
    from wirepath.kernel.nft_uses import Packets, moving
    from wirepath.kernel.ruleset import Ruleset

    told: set[str] = set()
    ruleset = Ruleset.read()
    for rule, but, cure, family, ports, destinations, sources in flows:
        packets = Packets(family, ports, destinations, sources)
        if rule in told or not (found := moving(ruleset, device, packets)):
            continue
        told.add(rule)
        yield (
            f"rule.{rule}: {_ports(found.ports)} moved elsewhere by rule {found.handle} of nft"
            f" chain {found.chain} ({found.does}), and {but} ({cure})"
        )


def _ports(ranges: Ranges) -> str:
    low, high = ranges[0]
    if (low, high) == (0, 65_535):
        return "every port is"
    several = len(ranges) > 1 or low != high
    words = ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in ranges[:3])
    return f"ports {words} are" if several else f"port {words} is"
