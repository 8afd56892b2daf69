"""Recorded candles from folders of Parquet files, as a backtest reads them.

Files are named `<SYMBOL>-<interval>-<anything>.parquet`, several of one symbol and interval allowed, also over several folders.
What lies between two files is a gap, like any other: nothing is made up to fill it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.candles import COLUMNS, OPTIONAL_COLUMNS, check_candles, empty_candles
from node.durations import Interval
from node.errors import BadMarketDataError
from node.topics import QUOTE_ASSET, symbol_of

_FILE_NAME: Final = re.compile(r"([A-Z0-9]{2,20})-(1m|5m|15m|1h|1d)-.*\.parquet")


class CandleFiles:
    """The candles of some folders; BadMarketDataError if there is no file of candles in them."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._files: dict[tuple[str, Interval], list[Path]] = defaultdict(list)
        for folder in folders:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                match = _FILE_NAME.fullmatch(path.name)
                if match and match[1].endswith(QUOTE_ASSET):
                    self._files[match[1], Interval(match[2])].append(path)
        if not self._files:
            raise BadMarketDataError(
                f"no candles in {', '.join(map(str, folders))}",
                hint="Files are named like BTCUSDT-1m-2025-03-01_2025-08-31.parquet.",
            )

    def tokens(self, interval: Interval) -> list[str]:
        """Tokens that have a file of this interval, in alphabetical order."""
        return sorted(symbol.removesuffix(QUOTE_ASSET) for symbol, recorded in self._files if recorded is interval)

    def span(self, token: str, interval: Interval) -> tuple[int, int] | None:
        """Open times of the first and the last candle; None without candles."""
        times = self._times(token, interval)
        return (min(times), max(times)) if times else None

    def candles(self, token: str, interval: Interval) -> pd.DataFrame:
        """Every recorded candle, checked like those of an exchange; a frame without rows if there is none.

        A candle that stands in two files counts once, and the richer of the two rows is kept; BadMarketDataError if two rows
        contradict each other, or if a file breaks any other invariant.
        """
        paths = self._files.get((symbol_of(token), interval), [])
        if not paths:
            return empty_candles()
        frame = pd.concat([_read(path) for path in paths], ignore_index=True)
        sparse = frame[list(OPTIONAL_COLUMNS)].isna().sum(axis=1)
        richest_first = frame.iloc[sparse.to_numpy().argsort(kind="stable")]
        once = richest_first.drop_duplicates([name for name in COLUMNS if name not in OPTIONAL_COLUMNS])
        # A record holds what has closed long ago; its own newest candle is the latest that can be asked for.
        newest = int(once["open_time"].max()) if len(once) else 0
        return check_candles(once, interval, newest + interval.ms)

    def _times(self, token: str, interval: Interval) -> list[int]:
        times: list[int] = []
        for path in self._files.get((symbol_of(token), interval), []):
            column = _open_times(path)
            times += [] if len(column) == 0 else [int(column.to_numpy().min()), int(column.to_numpy().max())]
        return times


def _open_times(path: Path) -> pa.ChunkedArray:
    try:
        return pq.read_table(path, columns=["open_time"]).column("open_time")
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BadMarketDataError(f"{path} cannot be read as candles: {error}") from None


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadMarketDataError(f"{path} cannot be read as candles: {error}") from None
    missing = [name for name in COLUMNS if name not in OPTIONAL_COLUMNS and name not in table.column_names]
    if missing:
        raise BadMarketDataError(f"{path} lacks the column {missing[0]}")
    known = [name for name in COLUMNS if name in table.column_names]
    frame: pd.DataFrame = table.select(known).to_pandas()
    return frame.reindex(columns=list(COLUMNS)).astype({name: "float64" for name in COLUMNS if name != "open_time"})
