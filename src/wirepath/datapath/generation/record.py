"""JSON that lies in the kernel next to a generation: what later processes have to know of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wirepath.kernel.maps import Map

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def pin_record(values: Mapping[str, Any], pin: Path) -> None:
    """Pin *values* as a map of their own, before anything that they describe happens.

    Raises:
        KernelError: the map cannot be made or pinned.
    """
    text = dumps(values)
    with Map.record(pin.name.partition(":")[0], len(text)) as made:
        with made.memory() as memory:
            memory[: len(text)] = text
        made.pin(pin)


def read_record(pages: Map) -> Any:
    """Read the JSON in an array of the kernel.

    Raises:
        ValueError: it is none.
    """
    with pages.memory(writable=False) as memory:
        return json.loads(bytes(memory).rstrip(b"\0"))


def dumps(values: Mapping[str, Any]) -> bytes:
    """Write *values* as JSON without spaces."""
    return json.dumps(values, separators=(",", ":")).encode()
