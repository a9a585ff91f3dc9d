"""Policies read alike with the compiled parser and with Python's own."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("**/*.toml"))
WRONG = [
    "a = ", "a = [1", "a = 1\na = 2", "[a]\n[a]", 'a = "x', "a b = 1", "a = 1 2", "= 1", "a = tru",
    "[a\n", 'a = "\x01"', 'a = "\\q"', 'a = "\\e"', "a = {b = 1, b = 2}", "a = {b = 1\n}",
    "a = {b = 1,}", "a.b = 1\n[a]", "[[a]]\n[a]", "a = 1979-13-01", "a = 07:32", "\ufeffa = 1",
    "a = 1\r", "a = 1" + 5000 * "0",
]  # fmt: skip


def outcome(loads: Callable[[str], dict[str, Any]], text: str) -> object:
    try:
        return loads(text)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_examples(file: Path) -> None:
    text = file.read_text()
    assert tomli.loads(text) == tomllib.loads(text)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong(text: str) -> None:
    said = outcome(tomli.loads, text)
    assert isinstance(said, str)
    assert said == outcome(tomllib.loads, text)
