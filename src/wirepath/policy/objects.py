"""A policy made of Python objects, as the document that its text would have given.

So one validator reads both, and says the same of both.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any

from wirepath.net import AnyPrefix, Prefix
from wirepath.policy.tables import Rule, SetSpec

AnyRule = Rule | Mapping[str, Any]
"""A rule of another policy, or the keys of ``[[rule]]``."""
AnySet = SetSpec | Mapping[str, Any] | AnyPrefix | Iterable[AnyPrefix]
"""A set of another policy, the keys of ``[set.NAME]``, or prefixes."""

_TEXTS = (Prefix, IPv4Address, IPv4Network, IPv6Address, IPv6Network, PurePath)


def as_document(
    rules: Iterable[AnyRule], sets: Mapping[str, AnySet], datapath: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the whole document; it may be wrong wherever its parts are."""
    return {
        "datapath": _plain(datapath),
        "set": {str(name): _set(each) for name, each in sets.items()},
        "rule": [_plain(each.document() if isinstance(each, Rule) else each) for each in rules],
    }


def _set(value: Any) -> Any:
    if isinstance(value, SetSpec):
        return value.document()
    return _plain(value if isinstance(value, Mapping) else {"prefixes": value})


# What TOML has no type for: None is a key that is left out, and a tuple is a list.
def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, AbstractSet):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value
