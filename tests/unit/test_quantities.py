"""Times, rates and amounts: reading what operators write, and writing it back."""

import pytest

from wirepath.errors import RequestError
from wirepath.quantities import Rate, bits, duration, packets, spell


@pytest.mark.parametrize("text", ["30s", "90s", "5min", "90min", "1h", "36h", "2d"])
def test_times_read_as_they_are_spelled(text: str) -> None:
    assert spell(duration(text)) == text


@pytest.mark.parametrize(("seconds", "text"), [(60, "1min"), (61, "61s"), (7200, "2h")])
def test_the_largest_unit_is_spelled(seconds: float, text: str) -> None:
    assert spell(seconds) == text


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/min", Rate(5, 60, bits=False)),
        ("2K/s", Rate(2000, 1, bits=False)),
        ("1m/h", Rate(1_000_000, 3600, bits=False)),
        ("100mbit", Rate(100_000_000, 1, bits=True)),
        ("1 Gbit/h", Rate(1_000_000_000, 3600, bits=True)),
    ],
)
def test_rates(text: str, rate: Rate) -> None:
    assert Rate.read(text) == rate
    assert Rate.read(str(rate)) == rate


@pytest.mark.parametrize("text", ["5", "5/day", "/s", "1.5/s", "-1/s", "5 /s /s", 5, True, None])
def test_no_rates(text: object) -> None:
    with pytest.raises(RequestError, match="not a rate"):
        Rate.read(text)


def test_amounts() -> None:
    assert packets("2k") == packets(2000) == 2000
    assert bits("2kbyte") == bits("16kbit") == 16_000
