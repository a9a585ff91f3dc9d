"""Settings of the kernel that a policy needs: changed by the operator's word, and put back."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wirepath.datapath.host.arrange import Place
    from wirepath.policy import Policy

_ROOT: Final = Path("/proc/sys")  # of the network namespace that this thread is in


@contextmanager
def arranged(
    policy: Policy, place: Place, before: Mapping[str, str] | None
) -> Iterator[dict[str, str]]:
    """Let the settings be as *policy* needs them; if the context fails, as they were.

    Yields:
        *before*, and what was changed now, as it was.

    Raises:
        RequestError: a setting is not as needed and may not be changed.
        KernelError: it cannot be.
    """
    wrong = list(_wrong(policy))
    if wrong and not place.sysctl:
        rule, name, values, now = wrong[0]
        cure = "set it, or allow it to be set until `wirepath down`: `--sysctl`"
        right = " or ".join(values)
        raise RequestError(f"rule.{rule}: needs {name} to be {right}, it is {now} ({cure})")
    changed: dict[str, str] = {}
    try:
        for _, name, values, now in wrong:
            _write(name, values[0])
            changed.setdefault(name, now)
        yield changed | dict(before or {})
    except BaseException:
        restore(place.iface, changed)
        raise


def _wrong(policy: Policy) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    # By rule: the setting, what it should be, and what it is.
    from wirepath.plan.requirements import requirements

    for rule, name, values in requirements(policy).sysctls:
        if (now := _read(name)) not in values:
            yield rule, name, values, now


def restore(iface: str, found: Mapping[str, str]) -> None:  # noqa: ARG001 - they are the host's
    """Put settings back to what they were.

    Raises:
        KernelError: it cannot be done.
    """
    for name, value in found.items():
        _write(name, value)


def abandon(iface: str) -> None:
    """Leave settings alone: what they were is not known any more."""


def _file(name: str) -> Path:
    return _ROOT.joinpath(*name.split("."))


def _read(name: str) -> str:
    try:
        return _file(name).read_text().strip()
    except OSError as error:
        raise KernelError(f"read {name}", error.errno or 0) from error


def _write(name: str, value: str) -> None:
    try:
        _file(name).write_text(value)
    except OSError as error:
        raise KernelError(f"set {name} to {value}", error.errno or 0, cure="run as root") from error
