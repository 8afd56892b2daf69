"""Spans of time as people write them (`5m`, `8h`, `24h`, `7d`) and the candle intervals the node uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_UNITS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PATTERN = re.compile(r"([1-9][0-9]{0,6})([smhd])")


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A positive span in whole seconds. Equal spans are equal however they were written: `1d` is `24h`."""

    ms: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `90s`, `5m`, `8h` or `7d`; ValueError for anything else."""
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a span of time; write a number and s, m, h or d, such as 10m, 8h or 7d")
        return cls(int(match[1]) * _UNITS[match[2]])

    @property
    def seconds(self) -> float:
        return self.ms / SECOND_MS

    def __str__(self) -> str:
        # The network writes one day as 24h and longer spans in days.
        if self.ms % DAY_MS == 0 and self.ms > DAY_MS:
            return f"{self.ms // DAY_MS}d"
        if self.ms % HOUR_MS == 0:
            return f"{self.ms // HOUR_MS}h"
        if self.ms % MINUTE_MS == 0:
            return f"{self.ms // MINUTE_MS}m"
        return f"{self.ms // SECOND_MS}s"


class Interval(StrEnum):
    """Length of a candle, written as the exchange writes it."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def ms(self) -> int:
        return _UNITS[self.value[-1]] * int(self.value[:-1])

    def floor(self, time_ms: int) -> int:
        """Open time of the candle that contains `time_ms`."""
        return time_ms - time_ms % self.ms

    def last_closed(self, now_ms: int) -> int:
        """Open time of the newest candle that has closed at `now_ms`."""
        return self.floor(now_ms) - self.ms


QUOTE_INTERVAL = Interval.MINUTE
"""Candles that give the last price, whatever the bars a model reads."""
