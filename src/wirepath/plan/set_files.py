"""The contents of a policy's sets: prefixes written in the policy, and those of list files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wirepath.errors import PolicyError, Problem, RequestError, errno_name
from wirepath.inputs import LIST_BYTES_MAX, read_input
from wirepath.prefixes import Members, ParsedList, parse_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wirepath.policy import Policy, SetSpec

log = logging.getLogger(__name__)

SET_PREFIXES_MAX: Final = 1_000_000
_SHOWN: Final = 20  # bad lines of a list that are reported one by one


@dataclass(frozen=True, slots=True)
class Contents:
    """The members of all sets, each with the number of its set.

    Attributes:
        members: the members, in order and without repeats.
        skipped: by file, how many bad lines were skipped.
    """

    members: Members
    skipped: Mapping[str, int]


def read_list(path: Path, *, set_id: int = 0) -> ParsedList:
    """Read the list in the file *path*.

    Raises:
        RequestError: the file cannot be read.
    """
    try:
        return parse_list(read_input(path, LIST_BYTES_MAX), str(path), set_id=set_id)
    except OSError as error:
        raise RequestError(
            f"read {path}: {error.strerror} [{errno_name(error.errno or 0)}] (name a list)"
        ) from error


def read_contents(policy: Policy, *, skip_bad: bool = False) -> Contents:
    """Read the contents of every set of *policy*; sets are numbered in its order.

    Args:
        policy: the policy whose sets are read.
        skip_bad: whether lines that are no prefixes are skipped.

    Raises:
        PolicyError: some lines are no prefixes, and the error lists them by file; or a set is too
            large.
        RequestError: a file cannot be read.
    """
    parts, problems, skipped = [], [], {}
    for number, spec in enumerate(policy.sets.values()):
        parts.append(Members.of(spec.prefixes, set_id=number))
        for path in spec.files:
            parsed = read_list(path, set_id=number)
            parts.append(parsed.members)
            if parsed.bad:
                skipped[str(path)] = len(parsed.bad)
                problems += bad_lines(parsed)
    members = Members.join(parts).in_order()
    too_large = [
        _too_large(policy, spec, count)
        for spec, count in zip(policy.sets.values(), members.counts(), strict=False)
        if count > SET_PREFIXES_MAX
    ]
    if too_large or (problems and not skip_bad):
        raise PolicyError(too_large + problems)
    for file, lines in skipped.items():
        log.warning("%s: %d bad lines skipped", file, lines)
    return Contents(members, skipped)


def bad_lines(parsed: ParsedList) -> list[Problem]:
    """Describe the lines of a list that are no prefixes: the first ones, and how many more."""
    found = [
        Problem(parsed.file, bad.line, "", f"{bad.text}: {bad.why}") for bad in parsed.bad[:_SHOWN]
    ]
    if more := len(parsed.bad) - len(found):
        found.append(Problem(parsed.file, 0, "", f"{more} more bad lines (--skip-bad skips them)"))
    return found


def _too_large(policy: Policy, spec: SetSpec, count: int) -> Problem:
    message = f"{count} prefixes are too many (at most {SET_PREFIXES_MAX} a set)"
    return policy.problem(message, "set", spec.name)
