"""The σ that reputers measure returns in: the deviation of a topic's own returns over a long time.

It is the population deviation of the last hundred log returns over the topic's horizon that do not overlap, from at most a year,
the last of them the return that is being scored. It is a figure of the past at the interval's end, not a forecast: nothing is
trained on it, forecasts are only judged by it.

Source: the network's published losses and the facts gathered on its forum, November 2026; production reputers are private.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from forecasting.arrays import Floats, Integers
from forecasting.dataset.bars import lag, rolling_sum
from market.candle_store import CandleStore
from node.durations import DAY_MS, Duration, Interval
from node.topics import Target, Task

MAX_RETURNS: Final = 100
MAX_SPAN_MS: Final = 365 * DAY_MS
MIN_RETURNS: Final = 20
"""Returns below which a deviation says too little to divide by. Gaps in the candles leave returns out."""


def returns_counted(horizon: Duration) -> int:
    """Return the number of returns of this horizon that are looked at."""
    return max(1, min(MAX_RETURNS, MAX_SPAN_MS // horizon.ms))


def reach_ms(horizon: Duration) -> int:
    """Return by how many milliseconds σ looks back before the base of an interval."""
    return (returns_counted(horizon) - 1) * horizon.ms


@dataclass(frozen=True, slots=True, eq=False)
class LongDeviation:
    """σ of the returns that end with each candle's close, on the whole grid from `first_ms` (open time) on; NaN where unknown."""

    first_ms: int
    interval: Interval
    values: Floats

    @classmethod
    def of(cls, times: Integers, closes: Floats, interval: Interval, horizon: Duration) -> Self:
        """From candles: open times [n] (ascending, gaps allowed) and closes [n]."""
        if len(times) == 0:
            return cls(0, interval, np.empty(0))
        steps, count = horizon.ms // interval.ms, returns_counted(horizon)
        places = (times - times[0]) // interval.ms
        logs = np.full(int(places[-1]) + 1, np.nan)
        logs[places] = np.log(closes)
        returns = logs - lag(logs, steps)
        known = np.isfinite(returns)
        filled = np.where(known, returns, 0.0)
        number, total, squares = (_strided(values, count, steps) for values in (known.astype(np.float64), filled, filled**2))
        enough = number >= min(MIN_RETURNS, count)
        mean = total / np.maximum(number, 1)
        variance = squares / np.maximum(number, 1) - mean**2
        values = np.where(enough & (variance > 0), np.sqrt(np.maximum(variance, 0.0)), np.nan)
        return cls(int(times[0]), interval, values)

    def at(self, end_ms: Integers) -> Floats:
        """σ for intervals that end at these moments [n]: that of the newest candle closed by then; NaN where there is none yet."""
        places = (end_ms - self.first_ms) // self.interval.ms - 1
        there = (places >= 0) & (places < len(self.values))
        found = np.full(len(end_ms), np.nan)
        found[there] = self.values[places[there]]
        return found


def stored_deviation(candles: CandleStore, task: Task, end_ms: Integers) -> Floats:
    """σ for intervals of a topic that end at these moments [n], from the bars that are stored; NaN for a volatility."""
    if len(end_ms) == 0 or task.target is Target.VOLATILITY:
        return np.full(len(end_ms), np.nan)
    first = int(end_ms.min()) - task.horizon.ms - reach_ms(task.horizon) - task.interval.ms
    frame = candles.window(task.symbol, task.interval, first, int(end_ms.max()))
    times, closes = frame["open_time"].to_numpy(np.int64), frame["close"].to_numpy(np.float64)
    return LongDeviation.of(times, closes, task.interval, task.horizon).at(end_ms)


def _strided(values: Floats, count: int, stride: int) -> Floats:
    """At every place the sum of the newest `count` values that lie `stride` apart; nothing lies before the first."""
    padded = np.concatenate((np.zeros((count - 1) * stride), values))
    return rolling_sum(padded, count, stride)[(count - 1) * stride :]
