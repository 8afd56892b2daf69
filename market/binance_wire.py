"""Binance's rows, of its REST route and of its archive alike, turned into candles or refused.

A row has 12 columns: open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base volume, taker buy
quote volume, one to ignore. Over REST prices are strings, times milliseconds, and the newest row is the candle still forming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from market.bounded_http import Answer
from market.candles import COLUMNS, OPTIONAL_COLUMNS, plausible_rows, sound_rows
from node.durations import Interval
from node.errors import BadMarketDataError

WIRE_COLUMNS: Final = 12
_NUMBERS: Final = (*COLUMNS[:6], "close_time", *COLUMNS[6:])
"""The columns of a row that are of use, in its order."""


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
    read = [values for values in map(_read_row, rows) if values is not None]
    table = np.array(read, dtype=np.float64).reshape(len(read), len(_NUMBERS))
    # Our clock may lag a little behind the exchange's; but what is ahead of the next candle is made up.
    candles, bad = sound_candles(table, interval, now_ms + interval.ms)
    if rows and candles.empty:
        raise BadMarketDataError(f"not one of {len(rows)} rows is a candle: {answer.start}")
    closed = candles[candles["open_time"] + interval.ms <= now_ms]
    return Page(closed.reset_index(drop=True), len(rows), bad + len(rows) - len(read))


def sound_candles(table: npt.NDArray[np.float64], interval: Interval, latest_ms: int) -> tuple[pd.DataFrame, int]:
    """The rows that are candles and open no later than `latest_ms`, sorted, and how many were left out.

    `table` is [n, 11]: a row's columns without the one to ignore, times in milliseconds.
    """
    frame = pd.DataFrame(table, columns=list(_NUMBERS)).drop_duplicates().sort_values("open_time", ignore_index=True)
    count = len(frame)
    # Halts have left candles that closed early, so that only the bounds of the close time are certain.
    open_time, close_time = frame["open_time"], frame.pop("close_time")
    frame = frame[(open_time < close_time) & (close_time < open_time + interval.ms) & (open_time <= latest_ms)]
    # Volume without a single trade: this source does not know the last four.
    frame.loc[(frame["volume"] > 0) & (frame["trades"] == 0), list(OPTIONAL_COLUMNS)] = np.nan
    candles = frame[sound_rows(frame, interval)].astype({"open_time": np.int64})
    candles = candles[plausible_rows(candles, interval)]
    return candles.reset_index(drop=True), count - len(candles)


def _read_row(row: Any) -> list[float] | None:
    """The numbers of one row; None if it is no row."""
    if not isinstance(row, list) or len(row) != WIRE_COLUMNS:
        return None
    try:
        return [float(int(row[0])), *map(float, row[1:6]), float(int(row[6])), *map(float, row[7:11])]
    except (TypeError, ValueError, OverflowError):
        return None
