"""Candles as plain arrays in unbroken runs, and the rolling sums that every feature and target is made of.

A run is a stretch of candles without a gap. Everything is computed run by run, so nothing ever reaches across a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from forecasting.arrays import Floats, Integers
from node.durations import Interval
from node.errors import NotEnoughDataError

READ: Final = ("high", "low", "close", "volume", "trades", "taker_base")
"""Columns of a candle that anything is made of."""

LEADER: Final = "leader_"
"""Prefix of the columns of another token's candles where they stand beside a token's own."""


@dataclass(frozen=True, slots=True)
class Bars:
    """One run of n candles, oldest first. Every array has shape [n]; prices in the quote currency, volume in the base currency.

    `trades` and `taker_base` are NaN where the source lacks them. `leader` holds another token's candles of the same times, where
    they were put beside these.
    """

    open_time: Integers
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    trades: Floats
    taker_base: Floats
    leader: Bars | None = None

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def log_returns(self) -> Floats:
        """Log return of each close over the close before; NaN for the first."""
        logs = np.log(self.close)
        return logs - lag(logs, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """A run and where it lies in its frame: rows `start` to `stop`, without `stop`."""

    start: int
    stop: int
    bars: Bars


def split_into_runs(candles: pd.DataFrame, interval: Interval) -> list[Run]:
    """Cut a candle frame at its gaps; returns its runs, oldest first."""
    times = candles["open_time"].to_numpy(np.int64)
    if len(times) == 0:
        return []
    cuts = np.flatnonzero(np.diff(times) != interval.ms) + 1
    edges = [0, *cuts.tolist(), len(times)]
    own, leader = _columns(candles, ""), _columns(candles, LEADER)
    return [
        Run(start, stop, replace(_cut(times, own, start, stop), leader=_cut(times, leader, start, stop) if leader else None))
        for start, stop in pairwise(edges)
    ]


def beside(candles: pd.DataFrame, leader: pd.DataFrame) -> pd.DataFrame:
    """Candles with another token's of the same interval beside them, in columns that begin with LEADER.

    Two candles that open together close together, so nothing of the other token is seen before it is known. Where the other token
    has no candle there is a gap.
    """
    renamed = {name: LEADER + name for name in READ}
    theirs = leader[["open_time", *READ]].rename(columns=renamed)
    return candles.merge(theirs, on="open_time", how="inner").reset_index(drop=True)


def with_all_of(candles: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The candles that have a value in each of these columns; the others are gaps to whoever reads them."""
    missing = [name for name in columns if name not in candles.columns]
    if missing:
        raise NotEnoughDataError(
            f"the model reads {missing[0]}, which these candles do not have",
            hint="Another token's candles are put beside by Leader.",
        )
    return candles.dropna(subset=list(columns)).reset_index(drop=True) if columns else candles


def _columns(candles: pd.DataFrame, prefix: str) -> dict[str, Floats]:
    """Empty where the frame has none of these."""
    known = [name for name in READ if prefix + name in candles.columns]
    return {name: candles[prefix + name].to_numpy(np.float64) for name in known}


def _cut(times: Integers, columns: dict[str, Floats], start: int, stop: int) -> Bars:
    high, low, close, volume, trades, taker_base = (columns[name][start:stop] for name in READ)
    return Bars(times[start:stop], high, low, close, volume, trades, taker_base)


def lag(values: Floats, steps: int) -> Floats:
    """The value `steps` earlier; NaN where there is none."""
    if steps == 0:
        return values
    shifted = np.full_like(values, np.nan)
    if steps < len(values):
        shifted[steps:] = values[:-steps]
    return shifted


def rolling_sum(values: Floats, span: int, stride: int = 1) -> Floats:
    """Sum of the newest `span` values that lie `stride` rows apart, at every row; NaN where there are not so many.

    Built from blocks of doubling length, so that a sum is made of its own values alone, in one fixed order: longer or shorter
    history changes not a single bit of it, which a running sum could not promise.
    """
    total: Floats | None = None
    block, length, reach = values, 1, 0
    while True:
        if span & length:
            part = lag(block, reach * stride)
            total = part if total is None else total + part
            reach += length
        if reach == span:
            return values.copy() if total is None else total
        block = block + lag(block, length * stride)
        length *= 2


def rolling_mean(values: Floats, span: int) -> Floats:
    """Mean of the newest `span` values at every row; NaN for the first `span - 1` rows."""
    return rolling_sum(values, span) / span


def rolling_max(values: Floats, span: int) -> Floats:
    """Largest of the newest `span` values at every row; NaN for the first `span - 1` rows."""
    largest, reach = values, 1
    while reach < span:
        further = min(reach, span - reach)
        largest = np.maximum(largest, lag(largest, further))
        reach += further
    return largest.copy()


def ewm_mean(values: Floats, half_life: float, span: int) -> Floats:
    """Mean of the newest `span` values with weights that halve every `half_life` of them; NaN for the first `span - 1` rows."""
    weights = 0.5 ** (np.arange(span) / half_life)
    total = np.zeros_like(values)
    for steps, weight in enumerate(weights / weights.sum()):
        total += weight * lag(values, steps)
    return total


def root_mean_square_return(bars: Bars, span: int) -> Floats:
    """Root of the mean squared one-bar log return over the newest `span` returns, which read `span + 1` candles."""
    root: Floats = np.sqrt(rolling_mean(bars.log_returns**2, span))
    return root


def standard_deviation(bars: Bars, span: int) -> Floats:
    """Sample standard deviation of the newest `span` one-bar log returns, per bar and not per year; of a single one, its size."""
    returns = bars.log_returns
    if span == 1:
        return np.abs(returns)
    squares, total = rolling_sum(returns**2, span), rolling_sum(returns, span)
    return np.sqrt(np.maximum(squares - total**2 / span, 0.0) / (span - 1))
