"""The shape of output: its words and columns, without numbers, times and widths."""

import re
from typing import Any

_DURATION = re.compile(r"\b\d+ (d|h|min|s)\b( \d+ (h|min|s)\b)?")
_NUMBER = re.compile(r"(?<![A-Za-z\d])-?\d[\d.,:/]*(?![A-Za-z])")
_PLURAL = re.compile(r"\b(prefix|packet|byte|rule|set|frame|line|ban)(es|s)\b")

# Keys whose values are keyed by names of the operator or by what has occurred.
_BY_NAME = {"sets", "verdicts", "reasons", "faults", "hooks", "rules", "hosts", "grows"}


def lines(text: str) -> list[str]:
    """Give each line that has words, with numbers as 0 and one space between columns."""
    found = []
    for line in text.splitlines():
        shape = _PLURAL.sub(r"\1", _NUMBER.sub("0", _DURATION.sub("TIME", line)))
        found.append(" ".join(shape.split()))
    return [line for line in found if line]


def missing(shown: str, real: str) -> list[str]:
    """List the lines of *shown* that *real* does not have, in the same order."""
    left = iter(lines(real))
    return [line for line in lines(shown) if not any(line == other for other in left)]


def keys(shown: Any, real: Any, path: str = "") -> list[str]:
    """List the places in which two JSON documents have other keys, or other types."""
    if isinstance(shown, dict) and isinstance(real, dict):
        if path.rpartition(".")[2] in _BY_NAME:
            some = next(iter(real.values()), None)
            pairs = [(shown[key], real.get(key, some)) for key in shown]
            return [fault for one, other in pairs for fault in keys(one, other, f"{path}.*")]
        found = [f"{path}.{key}" for key in shown.keys() ^ real.keys()]
        for key in shown.keys() & real.keys():
            found += keys(shown[key], real[key], f"{path}.{key}")
        return found
    if isinstance(shown, list) and isinstance(real, list):
        return keys(shown[0], real[0], f"{path}[]") if shown and real else []
    numbers = (int, float)
    same = isinstance(shown, numbers) == isinstance(real, numbers) and isinstance(
        shown, str
    ) == isinstance(real, str)
    return [] if same or shown is None or real is None else [f"{path}: {shown!r} or {real!r}"]
