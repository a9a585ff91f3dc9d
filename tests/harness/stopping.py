"""Stopping work before one of its steps, as a crash or an error would."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest


def stop_at(
    patch: pytest.MonkeyPatch,
    nth: int,
    stop: Callable[[], None],
    steps: Iterable[tuple[type, str]],
) -> None:
    """Call *stop* before the *nth* of all *steps*."""
    calls = count(1)

    def stopping(owner: type, method: str) -> Any:
        original = getattr(owner, method)
        bound = hasattr(original, "__self__")

        def step(*args: Any, **options: Any) -> Any:
            if next(calls) == nth:
                stop()
            return original(*args[bound:], **options)

        return classmethod(step) if bound else step

    for owner, method in steps:
        patch.setattr(owner, method, stopping(owner, method))
