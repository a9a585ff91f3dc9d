"""Times, rates and amounts of data in the notation of operators."""

import re
from dataclasses import dataclass
from typing import Any, Final, Self

from wirepath.errors import RequestError, shown

SECOND_NS: Final = 1_000_000_000

_SECONDS: Final = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d{1,9}) ?(s|min|h|d|)", re.ASCII)
_THOUSANDS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_COUNT: Final = re.compile(r"(\d{1,15}) ?([kmg]?)", re.ASCII | re.IGNORECASE)
_AMOUNT: Final = re.compile(r"(\d{1,15}) ?([kmg]?)(bit|byte)", re.ASCII | re.IGNORECASE)
_RATE: Final = re.compile(r"(\d{1,15}) ?([kmg]?)(bit)?(?:/(s|min|h))?", re.ASCII | re.IGNORECASE)
_RATE_CURE: Final = 'write packets like "100/s", "5/min", "2k/s", or bits a second like "100mbit"'
_RATE_MOST: Final = 10**9  # packets per second: one each nanosecond
_BITS_LEAST: Final = 1_000  # bits per second; the time of a 64 KiB frame in ns fits 64 bits
_BITS_MOST: Final = 10**12  # bits per second


def duration(value: Any) -> float:
    """Read a time such as ``30s``, ``5min``, ``1h``, ``2d`` or ``90``; return seconds, above 0.

    Raises:
        RequestError: *value* is not a time.
    """
    match = _DURATION.fullmatch(str(value)) if isinstance(value, str | int) else None
    if not match or not int(match[1]):
        text = value if isinstance(value, str) else shown(value)
        raise RequestError(f"{text}: not a time (write it like 30s, 5min, 1h, 2d or 90)")
    return float(int(match[1]) * _SECONDS[match[2]])


def spell(seconds: float) -> str:
    """Write whole seconds in the largest unit that fits, as `duration` reads them."""
    unit = max((u for u in _SECONDS if u and seconds % _SECONDS[u] == 0), key=_SECONDS.__getitem__)
    return f"{seconds / _SECONDS[unit]:g}{unit}"


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of packets or bits per unit of time.

    Attributes:
        count: number of packets or bits, above 0.
        unit_s: the unit of time: 1, 60 or 3600.
        bits: whether bits are counted instead of packets.
    """

    count: int
    unit_s: int
    bits: bool

    @classmethod
    def read(cls, value: Any) -> Self:
        """Read ``100/s``, ``5/min``, ``2k/s``, ``100mbit`` or ``1gbit/h``.

        Raises:
            RequestError: *value* is none of these; the message says what would be right.
        """
        match = _RATE.fullmatch(value) if isinstance(value, str) else None
        if not match or not (match[3] or match[4]):
            raise RequestError(f"{shown(value)}: not a rate ({_RATE_CURE})")
        count = int(match[1]) * _THOUSANDS[match[2].lower()]
        rate = cls(count, _SECONDS[(match[4] or "s").lower()], match[3] is not None)
        if not count:
            cure = 'to drop all, write action = "drop"'
            raise RequestError(f"{shown(value)}: a rate of nothing ({cure})")
        if rate.bits and count < _BITS_LEAST * rate.unit_s:
            raise RequestError(f"{shown(value)}: too slow (at least {_BITS_LEAST} bits a second)")
        most = _BITS_MOST if rate.bits else _RATE_MOST
        if count > most * rate.unit_s:
            what = "bits" if rate.bits else "packets"
            raise RequestError(f"{shown(value)}: too fast (at most {most} {what} a second)")
        return rate

    def __str__(self) -> str:
        unit = next(name for name, seconds in _SECONDS.items() if name and seconds == self.unit_s)
        count, suffix = self.count, ""
        for suffix, size in reversed(_THOUSANDS.items()):  # noqa: B007 - used after the loop
            if count % size == 0:
                count //= size
                break
        if not self.bits:
            return f"{count}{suffix}/{unit}"
        return f"{count}{suffix}bit" + (f"/{unit}" if unit != "s" else "")


def packets(value: Any) -> int:
    """Read a number of packets: ``100`` or ``"2k"``.

    Raises:
        RequestError: *value* is not a number of packets.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _COUNT.fullmatch(text) if isinstance(text, str) else None
    if not match or not int(match[1]):
        raise RequestError(f'{shown(value)}: not a number of packets (write 100 or "2k")')
    return int(match[1]) * _THOUSANDS[match[2].lower()]


def bits(value: Any) -> int:
    """Read an amount of data, ``"10mbit"`` or ``"128kbyte"`` (decimal); return bits.

    Raises:
        RequestError: *value* is not an amount of data.
    """
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        cure = 'write "10mbit" or "128kbyte"'
        raise RequestError(f"{shown(value)}: not an amount of data ({cure})")
    each = 1 if match[3].lower() == "bit" else 8
    return int(match[1]) * _THOUSANDS[match[2].lower()] * each
