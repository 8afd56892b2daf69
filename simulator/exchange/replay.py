"""A recorded market, re-dated by whole days so that "now" lies inside the record and hours of it are still to come.

Files are Parquet, `<SYMBOL>-<interval>-<anything>.parquet`, several of one symbol and interval allowed, with the columns
`open_time` (int64, UTC milliseconds), `open, high, low, close, volume` and, if known, `quote_volume, trades, taker_base,
taker_quote`; what is not known goes out as zero. All files are moved by the same number of days, so that intervals and symbols
keep agreeing. An interval that was not recorded is put together from a shorter one; nothing is invented.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from node.durations import DAY_MS, HOUR_MS, Interval
from simulator.exchange.candles import VALUES, Candles, aggregate, no_candles
from simulator.exchange.synthetic import SyntheticMarket

HOURS_AHEAD: Final = 6
"""How much of the record has to lie ahead of now, so that it goes on."""

_BEHIND_MS: Final = DAY_MS
_COVERED: Final = 0.9
"""Share of the candles around now that a symbol needs to count as recorded then."""

_FILE_NAME: Final = re.compile(r"([A-Z0-9]{2,20})-(1m|5m|15m|1h|1d)-.*\.parquet")

_Times = npt.NDArray[np.int64]


class RecordedMarket:
    """The candles of a folder. ValueError if it holds none that can be replayed."""

    def __init__(self, folder: Path, now_ms: int) -> None:
        self._files: dict[tuple[str, Interval], list[Path]] = defaultdict(list)
        for path in sorted(folder.iterdir()):
            match = _FILE_NAME.fullmatch(path.name)
            if match:
                self._files[match[1], Interval(match[2])].append(path)
        if not self._files:
            raise ValueError(f"{folder} holds no file named <SYMBOL>-<interval>-….parquet")
        recorded = {symbol for symbol, _ in self._files}
        # The usual tokens are listed even when nothing of them was recorded: they have no candles, which is not an error.
        self.symbols = tuple(sorted(recorded | set(SyntheticMarket.symbols)))
        self._cache: dict[tuple[str, Interval], Candles] = {}
        finest = min((interval for _, interval in self._files), key=lambda interval: interval.ms)
        times = {symbol: self._read_times(symbol, finest) for symbol in recorded if (symbol, finest) in self._files}
        day, covered = _best_day(times, finest, now_ms % DAY_MS)
        self._shift_ms = (now_ms // DAY_MS - day) * DAY_MS
        then = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date()
        self.description = (
            f"the record in {folder} of {len(recorded)} tokens, with {then} as today; {finest} candles then of {', '.join(covered)}"
        )

    def candles(self, symbol: str, interval: Interval, now_ms: int) -> Candles:
        """What was recorded, re-dated, or what can be put together from a shorter interval; none otherwise."""
        key = symbol, interval
        if key not in self._cache:
            self._cache[key] = self._read(symbol, interval) if key in self._files else self._derive(symbol, interval, now_ms)
        return self._cache[key]

    def _derive(self, symbol: str, interval: Interval, now_ms: int) -> Candles:
        shorter = [other for other in Interval if other.ms < interval.ms and (symbol, other) in self._files]
        if not shorter:
            return no_candles()
        part = max(shorter, key=lambda other: other.ms)
        parts = self.candles(symbol, part, now_ms)
        whole, counts = np.unique(parts.open_time - parts.open_time % interval.ms, return_counts=True)
        complete = counts == interval.ms // part.ms
        longer = aggregate(parts, interval)
        return Candles(whole[complete], longer.values[complete])

    def _read_times(self, symbol: str, interval: Interval) -> _Times:
        tables = [pq.read_table(path, columns=["open_time"]) for path in self._files[symbol, interval]]
        return np.unique(np.concatenate([_column(table, "open_time") for table in tables]).astype(np.int64))

    def _read(self, symbol: str, interval: Interval) -> Candles:
        times, values = [], []
        for path in self._files[symbol, interval]:
            table = pq.read_table(path)
            times.append(_column(table, "open_time").astype(np.int64))
            values.append(np.column_stack([_column(table, name) for name in VALUES]))
        # Of candles recorded twice the last one stands: files are issued again with corrections.
        time, first = np.unique(np.concatenate(times)[::-1], return_index=True)
        return Candles(time + self._shift_ms, np.concatenate(values)[::-1][first])


def _column(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column as float64, zeros where it was not recorded."""
    if name not in table.column_names:
        return np.zeros(table.num_rows)
    numbers: npt.NDArray[np.float64] = table.column(name).to_numpy().astype(np.float64)
    return np.nan_to_num(numbers)


def _best_day(times: dict[str, _Times], interval: Interval, time_of_day: int) -> tuple[int, list[str]]:
    """The latest of the days on which most symbols are recorded around `time_of_day`, and those symbols."""
    days = sorted({int(day) for time in times.values() for day in np.unique(time // DAY_MS)}, reverse=True)
    covered = {
        day: [symbol for symbol, time in times.items() if _covers(time, interval, day * DAY_MS + time_of_day)] for day in days
    }
    best = max(days, key=lambda day: len(covered[day]))
    if not covered[best]:
        raise ValueError(f"the record is shorter than a day and {HOURS_AHEAD} hours")
    return best, sorted(covered[best])


def _covers(time: _Times, interval: Interval, now_ms: int) -> bool:
    """Whether a day before `now_ms` and the hours after it are recorded."""
    start, end = now_ms - _BEHIND_MS, now_ms + HOURS_AHEAD * HOUR_MS
    first, last = np.searchsorted(time, [start, end])
    return bool(last - first >= _COVERED * (end - start) // interval.ms and time[0] <= start and time[-1] + interval.ms >= end)
