"""Records: JSON in pinned maps, which tells later processes about a generation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wirepath.kernel.maps import Map

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def pin_record(values: Mapping[str, Any], pin: Path) -> None:
    """Pin *values* as a map of their own; call this before anything that they describe happens.

    Raises:
        KernelError: the map cannot be made or pinned.
    """
    text = dumps(values)
    with Map.record(pin.name.partition(":")[0], len(text)) as made:
        with made.memory() as memory:
            memory[: len(text)] = text
        made.pin(pin)


def read_record(pages: Map) -> Any:
    """Read the JSON in the map *pages*.

    Raises:
        ValueError: the map does not contain JSON.
    """
    with pages.memory(writable=False) as memory:
        return json.loads(bytes(memory).rstrip(b"\0"))


def dumps(values: Mapping[str, Any]) -> bytes:
    """Serialise *values* as JSON without spaces."""
    return json.dumps(values, separators=(",", ":")).encode()
