"""A page of the docs as a program: its Python blocks, and the output that it gives for each."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "python.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMES = re.compile(r"^\| `(\w+)` \| ", re.MULTILINE)


class Block(NamedTuple):
    """A block of Python.

    Attributes:
        line: the line of the page at which it begins, from 1.
        code: the code, without the fences.
        prints: the output, from the next block; "" if it prints nothing.
    """

    line: int
    code: str
    prints: str


def blocks(page: Path = PAGE) -> Iterator[Block]:
    text = page.read_text()
    found = list(_BLOCK.finditer(text))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block[1] == "python":
            # A block that is not output has a sentence before it.
            next_to = after and after[1] == "text" and not text[block.end() : after.start()].strip()
            line = text.count("\n", 0, block.start()) + 2
            yield Block(line, block[2], after[2] if after and next_to else "")


def policy(page: Path = PAGE) -> str:
    """Return the only policy on the page."""
    (found,) = (block[2] for block in _BLOCK.finditer(page.read_text()) if block[1] == "toml")
    return found


def names(page: Path = PAGE) -> list[str]:
    """List the names in the table of names."""
    return _NAMES.findall(page.read_text())
