"""The contents of a policy's sets: prefixes written in the policy, and those of list files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wirepath.errors import PolicyError, Problem, RequestError, errno_name
from wirepath.inputs import LIST_BYTES_MAX, read_input
from wirepath.prefixes import Members, ParsedList, parse_list
from wirepath.width import width

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wirepath.policy import Policy, SetSpec

log = logging.getLogger(__name__)

SET_PREFIXES_MAX: Final = 1_000_000
NO_LIST: Final = (
    'none of its lines is a prefix (name a list: a prefix a line, or JSON lines with "cidr")'
)
_SHOWN: Final = 20  # bad lines of a list that are reported one by one


@dataclass(frozen=True, slots=True)
class Contents:
    """The members of all sets, each with the number of its set.

    Attributes:
        members: the members, in order and without repeats.
        skipped: by file, how many bad lines were skipped.
        notes: on prefixes that are hardly meant.
    """

    members: Members
    skipped: Mapping[str, int]
    notes: tuple[Problem, ...]


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


def read_contents(policy: Policy, *, skip_bad: bool = False, yes: bool = False) -> Contents:
    """Read the contents of every set of *policy*; sets are numbered in its order.

    Args:
        policy: the policy whose sets are read.
        skip_bad: whether lines that are no prefixes are skipped.
        yes: whether lists may have prefixes of all addresses, such as 0.0.0.0/0.

    Raises:
        PolicyError: some lines are no prefixes, and the error lists them by file; or a prefix is
            shorter than allowed, or a set is too large.
        RequestError: a file cannot be read.
    """
    parts: list[Members] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    skipped: dict[str, int] = {}
    for number, spec in enumerate(policy.sets.values()):
        parts.append(Members.of(spec.prefixes, set_id=number))
        _judge_own(policy, spec, problems, notes)
        for path in spec.files:
            parsed = read_list(path, set_id=number)
            parts.append(parsed.members)
            if parsed.bad:
                skipped[str(path)] = len(parsed.bad)
            problems += refused(parsed, spec.min_prefix, skip_bad=skip_bad, yes=yes)
            notes += wide(parsed, yes=yes)
    members = Members.join(parts).in_order()
    too_large = [
        _too_large(policy, spec, count)
        for spec, count in zip(policy.sets.values(), members.counts(), strict=False)
        if count > SET_PREFIXES_MAX
    ]
    if too_large or problems:
        raise PolicyError(too_large + problems)
    for file, lines in skipped.items():
        log.warning("%s: %d bad lines skipped", file, lines)
    return Contents(members, skipped, tuple(notes))


def refused(
    parsed: ParsedList, least: tuple[int, int], *, skip_bad: bool, yes: bool
) -> list[Problem]:
    """Say why a list cannot be the contents of a set.

    Args:
        parsed: the list.
        least: the shortest lengths that the set allows, of IPv4 and of IPv6.
        skip_bad: whether bad lines may be skipped.
        yes: whether prefixes of all addresses are allowed.
    """
    if parsed.bad and not skip_bad:
        return bad_lines(parsed)
    if parsed.is_no_list:
        return [Problem(parsed.file, 0, "", NO_LIST)]
    judged = [(each.line, width(each.prefix, least, yes=yes)) for each in parsed.widest]
    return [Problem(parsed.file, line, "", found.error) for line, found in judged if found.error]


def wide(parsed: ParsedList, *, yes: bool) -> list[Problem]:
    """Note prefixes of a list that are so short that they are hardly meant."""
    judged = [(each.line, width(each.prefix, yes=yes)) for each in parsed.widest]
    return [Problem(parsed.file, line, "", found.note) for line, found in judged if found.note]


# What the policy itself lists is the operator's word, so all addresses are allowed there.
def _judge_own(
    policy: Policy, spec: SetSpec, problems: list[Problem], notes: list[Problem]
) -> None:
    for family in (4, 6):
        some = [prefix for prefix in spec.prefixes if prefix.family == family]
        if not some:
            continue
        found = width(min(some, key=lambda each: each.bits), spec.min_prefix, yes=True)
        for text, where in ((found.error, problems), (found.note, notes)):
            if text:
                where.append(policy.problem(text, "set", spec.name, "prefixes"))


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
