"""Kernel settings that a policy needs: changed if the operator allows it, and restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from wirepath.errors import KernelError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wirepath.datapath.host.place import Place
    from wirepath.plan.requirements import Requirements

    Record = Mapping[str, str]

_ROOT: Final = Path("/proc/sys")  # of the network namespace that this thread is in


def survey(needs: Requirements, place: Place, before: Record | None) -> dict[str, str]:
    """Record the current values of settings to be changed, besides those on record already.

    Raises:
        RequestError: a setting is not as needed and may not be changed.
        KernelError: a setting cannot be read.
    """
    wrong: dict[str, str] = {}
    for rule, name, values in needs.sysctls:
        if (now := _read(name)) in values:
            continue
        if not place.sysctl:
            cure = "set it, or allow it to be set until `wirepath down`: `--sysctl`"
            right = " or ".join(values)
            raise RequestError(f"rule.{rule}: needs {name} to be {right}, it is {now} ({cure})")
        wrong[name] = now
    return wrong | dict(before or {})


def arrange(
    needs: Requirements,
    place: Place,  # noqa: ARG001
    record: Record | None,
    before: Record | None,  # noqa: ARG001
) -> None:
    """Change the settings that are not as needed.

    Raises:
        KernelError: a setting cannot be changed.
    """
    for _, name, values in needs.sysctls:
        if record and name in record and _read(name) not in values:
            _write(name, values[0])


def restore(place: Place, record: Record, keep: Record | None) -> None:  # noqa: ARG001
    """Restore the recorded values of settings.

    Raises:
        KernelError: a setting cannot be changed.
    """
    for name, value in record.items():
        if not keep or name not in keep:
            _write(name, value)


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
