"""Binance's rows, of its REST route and of its archive alike, turned into candles or refused.

A row has 12 columns: open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base volume, taker buy
quote volume, one to ignore. Over REST prices are strings, times milliseconds, and the newest row is the candle still forming.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from market.bounded_http import Answer
from market.candles import COLUMNS, OPTIONAL_COLUMNS, check_interval, empty_candles, plausible_rows, sound_rows
from market.exchanges.exchange import doubtful_rows, with_doubtful
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Interval
from node.errors import BadMarketDataError

WIRE_COLUMNS: Final = 12
LENGTHS_MS: Final = (
    SECOND_MS,
    *(minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30)),
    *(hours * HOUR_MS for hours in (1, 2, 4, 6, 8, 12)),
    *(days * DAY_MS for days in (1, 3, 7)),
)
"""Of every interval that the exchange knows, asked for here or not."""
_NUMBERS: Final = (*COLUMNS[:6], "close_time", *COLUMNS[6:])
"""The columns of a row that are of use, in its order."""


@dataclass(frozen=True, slots=True)
class Page:
    """The closed candles of one body, how many rows it had, and how many of them broke an invariant and were left out.

    `doubtful` are those of the latter that only no market is known to have had.
    """

    candles: pd.DataFrame
    rows: int
    bad: int
    doubtful: pd.DataFrame = field(default_factory=empty_candles)


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
    closed, doubtful = (
        each[each["open_time"] + interval.ms <= now_ms].reset_index(drop=True) for each in (candles, doubtful_rows(candles))
    )
    return Page(closed, len(rows), bad + len(rows) - len(read), doubtful)


def sound_candles(table: npt.NDArray[np.float64], interval: Interval, latest_ms: int) -> tuple[pd.DataFrame, int]:
    """The rows that are candles and open no later than `latest_ms`, sorted, and how many were left out; see `doubtful_rows`.

    `table` is [n, 11]: a row's columns without the one to ignore, times in milliseconds. BadMarketDataError for rows of another
    interval.
    """
    frame = pd.DataFrame(table, columns=list(_NUMBERS)).drop_duplicates().sort_values("open_time", ignore_index=True)
    count = len(frame)
    _check_interval(frame, interval)
    # Halts have left candles that closed early, so that only the bounds of the close time are certain.
    open_time, close_time = frame["open_time"], frame.pop("close_time")
    frame = frame[(open_time < close_time) & (close_time < open_time + interval.ms) & (open_time <= latest_ms)]
    # Volume without a single trade: this source does not know the last four.
    frame.loc[(frame["volume"] > 0) & (frame["trades"] == 0), list(OPTIONAL_COLUMNS)] = np.nan
    sound = frame[sound_rows(frame, interval)].astype({"open_time": np.int64})
    plausible = plausible_rows(sound, interval)
    candles = with_doubtful(sound[plausible].reset_index(drop=True), sound[~plausible])
    return candles, count - len(candles)


def _check_interval(frame: pd.DataFrame, interval: Interval) -> None:
    """BadMarketDataError for rows of another interval; a single one shows it by its length alone."""
    in_time = frame[np.isfinite(frame["open_time"]) & np.isfinite(frame["close_time"])]
    check_interval(in_time["open_time"].to_numpy(), interval)
    lengths = set((in_time["close_time"] - in_time["open_time"] + 1).tolist())
    if len(lengths) == 1 and lengths <= {float(each) for each in LENGTHS_MS if each != interval.ms}:
        raise BadMarketDataError(f"candles of another interval than {interval} were sent, {lengths.pop() / 1000:g} s long")


def _read_row(row: Any) -> list[float] | None:
    """The numbers of one row; None if it is no row."""
    if not isinstance(row, list) or len(row) != WIRE_COLUMNS:
        return None
    try:
        return [float(int(row[0])), *map(float, row[1:6]), float(int(row[6])), *map(float, row[7:11])]
    except (TypeError, ValueError, OverflowError):
        return None
