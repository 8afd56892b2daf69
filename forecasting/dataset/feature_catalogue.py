"""What a model sees of the candles: named, causal features, each with the history it declares to need.

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

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
    runs_of,
)
from forecasting.dataset.volatility_features import (
    SMALLEST_DEVIATION,
    log_range,
    log_standard_deviation,
    phase,
    volatility_features,
)
from node.durations import DAY_MS, Interval
from node.errors import ForecastError, TrainingError
from node.topics import Target

SCALE_SPAN: Final = 240
"""Bars over which a return's ordinary size is taken."""

DAY_SPAN: Final = 1440
"""Bars that volume is measured against where a feature says so: a day of minutes."""

LARGE_MOVE: Final = 1.5
"""Deviations beyond which a bar's return counts as a large one."""

DECAY_SPANS: Final = 6
"""Half-lives after which a decaying mean is cut off."""

WEEK_MS: Final = 7 * DAY_MS
FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""The epoch began on a Thursday."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


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
    size: Floats = np.maximum(root_mean_square_return(bars, span), SMALLEST_DEVIATION)
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
    return np.log(np.maximum(root, SMALLEST_DEVIATION))


def _log_largest_return(bars: Bars, span: int) -> Floats:
    """Log of the largest of the newest `span` returns, whatever its sign."""
    return np.log(np.maximum(rolling_max(np.abs(bars.log_returns), span), SMALLEST_DEVIATION))


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
    return np.log(np.maximum(np.sqrt(squares), SMALLEST_DEVIATION))


def _decaying_return(bars: Bars, half_life: int) -> Floats:
    """Mean of returns whose weights halve every `half_life` bars, in deviations of such a mean if returns have no memory."""
    mean = ewm_mean(bars.log_returns, half_life, DECAY_SPANS * half_life)
    return mean / (deviation(bars, SCALE_SPAN) * math.sqrt(math.log(2) / (2 * half_life)))


def _taker_imbalance(bars: Bars, span: int) -> Floats:
    """What takers bought less what they sold over `span` bars, as a part of the volume: -1 to 1; 0 where nothing was traded."""
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


def _weekday(bars: Bars, day: int) -> Floats:
    """1 on this day of the week (Monday is 0) in UTC, 0 on the others."""
    days = (bars.open_time - FIRST_MONDAY_MS) % WEEK_MS // DAY_MS
    return np.where(days == day, 1.0, 0.0)


def _weekend_phase(bars: Bars, times: int, wave: Callable[[Floats], Floats]) -> Floats:
    """Where in the day the candle opens, on Saturday and Sunday, whose days run otherwise; 0 in the week."""
    days_since_monday = (bars.open_time - FIRST_MONDAY_MS) % WEEK_MS // DAY_MS
    return np.where(days_since_monday >= 5, phase(bars, DAY_MS // times, wave), 0.0)


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
    "day_sine": Feature(partial(phase, period_ms=DAY_MS, wave=np.sin), 0),
    "day_cosine": Feature(partial(phase, period_ms=DAY_MS, wave=np.cos), 0),
    "week_sine": Feature(partial(phase, period_ms=WEEK_MS, wave=np.sin), 0),
    "week_cosine": Feature(partial(phase, period_ms=WEEK_MS, wave=np.cos), 0),
    **{
        f"day_{name}_{times}": Feature(partial(phase, period_ms=DAY_MS // times, wave=wave), 0)
        for times in (2, 3, 4)
        for name, wave in (("sine", np.sin), ("cosine", np.cos))
    },
    **{
        f"weekend_{name}_{times}": Feature(partial(_weekend_phase, times=times, wave=wave), 0)
        for times in (1, 2, 3, 4)
        for name, wave in (("sine", np.sin), ("cosine", np.cos))
    },
    **{name: Feature(_with(_weekday, day), 0) for day, name in enumerate(WEEKDAYS)},
    **{name: Feature(compute, warm_up) for name, compute, warm_up in volatility_features()},
    **_over_candles((1, 5, 15), "taker_imbalance", _taker_imbalance, "taker_base"),
    **_over_candles((60,), "signed_volume", _signed_volume, "taker_base"),
    **_over_candles((60,), "trades_surprise", _trades_surprise, "trades"),
    **_beside_leader((1, 5, 15), "leader_return", _leader_return),
    **_beside_leader((1, 5, 15), "leader_gap", _leader_gap),
    **_over_candles((1, 5, 15), "leader_imbalance", _leader_imbalance, LEADER + "taker_base"),
}
"""Every feature by its name."""

_DAY: Final = ("day_sine", "day_cosine", *(f"day_{wave}_{times}" for times in (2, 3, 4) for wave in ("sine", "cosine")))
_OF_RETURNS: Final = (
    "scaled_return_1", "scaled_return_5", "scaled_return_15", "scaled_return_60",
    "large_return_1", "large_return_5", "return_times_volume_60",
    "range_position_1", "range_position_5", "range_position_60", "range_position_240",
    "volatility_ratio_5", "volatility_ratio_15", "volatility_ratio_60",
    "relative_volume_60", "day_sine", "day_cosine",
)  # fmt: skip
_OF_VOLATILITY: Final = (
    "log_standard_deviation_5", "log_standard_deviation_15", "log_standard_deviation_60", "log_standard_deviation_240",
    "log_standard_deviation_1440",
    "log_volatility_5", "log_volatility_15", "log_volatility_60", "log_volatility_240", "log_volatility_1440",
    "log_range_1", "log_range_5", "log_range_15", "log_range_60", "log_range_240", "log_range_1440",
    "volume_ratio_5", "volume_ratio_15", "volume_ratio_60", "volume_ratio_240",
    "log_bipower_15", "log_bipower_60", "log_largest_return_15", "log_largest_return_60",
    "scaled_move_1", "scaled_move_5", "scaled_move_15", "scaled_move_60", "scaled_move_240",
    "scaled_return_1", "scaled_return_15", "scaled_return_60",
    *_DAY, *(f"weekend_{wave}_{times}" for times in (1, 2, 3, 4) for wave in ("sine", "cosine")), *WEEKDAYS,
    *(name for name, _, _ in volatility_features()),
)  # fmt: skip
DEFAULT_FEATURES: Final[dict[Target, tuple[str, ...]]] = {
    Target.PRICE: _OF_RETURNS,
    Target.LOG_RETURN: _OF_RETURNS,
    Target.VOLATILITY: _OF_VOLATILITY,
}

LEADER_FEATURES: Final = tuple(f"leader_{name}_{span}" for name in ("return", "gap") for span in (1, 5, 15))
"""What is read of another token's candles where a topic names one and chooses no features."""

DEFAULT: Final = "default"
"""Stands for a target's default features where features are chosen by name."""

WORTHWHILE_WARM_UP: Final = 0.2
"""Part of the history that a feature may cost before the first value of it is there."""


def default_features(target: Target, bars: int) -> tuple[str, ...]:
    """The target's features whose warm-up a history of `bars` candles can afford."""
    return affordable(DEFAULT_FEATURES[target], bars)


def chosen_features(target: Target, choice: Sequence[str], leader: str | None) -> tuple[str, ...]:
    """The features that a topic's `choice` names, or the target's default ones, with the leader's where there is one.

    TrainingError for a name that is no feature's, and for one that reads another token's candles if there is no `leader`.
    """
    names = choice or (DEFAULT, *(LEADER_FEATURES if leader else ()))
    chosen = dict.fromkeys(part for name in names for part in (DEFAULT_FEATURES[target] if name == DEFAULT else (name,)))
    for name in chosen:
        if name not in FEATURES:
            near = difflib.get_close_matches(name, FEATURES, n=1)
            raise TrainingError(f"there is no feature {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if leader is None and reads_leader([name]):
            raise TrainingError(f"the feature {name!r} reads another token's candles", hint="Name that token as Leader.")
    return tuple(chosen)


def reads_leader(names: Sequence[str]) -> bool:
    """Whether any of these features reads another token's candles."""
    return any(column.startswith(LEADER) for column in needs_of(names))


def needs_of(names: Sequence[str]) -> tuple[str, ...]:
    """Columns that these features read and not every frame has."""
    return tuple(dict.fromkeys(column for name in names for column in FEATURES[name].needs))


def affordable(names: Sequence[str], bars: int) -> tuple[str, ...]:
    """Those of these features whose warm-up a history of `bars` candles can afford."""
    return tuple(name for name in names if FEATURES[name].warm_up <= WORTHWHILE_WARM_UP * bars)


def warm_up_of(names: Sequence[str]) -> int:
    """Candles that must lie before the first one at which all of these features exist."""
    return max((FEATURES[name].warm_up for name in names), default=0)


def features_of(bars: Bars, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Features of one run, shape [n, F]."""
    if not names:
        return np.empty((len(bars), 0), np.float32)
    return np.stack([FEATURES[name].compute(bars) for name in names], axis=1).astype(np.float32)


def feature_matrix(candles: pd.DataFrame, names: Sequence[str], interval: Interval) -> npt.NDArray[np.float32]:
    """Features of every candle of a frame, shape [n, F]; NaN while a feature warms up, anew after every gap."""
    matrix = np.full((len(candles), len(names)), np.nan, np.float32)
    for run in runs_of(candles, interval):
        matrix[run.start : run.stop] = features_of(run.bars, names)
    return matrix
