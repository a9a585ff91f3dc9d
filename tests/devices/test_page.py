"""The page of the docs has the table that the tests walk."""

from pathlib import Path

from devices.cells import table

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_page_has_the_table() -> None:
    assert f"\n{table()}\n" in PAGE.read_text(), "make it anew: `python -m devices.cells` in tests"
