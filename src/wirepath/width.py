"""Prefixes so short that they are hardly meant: in lists, in sets and in bans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from wirepath.net import Prefix

_SHORT: Final = {4: 8, 6: 16}  # shorter ones are noted
_ADDED: Final = {4: 96, 6: 0}  # by Prefix to the length as written


class Width(NamedTuple):
    """What is to be said about the length of a prefix.

    Attributes:
        error: why it is refused; empty if it is not.
        note: why it should be looked at; empty if there is no reason.
    """

    error: str = ""
    note: str = ""


def width(prefix: Prefix, least: tuple[int, int] = (0, 0), *, yes: bool = False) -> Width:
    """Judge the length of *prefix*.

    Args:
        prefix: it is to be in a set, or banned.
        least: the shortest lengths that the set allows, of IPv4 and of IPv6.
        yes: whether the operator has said that all addresses of a family may be meant.
    """
    family = prefix.family
    length = prefix.bits - _ADDED[family]
    wanted = least[0] if family == 4 else least[1]  # noqa: PLR2004 - IPv4
    if length < wanted:
        return Width(error=f"{prefix}: shorter than min_prefix, {wanted} (take it out)")
    if not length and not yes:
        return Width(error=f"{prefix}: every IPv{family} address (take it out, or --yes)")
    if length < _SHORT[family]:
        return Width(note=f"{prefix}: shorter than /{_SHORT[family]}, so it covers very many")
    return Width()
