"""Changing what a policy needs on the host before its programs serve, and restoring it later.

The old values are recorded, and the record pinned, before anything is changed. Each part is a
module with three functions: ``survey`` makes the record, ``arrange`` makes the changes, ``restore``
takes them back by the record. The last two may be repeated after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from wirepath.datapath.host import conntrack, fq, merging, mirrors, nat, sysctls
from wirepath.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements

    Record = Mapping[str, Any]


class Part(Protocol):
    """One part of the host, such as its sysctls; a module implements it."""

    def survey(self, needs: Requirements, place: Place, before: Any) -> Any:
        """Record what will have to be restored once *needs* are met; change nothing.

        Args:
            needs: the requirements of the policy that is to serve.
            place: the interface, and what may be changed there.
            before: the record of this part for the serving policy; None if there is none.

        Returns:
            The record, as plain values; an empty one if nothing will have to be restored.

        Raises:
            RequestError: something is not as needed and may not be changed.
            KernelError: it cannot be changed, or could not be restored later.
        """

    def arrange(self, needs: Requirements, place: Place, record: Any, before: Any) -> None:
        """Change the host to meet *needs*; *record* is the result of `survey` with *before*.

        Raises:
            KernelError: the kernel refuses.
        """

    def restore(self, place: Place, record: Any, keep: Any) -> None:
        """Restore everything in *record* except what *keep*, another record or None, has too.

        Raises:
            KernelError: the kernel refuses.
        """


PARTS: Final[Mapping[str, Part]] = {
    "nat": nat,
    "sysctls": sysctls,
    "conntrack": conntrack,
    "mirrors": mirrors,
    "fq": fq,
    "merging": merging,
}
CHANGING: Final = tuple(name for name in PARTS if name != "nat")
"""The parts that change something; `nat` only looks at what others have changed."""


def survey(needs: Requirements, place: Place, before: Record) -> dict[str, Any]:
    """Record what will have to be restored once *needs* are met; change nothing.

    Args:
        needs: the requirements of the policy that is to serve.
        place: the interface, and what may be changed there.
        before: the record for the serving policy.

    Raises:
        RequestError: something is not as needed and may not be changed.
        KernelError: it cannot be changed.
    """
    found = {name: part.survey(needs, place, before.get(name)) for name, part in PARTS.items()}
    return {name: record for name, record in found.items() if record}


def arrange(needs: Requirements, place: Place, record: Record, before: Record) -> None:
    """Change the host to meet *needs*; *record* is the result of `survey` with *before*.

    Raises:
        KernelError: the kernel refuses; changes made so far stay until `restore`.
    """
    for name, part in PARTS.items():
        part.arrange(needs, place, record.get(name), before.get(name))


def restore(place: Place, record: Record, keep: Record) -> None:
    """Restore everything in *record* at *place*, except what *keep* has too.

    Raises:
        KernelError: the error of the first part that failed, after all others were restored.
    """
    failed: list[KernelError] = []
    for name in reversed([*PARTS]):
        if name in record:
            try:
                PARTS[name].restore(place, record[name], keep.get(name))
            except KernelError as error:
                failed.append(error)
    if failed:
        raise failed[0]


def forget(place: Place) -> None:
    """Remove what bears the name of *place*, where no record of it is left: tables and tunnels.

    Raises:
        KernelError: the kernel refuses.
    """
    conntrack.forget(place)
    mirrors.forget(place)
