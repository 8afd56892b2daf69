"""Features are what a model sees of the candles: named, causal, each with the history it declares to need.

A feature's value at a candle is made of that candle and at most `warm_up` candles before it. The name is part of a checkpoint's
signature: to change what a feature means, give it a new name and keep the old one.

Features are free of units where they can be (returns in deviations, volume against its mean), so that they mean the same in a
calm week and in a wild one. The usual ones read high, low, close and volume only, which every source has; a feature that reads
more, such as what takers bought or another token's candles, says so.

Sources: M. Parkinson, "The extreme value method for estimating the variance of the rate of return", 1980 (ranges);
F. Corsi, "A simple approximate long-memory model of realized volatility", 2009 (volatility at several scales);
O. E. Barndorff-Nielsen and N. Shephard, "Power and bipower variation with stochastic volatility and jumps", 2004 (bipower);
J. P. Morgan and Reuters, "RiskMetrics technical document", 1996 (decaying means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.arrays import Floats
from forecasting.dataset.bars import (
    LEADER,
    Bars,
    ewm_mean,
    lag,
    rolling_max,
    rolling_mean,
    rolling_sum,
    root_mean_square_return,
    split_into_runs,
)
from forecasting.dataset.calendar_features import calendar_features
from forecasting.dataset.volatility_features import MIN_RETURN_DEVIATION, log_range, log_standard_deviation, volatility_features
from node.durations import Interval
from node.errors import ForecastError

SCALE_SPAN: Final = 240
"""Bars over which a return's ordinary size is taken."""

DAY_SPAN: Final = 1440
"""Bars that volume is measured against where a feature says so: a day of minutes."""

LARGE_MOVE: Final = 1.5
"""Deviations beyond which a bar's return counts as a large one."""

DECAY_SPANS: Final = 6
"""Half-lives after which a decaying mean is cut off."""


@dataclass(frozen=True, slots=True)
class Feature:
    """`compute` gives one value a candle, shape [n], NaN while fewer than `warm_up` candles lie before it.

    `needs` are the columns it reads that not every frame has; a candle without a value there is a gap to its reader.
    """

    compute: Callable[[Bars], Floats]
    warm_up: int
    needs: tuple[str, ...] = ()


def deviation(bars: Bars, span: int) -> Floats:
    """Size of an ordinary one-bar log return over the newest `span` of them, never zero."""
    size: Floats = np.maximum(root_mean_square_return(bars, span), MIN_RETURN_DEVIATION)
    return size


def _scaled_return(bars: Bars, span: int) -> Floats:
    """Log return over `span` bars, in deviations of such a return."""
    return rolling_sum(bars.log_returns, span) / (deviation(bars, SCALE_SPAN) * math.sqrt(span))


def _log_volatility(bars: Bars, span: int) -> Floats:
    """Log of the deviation over `span` bars."""
    return np.log(deviation(bars, span))


def _volatility_ratio(bars: Bars, span: int) -> Floats:
    """Log of the deviation over `span` bars against that over the long span."""
    return np.log(deviation(bars, span) / deviation(bars, SCALE_SPAN))


def _relative_volume(bars: Bars, span: int) -> Floats:
    """Log of the candle's volume against its mean over `span` bars; bounded below, and 0 where nothing was traded at all."""
    mean = rolling_mean(bars.volume, span)
    ratio = np.divide(bars.volume, mean, out=np.ones_like(mean), where=mean > 0)
    return np.where(np.isnan(mean), np.nan, np.log((ratio + 0.01) / 1.01))


def _volume_ratio(bars: Bars, span: int) -> Floats:
    """Log of the mean volume over `span` bars against that over a long span; bounded below, 0 where nothing was traded at all."""
    recent, usual = rolling_mean(bars.volume, span), rolling_mean(bars.volume, DAY_SPAN)
    ratio = np.divide(recent, usual, out=np.ones_like(usual), where=usual > 0)
    return np.where(np.isnan(usual), np.nan, np.log((ratio + 0.01) / 1.01))


def _log_bipower(bars: Bars, span: int) -> Floats:
    """Log of the deviation over `span` bars as products of neighbouring returns tell it: a single jump hardly counts."""
    sizes = np.abs(bars.log_returns)
    root: Floats = np.sqrt(rolling_mean(sizes * lag(sizes, 1), span) * (np.pi / 2))
    return np.log(np.maximum(root, MIN_RETURN_DEVIATION))


def _log_largest_return(bars: Bars, span: int) -> Floats:
    """Log of the largest of the newest `span` returns, whatever its sign."""
    return np.log(np.maximum(rolling_max(np.abs(bars.log_returns), span), MIN_RETURN_DEVIATION))


def _scaled_move(bars: Bars, span: int) -> Floats:
    """Size of the log return over `span` bars, in deviations of such a return."""
    return np.abs(_scaled_return(bars, span))


def _large_return(bars: Bars, span: int) -> Floats:
    """By how many deviations the return over `span` bars goes beyond an ordinary one; 0 for an ordinary one."""
    scaled = _scaled_return(bars, span)
    return np.sign(scaled) * np.maximum(np.abs(scaled) - LARGE_MOVE, 0.0)


def _return_times_volume(bars: Bars, span: int) -> Floats:
    """The newest scaled return times the log of its volume against the mean over `span` bars."""
    return _scaled_return(bars, 1) * _relative_volume(bars, span)


def _range_position(bars: Bars, span: int) -> Floats:
    """Where the close lies between the lowest low (-1) and the highest high (1) of `span` bars; 0 where these are one."""
    high, low = rolling_max(bars.high, span), -rolling_max(-bars.low, span)
    width = high - low
    place = np.divide(2 * bars.close - high - low, width, out=np.zeros_like(width), where=width > 0)
    return np.where(np.isnan(width), np.nan, place)


def _log_decaying_volatility(bars: Bars, half_life: int) -> Floats:
    """Log of the deviation as a mean of squared returns whose weights halve every `half_life` bars."""
    squares = ewm_mean(bars.log_returns**2, half_life, DECAY_SPANS * half_life)
    return np.log(np.maximum(np.sqrt(squares), MIN_RETURN_DEVIATION))


def _decaying_return(bars: Bars, half_life: int) -> Floats:
    """Mean of returns whose weights halve every `half_life` bars, in deviations of such a mean if returns have no memory."""
    mean = ewm_mean(bars.log_returns, half_life, DECAY_SPANS * half_life)
    return mean / (deviation(bars, SCALE_SPAN) * math.sqrt(math.log(2) / (2 * half_life)))


def _taker_imbalance(bars: Bars, span: int) -> Floats:
    """Purchases of takers less their sales over `span` bars, as a part of the volume: -1 to 1; 0 where nothing was traded."""
    volume = rolling_sum(bars.volume, span)
    balance = rolling_sum(2 * bars.taker_base - bars.volume, span)
    part = np.divide(balance, volume, out=np.zeros_like(volume), where=volume > 0)
    return np.where(np.isnan(balance), np.nan, part)


def _signed_volume(bars: Bars, span: int) -> Floats:
    """Root of what takers bought less what they sold, against the mean volume over `span` bars, with its sign."""
    mean, balance = rolling_mean(bars.volume, span), 2 * bars.taker_base - bars.volume
    size = np.divide(np.abs(balance), mean, out=np.zeros_like(mean), where=mean > 0)
    return np.where(np.isnan(mean), np.nan, np.sign(balance) * np.sqrt(size))


def _trades_surprise(bars: Bars, span: int) -> Floats:
    """Log of the number of trades against its mean over `span` bars."""
    return np.log((bars.trades + 1) / (rolling_mean(bars.trades, span) + 1))


def _leader_of(bars: Bars) -> Bars:
    if bars.leader is None:
        raise ForecastError("no other token's candles stand beside these")
    return bars.leader


def _leader_return(bars: Bars, span: int) -> Floats:
    """The other token's log return over `span` bars, in its own deviations."""
    return _scaled_return(_leader_of(bars), span)


def _leader_gap(bars: Bars, span: int) -> Floats:
    """By how much the other token's scaled return over `span` bars is ahead of this one's."""
    return _leader_return(bars, span) - _scaled_return(bars, span)


def _leader_imbalance(bars: Bars, span: int) -> Floats:
    """The other token's taker imbalance."""
    return _taker_imbalance(_leader_of(bars), span)


def _over(spans: Sequence[int], name: str, compute: Callable[[Bars, int], Floats], *, also: int = 0) -> dict[str, Feature]:
    """One feature a span, made of the returns over that span, and over the span `also` where it reads that too."""
    return {f"{name}_{span}": Feature(_with(compute, span), max(span, also)) for span in spans}


def _over_candles(spans: Sequence[int], name: str, compute: Callable[[Bars, int], Floats], *needs: str) -> dict[str, Feature]:
    """One feature a span, made of that many candles: one fewer lies before the newest."""
    return {f"{name}_{span}": Feature(_with(compute, span), span - 1, needs) for span in spans}


def _beside_leader(spans: Sequence[int], name: str, compute: Callable[[Bars, int], Floats]) -> dict[str, Feature]:
    """One feature a span, made of the other token's returns over that span and their ordinary size."""
    return {f"{name}_{span}": Feature(_with(compute, span), max(span, SCALE_SPAN), (LEADER + "close",)) for span in spans}


def _with(compute: Callable[[Bars, int], Floats], span: int) -> Callable[[Bars], Floats]:
    return lambda bars: compute(bars, span)


FEATURES: Final[dict[str, Feature]] = {
    **_over((1, 5, 15, 60, 240), "scaled_return", _scaled_return, also=SCALE_SPAN),
    **_over((5, 15, 60), "volatility_ratio", _volatility_ratio, also=SCALE_SPAN),
    **_over((5, 15, 60, 240, 1440), "log_volatility", _log_volatility),
    **_over_candles((1, 5, 15, 60, 240), "log_range", log_range),
    **_over_candles((60, 240), "relative_volume", _relative_volume),
    **_over_candles((1440,), "log_range", log_range),
    **_over((5, 15, 60, 240, 1440), "log_standard_deviation", log_standard_deviation),
    **_over((5, 15, 60, 240), "volume_ratio", _volume_ratio, also=DAY_SPAN - 1),
    **{f"log_bipower_{span}": Feature(_with(_log_bipower, span), span + 1) for span in (15, 60)},
    **_over((15, 60), "log_largest_return", _log_largest_return),
    **_over((1, 5, 15, 60, 240), "scaled_move", _scaled_move, also=SCALE_SPAN),
    **_over((1, 5), "large_return", _large_return, also=SCALE_SPAN),
    **_over((60,), "return_times_volume", _return_times_volume, also=SCALE_SPAN),
    **_over_candles((1, 5, 15, 60, 240), "range_position", _range_position),
    **{
        f"{name}_{life}": Feature(_with(compute, life), max(DECAY_SPANS * life, SCALE_SPAN if name == "decaying_return" else 0))
        for name, compute in (("log_decaying_volatility", _log_decaying_volatility), ("decaying_return", _decaying_return))
        for life in (10, 40)
    },
    **{name: Feature(compute, 0) for name, compute in calendar_features()},
    **{name: Feature(compute, warm_up) for name, compute, warm_up in volatility_features()},
    **_over_candles((1, 5, 15), "taker_imbalance", _taker_imbalance, "taker_base"),
    **_over_candles((60,), "signed_volume", _signed_volume, "taker_base"),
    **_over_candles((60,), "trades_surprise", _trades_surprise, "trades"),
    **_beside_leader((1, 5, 15), "leader_return", _leader_return),
    **_beside_leader((1, 5, 15), "leader_gap", _leader_gap),
    **_over_candles((1, 5, 15), "leader_imbalance", _leader_imbalance, LEADER + "taker_base"),
}
"""Every feature by its name."""


def reads_leader(names: Sequence[str]) -> bool:
    """Whether any of these features reads another token's candles."""
    return any(column.startswith(LEADER) for column in columns_read(names))


def columns_read(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that these features read and not every frame has."""
    return tuple(dict.fromkeys(column for name in names for column in FEATURES[name].needs))


def longest_warm_up(names: Sequence[str]) -> int:
    """Count the candles that must lie before the first one at which all of these features exist."""
    return max((FEATURES[name].warm_up for name in names), default=0)


def compute_features(bars: Bars, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return the features of one run, shape [n, F]."""
    if not names:
        return np.empty((len(bars), 0), np.float32)
    return np.stack([FEATURES[name].compute(bars) for name in names], axis=1).astype(np.float32)


def compute_feature_matrix(candles: pd.DataFrame, names: Sequence[str], interval: Interval) -> npt.NDArray[np.float32]:
    """Return the features of every candle of a frame, shape [n, F]; NaN while a feature warms up, anew after every gap."""
    matrix = np.full((len(candles), len(names)), np.nan, np.float32)
    for run in split_into_runs(candles, interval):
        matrix[run.start : run.stop] = compute_features(run.bars, names)
    return matrix
