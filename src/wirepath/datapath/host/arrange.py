"""What a policy needs around its programs: recorded, arranged before they serve, put back later.

What has to be put back is recorded, and the record pinned, before anything is changed. Each part is
a module with three functions: ``survey`` looks and makes the record, ``arrange`` makes the changes
that the record is of, ``restore`` takes them back. The last two may be repeated after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from wirepath.datapath.host import conntrack, fq, mirrors, sysctls
from wirepath.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements

    Record = Mapping[str, Any]


class Part(Protocol):
    """One part of the host; see above."""

    def survey(self, needs: Requirements, place: Place, before: Any) -> Any:
        """Say what is to be put back later if *needs* are met; change nothing.

        Args:
            needs: of the policy that is to serve.
            place: where.
            before: the record of this part for the policy that serves now; None if there is none.

        Returns:
            The record, of plain values; an empty one if nothing has to be put back.

        Raises:
            RequestError: something is not as needed and may not be changed.
            KernelError: it cannot be changed, or not be put back later.
        """

    def arrange(self, needs: Requirements, place: Place, record: Any, before: Any) -> None:
        """Meet *needs*; *record* is what `survey` made of them and *before*.

        Raises:
            KernelError: the kernel refuses.
        """

    def restore(self, place: Place, record: Any, keep: Any) -> None:
        """Put back what *record* is of, but for what *keep*, another record or None, still needs.

        Raises:
            KernelError: the kernel refuses.
        """


PARTS: Final[Mapping[str, Part]] = {
    "sysctls": sysctls,
    "conntrack": conntrack,
    "mirrors": mirrors,
    "fq": fq,
}


def survey(needs: Requirements, place: Place, before: Record) -> dict[str, Any]:
    """Record what has to be put back once *needs* are met; nothing is changed.

    Args:
        needs: of the policy that is to serve.
        place: where.
        before: the record for the policy that serves now.

    Raises:
        RequestError: something is not as needed and may not be changed.
        KernelError: it cannot be changed.
    """
    found = {name: part.survey(needs, place, before.get(name)) for name, part in PARTS.items()}
    return {name: record for name, record in found.items() if record}


def arrange(needs: Requirements, place: Place, record: Record, before: Record) -> None:
    """Meet *needs*, as `survey` has recorded it; *before* is the record of what serves now.

    Raises:
        KernelError: the kernel refuses; what was arranged stays until `restore`.
    """
    for name, part in PARTS.items():
        part.arrange(needs, place, record.get(name), before.get(name))


def restore(place: Place, record: Record, keep: Record) -> None:
    """Put back at *place* what *record* is of, but for what *keep* still needs.

    Raises:
        KernelError: of the first part that failed, after all others were put back.
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
