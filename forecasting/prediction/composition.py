"""An answer for an interval that has begun: what is known of it already, joined with the forecast of the rest.

A model forecasts a whole horizon from its newest bar. A nonce asks about an interval that began up to some minutes ago
(`node.truth`), so part of the truth lies in candles that have closed; only what comes after the newest of them is left to forecast:

| target | answer |
|---|---|
| price | newest price × exp(forecast × rest) |
| log_return | ln(newest price / price at the base) + forecast × rest |
| volatility | root of the mean of the known squared returns and the squares that the forecast expects of the others |

`rest` is the part of the horizon between the newest price and the interval's end: a return is taken to spread evenly over time, and
a volatility to be the same in every minute. At the moment of its newest price an answer is the model's own forecast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from forecasting.arrays import Floats
from forecasting.dataset.targets import from_model_space
from node.durations import MINUTE_MS
from node.errors import ForecastError, NotEnoughDataError
from node.timestamps import utc_text
from node.topics import Target
from node.truth import TopicInterval


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """The price at every minute from `first_ms` on (UTC milliseconds), shape [n], the newest of them known: NaN in gaps."""

    first_ms: int
    values: Floats

    @classmethod
    def of(cls, candles: pd.DataFrame) -> Self:
        """From one-minute candles (at least one), oldest first: each gives the price at its close."""
        minutes = candles["open_time"].to_numpy(np.int64) // MINUTE_MS
        values = np.full(int(minutes[-1] - minutes[0]) + 1, np.nan)
        values[minutes - minutes[0]] = candles["close"].to_numpy(np.float64)
        return cls((int(minutes[0]) + 1) * MINUTE_MS, values)

    @property
    def newest_ms(self) -> int:
        """The moment of the newest price."""
        return self.first_ms + (len(self.values) - 1) * MINUTE_MS

    @property
    def newest(self) -> float:
        return float(self.values[-1])

    def between(self, start_ms: int, end_ms: int) -> Floats:
        """Prices from one minute to another, both included; NotEnoughDataError naming the first that is not known."""
        place = (start_ms - self.first_ms) // MINUTE_MS
        found = self.values[place : (end_ms - self.first_ms) // MINUTE_MS + 1] if place >= 0 else self.values[:0]
        missing = np.flatnonzero(np.isnan(found))
        if place < 0 or len(missing):
            moment = start_ms if place < 0 else start_ms + int(missing[0]) * MINUTE_MS
            raise NotEnoughDataError(
                f"the price at {utc_text(moment)} is not known: there is no one-minute candle that closed then",
                hint="A gap in the candles, or history that is still filling; the next interval does not depend on it.",
            )
        return found


def compose(asked: TopicInterval, forecast: float, prices: Prices) -> float:
    """The answer for `asked` in the network's unit, from a forecast in model space and what is known of prices.

    NotEnoughDataError if a price of the interval that should be known is not; ForecastError if the interval has ended or the answer
    is not finite.
    """
    left_ms = asked.end_ms - max(asked.base_ms, prices.newest_ms)
    if left_ms <= 0:
        raise ForecastError(f"the interval from {utc_text(asked.base_ms)} on has ended: nothing is left to forecast")
    try:
        value = _composed(asked, forecast, prices)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ForecastError(f"the forecast {forecast} for {asked.task} leads to no number")
    return value


def _composed(asked: TopicInterval, forecast: float, prices: Prices) -> float:
    task, minutes = asked.task, asked.task.horizon.ms // MINUTE_MS
    if task.target is Target.VOLATILITY:
        return _joined(forecast, _known_returns(asked, prices), minutes)
    # The last price may be from before the base, when the base's own candle has not arrived yet.
    rest = (asked.end_ms - prices.newest_ms) / task.horizon.ms
    if task.target is Target.PRICE:
        return prices.newest * math.exp(forecast * rest)
    if prices.newest_ms <= asked.base_ms:
        return forecast
    at_base = float(prices.between(asked.base_ms, asked.base_ms)[0])
    return math.log(prices.newest / at_base) + forecast * rest


def _known_returns(asked: TopicInterval, prices: Prices) -> Floats:
    """One-minute log returns of the interval up to the newest price; none before its first minute has passed."""
    if prices.newest_ms <= asked.base_ms:
        return np.empty(0)
    known = asked.known_moments(prices.newest_ms)
    return np.diff(np.log(prices.between(known[0], known[-1])))


def _joined(forecast: float, known: Floats, minutes: int) -> float:
    """The volatility that is expected of `minutes` returns when some are known and the others have the forecast's variance.

    The sample variance is (Σr² - (Σr)²/n) / (n - 1), of which the others bring their variance to either sum.
    """
    if len(known) == 0:
        return from_model_space(Target.VOLATILITY, minutes, forecast, math.nan)
    coming = math.exp(2 * forecast) * (minutes - len(known))
    squares, square_of_sum = float(known @ known) + coming, float(known.sum()) ** 2 + coming
    return math.sqrt(max(squares - square_of_sum / minutes, 0.0) / (minutes - 1)) * math.sqrt(minutes)
