"""Binance's klines body, turned into candles or refused.

A row has 12 columns: open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base volume, taker buy
quote volume, one to ignore. Prices are strings, times milliseconds. The newest row is the candle still forming.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from market.bounded_http import Answer
from market.candles import COLUMNS, plausible_rows, sound_rows
from node.durations import Interval
from node.errors import BadMarketDataError

_WIRE_COLUMNS: Final = 12


@dataclass(frozen=True, slots=True)
class Page:
    """The closed candles of one body, how many rows it had, and how many of them broke an invariant and were left out."""

    candles: pd.DataFrame
    rows: int
    bad: int


def read_page(answer: Answer, interval: Interval, now_ms: int) -> Page:
    """The candles that have closed at `now_ms`; BadMarketDataError if the body is no list of rows, or not one of them is right."""
    try:
        rows = answer.json()
    except ValueError:
        raise BadMarketDataError(f"the answer is not JSON: {answer.start}") from None
    if not isinstance(rows, list):
        raise BadMarketDataError(f"the answer is not a list of candles: {answer.start}")
    read = [values for values in (_read_row(row, interval) for row in rows) if values is not None]
    table = np.array(read, dtype=np.float64).reshape(len(read), len(COLUMNS))
    frame = pd.DataFrame(table, columns=list(COLUMNS)).drop_duplicates().sort_values("open_time", ignore_index=True)
    open_time = frame["open_time"].to_numpy()
    # Our clock may lag a little behind the exchange's; but what is ahead of the next candle is made up.
    sound = sound_rows(frame, interval) & (open_time <= now_ms + interval.ms)
    candles = frame[sound].astype({"open_time": np.int64})
    candles = candles[plausible_rows(candles, interval)]
    if rows and candles.empty:
        raise BadMarketDataError(f"not one of {len(rows)} rows is a candle: {answer.start}")
    bad = len(rows) - len(read) + len(frame) - len(candles)
    closed = candles[candles["open_time"] + interval.ms <= now_ms]
    return Page(closed.reset_index(drop=True), len(rows), bad)


def earlier(now_ms: int, answer: Answer) -> int:
    """The earlier of our time and the exchange's, which its Date header tells in whole seconds.

    With a clock that runs ahead, the candle still forming would pass for a closed one.
    """
    try:
        return min(now_ms, round(parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()) * 1000 + 999)
    except (TypeError, ValueError, OverflowError):
        return now_ms


def _read_row(row: Any, interval: Interval) -> list[float] | None:
    """The numbers of one row in the order of COLUMNS; None if it is not a candle of this interval."""
    if not isinstance(row, list) or len(row) != _WIRE_COLUMNS:
        return None
    try:
        open_time, close_time = int(row[0]), int(row[6])
        values = [float(value) for value in (*row[1:6], *row[7:11])]
    except (TypeError, ValueError, OverflowError):
        return None
    # Halts have left candles that closed early, so that only the bounds of the close time are certain.
    if not open_time < close_time < open_time + interval.ms:
        return None
    volume, trades = values[4], values[6]
    if volume > 0 and trades == 0:
        # Volume without a single trade: this source does not know the last four.
        values[5:] = [math.nan] * 4
    return [float(open_time), *values]
