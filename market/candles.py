"""The candle and its invariants, for one candle and for a frame of them.

Corrupt data is worse than none: what breaks an invariant never gets past this module. The rules stand in one place and hold for
single numbers and for whole columns alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from node.durations import Interval
from node.errors import BadMarketDataError

PRICES: Final = ("open", "high", "low", "close")
COLUMNS: Final[tuple[str, ...]] = ("open_time", *PRICES, "volume", "quote_volume", "trades", "taker_base", "taker_quote")
"""Columns of a candle frame: `open_time` int64 in UTC milliseconds, the others float64."""

OPTIONAL_COLUMNS: Final[tuple[str, ...]] = COLUMNS[6:]
"""NaN where the source does not have them."""

MAX_JUMP_RATIO: Final = 2.0
MAX_RANGE_RATIO: Final = 5.0
"""Factors between prices beyond which a candle is an error of the source and not a move of the market; see `plausible_rows`."""

ENOUGH_TO_TELL: Final = 10
"""So many rows show by their distances of which interval they are."""

SHORTEST_RUN: Final = 60
"""So many candles in a row on another scale are believed after all: a source that errs for so long cannot be told from a market."""


def _broken_rules(values: Mapping[str, Any] | pd.DataFrame, interval: Interval) -> dict[str, Any]:
    """What is wrong by rule, as booleans: of one candle, or of each row if `values` holds columns."""
    open_time, open_, high, low, close = (values[name] for name in COLUMNS[:5])
    rules = {
        "prices are not finite and positive": np.logical_or.reduce(
            [~np.isfinite(values[name]) | (np.asarray(values[name]) <= 0) for name in PRICES]
        ),
        "low and high do not enclose open and close": (
            (np.asarray(low) > open_) | (np.asarray(low) > close) | (np.asarray(high) < open_) | (np.asarray(high) < close)
        ),
        "volume is negative or not finite": ~np.isfinite(values["volume"]) | (np.asarray(values["volume"]) < 0),
        "open time is off the interval's grid": (np.asarray(open_time) % interval.ms != 0) | (np.asarray(open_time) < 0),
    }
    for name in OPTIONAL_COLUMNS:
        rules[f"{name} is negative or infinite"] = np.isinf(values[name]) | (np.asarray(values[name]) < 0)
    return rules


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle. Prices are in the quote asset, `volume` and `taker_base` in the base asset.

    BadMarketDataError if an invariant does not hold.
    """

    interval: Interval
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float = math.nan
    trades: float = math.nan
    taker_base: float = math.nan
    taker_quote: float = math.nan

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in COLUMNS}
        for rule, broken in _broken_rules(values, self.interval).items():
            if broken:
                raise BadMarketDataError(f"candle at {self.open_time}: {rule}")

    @property
    def close_time(self) -> int:
        """The instant at which it closed, in UTC milliseconds: the open time of the next."""
        return self.open_time + self.interval.ms


def empty_candles() -> pd.DataFrame:
    """A candle frame without rows."""
    return pd.DataFrame({name: np.empty(0, np.int64 if name == "open_time" else np.float64) for name in COLUMNS})


def sound_rows(frame: pd.DataFrame, interval: Interval) -> npt.NDArray[np.bool_]:
    """Which rows keep every invariant that a row can keep alone, and do not contradict another row of the same open time."""
    broken = np.logical_or.reduce(list(_broken_rules(frame, interval).values()))
    contradicting = frame["open_time"].duplicated(keep=False) & ~frame.duplicated(keep=False)
    return np.asarray(~(broken | contradicting.to_numpy()), dtype=np.bool_)


def plausible_rows(frame: pd.DataFrame, interval: Interval) -> npt.NDArray[np.bool_]:
    """Which rows of a sorted frame a market can have had: no jump between neighbours, no range beyond the worst crashes.

    Trading is continuous. In years of real candles an open never lay more than 1.5 % from the close before it, and within an
    hour prices never moved by more than a factor of 3.2. Of two neighbours that do not fit, neither is trusted; nor is what lies
    on another scale than the rest, unless it goes on for `SHORTEST_RUN` candles.
    """
    open_, high, low, close = (frame[name].to_numpy() for name in PRICES)
    range_ok = np.ones(len(frame), dtype=np.bool_) if interval is Interval.DAY else high <= low * MAX_RANGE_RATIO
    ratio = open_[1:] / close[:-1]
    neighbours = np.diff(frame["open_time"].to_numpy()) == interval.ms
    jump = neighbours & ((ratio > MAX_JUMP_RATIO) | (ratio < 1 / MAX_JUMP_RATIO))
    plausible = range_ok & ~np.append(jump, False) & ~np.append(False, jump)
    runs = np.split(np.arange(len(frame)), np.flatnonzero(jump) + 1)
    if len(runs) > 1:
        first = next((number for number, run in enumerate(runs) if len(run) >= SHORTEST_RUN), 0)
        _distrust_other_scales(runs[first:], open_, close, plausible)
        _distrust_other_scales([run[::-1] for run in runs[first::-1]], close, open_, plausible)
    return np.asarray(plausible, dtype=np.bool_)


def _distrust_other_scales(
    runs: list[npt.NDArray[np.int64]],
    begins: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    plausible: npt.NDArray[np.bool_],
) -> None:
    """Mark each short run whose first price does not fit the last trusted one before it, the first run being trusted."""
    level = begins[runs[0][0]]
    for run in runs:
        ratio = begins[run[0]] / level
        if len(run) < SHORTEST_RUN and not 1 / MAX_JUMP_RATIO <= ratio <= MAX_JUMP_RATIO:
            plausible[run] = False
            continue
        trusted = run[plausible[run]]
        level = ends[trusted[-1]] if len(trusted) else begins[run[0]]


def check_interval(open_time: npt.NDArray[np.float64] | npt.NDArray[np.int64], interval: Interval) -> None:
    """BadMarketDataError if these open times are those of another interval: every fifth minute would pass for a candle of five.

    Times that stand closer than the interval cannot be its candles. Those that all lie on the grid of a longer one, and never
    closer than that, are not either; of a few rows this is not certain, so it takes ten.
    """
    steps = np.diff(np.unique(open_time))
    if not len(steps):
        return
    if float(np.median(steps)) < interval.ms:
        raise BadMarketDataError(f"candles of another interval than {interval} were sent, {np.median(steps) / 1000:g} s apart")
    if len(steps) + 1 >= ENOUGH_TO_TELL and float(steps.min()) > interval.ms and not np.any(steps % steps.min()):
        raise BadMarketDataError(f"candles of another interval than {interval} were sent, {steps.min() / 1000:g} s apart")


def check_candles(frame: pd.DataFrame, interval: Interval, now_ms: int) -> pd.DataFrame:
    """A normalised copy: columns, types and order as they should be, identical rows once.

    BadMarketDataError for anything else: a price that is not finite and positive, low or high that do not enclose the others,
    negative volume, an open time off the grid, two different candles of one open time, a candle not closed at `now_ms`.
    """
    candles = _with_types(frame)
    candles = candles.sort_values("open_time", kind="stable").drop_duplicates(ignore_index=True)
    rules = _broken_rules(candles, interval)
    rules["another candle has the same open time"] = candles["open_time"].duplicated().to_numpy()
    rules["not closed yet"] = (candles["open_time"] + interval.ms > now_ms).to_numpy()
    for rule, broken in rules.items():
        if broken.any():
            first = int(candles["open_time"].to_numpy()[np.argmax(broken)])
            raise BadMarketDataError(f"{int(broken.sum())} of {len(candles)} {interval} candles: {rule} (first at {first})")
    return candles


def _with_types(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in frame.columns and name not in OPTIONAL_COLUMNS]
    if missing:
        raise BadMarketDataError(f"candles lack the column {missing[0]}")
    try:
        columns = {name: pd.to_numeric(frame[name]).to_numpy(np.float64) for name in COLUMNS[1:] if name in frame.columns}
        open_time = pd.to_numeric(frame["open_time"]).to_numpy()
        whole = open_time.astype(np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadMarketDataError(f"candles hold what is not a number: {error}") from None
    if len(whole) and not np.array_equal(whole, open_time):
        raise BadMarketDataError("candles have an open time that is not in whole milliseconds")
    absent = np.full(len(frame), np.nan)
    return pd.DataFrame({"open_time": whole} | {name: columns.get(name, absent) for name in COLUMNS[1:]})
