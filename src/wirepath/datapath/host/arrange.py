"""What a policy needs around its programs: arranged before they serve, put back at `down`.

Each part is a module with three functions: ``arranged``, a context manager that lets its part be as
a policy needs it and yields what `restore` needs to put it back, nothing if there is nothing;
``restore``; and ``abandon``, which removes what a process that died may have left behind.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from wirepath.datapath.host import conntrack, fq, mirrors, sysctls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from wirepath.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a policy is to serve, and what may be changed there by the operator's word.

    Attributes:
        iface: the interface.
        sysctl: settings of the kernel.
        qdisc: the root qdisc.
    """

    iface: str
    sysctl: bool = False
    qdisc: bool = False


class Part(Protocol):
    """One part of the surroundings; see above."""

    def arranged(self, policy: Policy, place: Place, before: Any) -> AbstractContextManager[Any]:
        """Let it be as *policy* needs it; if the context fails, as it was.

        Args:
            policy: that is to serve.
            place: where.
            before: what was yielded for the policy that serves now; None if there is none.

        Raises:
            RequestError: something is not as needed and may not be changed.
            KernelError: it cannot be.
        """

    def restore(self, iface: str, found: Any) -> None:
        """Put back what was changed for *iface*, by what was yielded."""

    def abandon(self, iface: str) -> None:
        """Remove what nobody can put back any more."""


PARTS: Final[Mapping[str, Part]] = {
    "sysctls": sysctls,
    "conntrack": conntrack,
    "mirrors": mirrors,
    "pacing": fq,
}


@contextmanager
def arranged(
    policy: Policy, place: Place, before: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Arrange every part for *policy*; if the context fails, all is as it was.

    Args:
        policy: that is to serve.
        place: where.
        before: what was yielded for the policy that serves now, from its manifest.

    Yields:
        What `restore` needs, as plain values.
    """
    with ExitStack() as stack:
        found = {
            name: stack.enter_context(part.arranged(policy, place, (before or {}).get(name)))
            for name, part in PARTS.items()
        }
        yield {name: state for name, state in found.items() if state}


def restore(iface: str, found: Mapping[str, Any]) -> None:
    """Put everything back that was changed for *iface*."""
    for name, state in found.items():
        PARTS[name].restore(iface, state)


def abandon(iface: str) -> None:
    """Remove what was left of *iface* by a process that died."""
    for part in PARTS.values():
        part.abandon(iface)
