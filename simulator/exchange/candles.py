"""Candles as the simulated exchange holds them: arrays that reach into the future, cut off at the present when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from node.durations import Interval

VALUES: Final = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_base", "taker_quote")
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
"""Positions in the columns of `Candles.values`; what follows them are sums over the candle, as volume is."""


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles of one symbol and interval, sorted: `open_time` int64 [n] in UTC milliseconds, `values` float64 [n, 9] as VALUES."""

    open_time: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_time)

    def between(self, start_ms: int, end_ms: int) -> Candles:
        """Those with start_ms <= open_time <= end_ms; a view."""
        first, last = np.searchsorted(self.open_time, [start_ms, end_ms + 1])
        return Candles(self.open_time[first:last], self.values[first:last])


class Market(Protocol):
    """Where the candles come from."""

    symbols: tuple[str, ...]
    """The pairs that are listed, with or without candles."""

    @property
    def description(self) -> str:
        """What it is, in one line."""
        ...

    def candles(self, symbol: str, interval: Interval, now_ms: int) -> Candles:
        """All there are, reaching beyond `now_ms`; none if the market has none of this interval."""
        ...


def no_candles() -> Candles:
    """Nothing."""
    return Candles(np.empty(0, np.int64), np.empty((0, len(VALUES))))


def aggregate(candles: Candles, interval: Interval) -> Candles:
    """Longer candles made of shorter ones; a longer candle exists if one of its parts does, as at the exchange."""
    if not len(candles):
        return candles
    bucket = candles.open_time - candles.open_time % interval.ms
    starts = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
    ends = np.append(starts[1:], len(bucket)) - 1
    values = np.empty((len(starts), len(VALUES)))
    values[:, OPEN] = candles.values[starts, OPEN]
    values[:, HIGH] = np.maximum.reduceat(candles.values[:, HIGH], starts)
    values[:, LOW] = np.minimum.reduceat(candles.values[:, LOW], starts)
    values[:, CLOSE] = candles.values[ends, CLOSE]
    values[:, VOLUME:] = np.add.reduceat(candles.values[:, VOLUME:], starts, axis=0)
    return Candles(bucket[starts], values)


def with_forming(candles: Candles, minutes: Candles, interval: Interval, now_ms: int) -> Candles:
    """The same candles; if the last one is still forming at `now_ms`, it is shown as far as it has got.

    It is put together from `minutes` where there are some; the newest minute, or the candle itself, has walked a part of its way.
    """
    if not len(candles) or candles.open_time[-1] + interval.ms <= now_ms:
        return candles
    parts, step = minutes.between(int(candles.open_time[-1]), now_ms), Interval.MINUTE
    if interval is Interval.MINUTE or not len(parts):
        parts, step = Candles(candles.open_time[-1:], candles.values[-1:]), interval
    values = parts.values.copy()
    if parts.open_time[-1] + step.ms > now_ms:
        _cut_short(values[-1], (now_ms - int(parts.open_time[-1])) / step.ms)
    last = aggregate(Candles(parts.open_time, values), interval)
    return Candles(candles.open_time, np.concatenate([candles.values[:-1], last.values]))


def _cut_short(values: npt.NDArray[np.float64], part: float) -> None:
    """Leave `part` (0 to 1) of one candle, in place."""
    start, end = values[OPEN], values[OPEN] + (values[CLOSE] - values[OPEN]) * part
    values[HIGH], values[LOW], values[CLOSE] = max(start, end), min(start, end), end
    values[VOLUME:] *= part
