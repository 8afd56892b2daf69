"""Candles on disk: one table, one row a candle, written by one process and read by many.

Each candle keeps the name of the source it came from, whole: two sources never share a row. What the exchange itself does not
have (a trading halt, the time before a listing) is remembered beside them, so that it is neither asked for again nor taken for a
gap.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Engine, Select, delete, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError

from market.candle_tables import CANDLES, FIRST_SOURCE, HALTS, NEWEST, add_source_column, of_series, of_sources, sound_only
from market.candles import COLUMNS, check_candles, empty_candles
from market.gaps import Gap, find_runs, join_gaps
from node.bounded_deletion import MAX_DELETED_ROWS, MIN_DELETED_ROWS, bound_deletion, delete_in_parts
from node.database import create_tables, upsert_statement
from node.durations import Interval

CHUNK = 5_000
"""Rows written in one transaction: readers in other processes see progress, and a killed writer loses little."""

LATEST_MS: Final = 2**62
"""Later than any candle."""


class CandleStore:
    """The candles of every symbol and interval."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept = threading.local()
        self._newest: Any = NEWEST.compile(dialect=engine.dialect)
        self._values: dict[str, Any] = {**self._newest.construct_params(_check=False)}
        create_tables(engine, CANDLES, HALTS)
        add_source_column(engine)
        self._upsert = upsert_statement(engine, CANDLES, ["symbol", "interval", "open_time"], [*COLUMNS[1:], "source"])

    def upsert(
        self,
        symbol: str,
        interval: Interval,
        candles: pd.DataFrame,
        source: str = FIRST_SOURCE,
        better: Collection[str] = (),
    ) -> int:
        """Write `candles`, replacing those of the same open time; how many were written. BadMarketDataError writes nothing.

        What there is already of one of the `better` sources stays. The store has no clock: that every candle has closed is for
        the caller to know.
        """
        if candles.empty:
            return 0
        candles = check_candles(candles, interval, int(candles["open_time"].max()) + interval.ms)
        if better:
            span = int(candles["open_time"].iloc[0]), int(candles["open_time"].iloc[-1])
            candles = candles[~candles["open_time"].isin(self._times(symbol, interval, *span, better))]
        for start in range(0, len(candles), CHUNK):
            part = candles.iloc[start : start + CHUNK]
            columns = [part[name].tolist() for name in COLUMNS]
            rows = [
                dict(zip(COLUMNS, row, strict=True), symbol=symbol, interval=interval.value, source=source)
                for row in zip(*columns, strict=True)
            ]
            with self.engine.begin() as connection:
                connection.execute(self._upsert, rows)
        return len(candles)

    def window(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> pd.DataFrame:
        """Candles with start_ms <= open_time <= end_ms, oldest first."""
        statement = sound_only(select(*(CANDLES.c[name] for name in COLUMNS)), symbol, interval)
        return self._frame(statement.where(CANDLES.c.open_time.between(start_ms, end_ms)).order_by(CANDLES.c.open_time))

    def last(self, symbol: str, interval: Interval, count: int, until_ms: int | None = None) -> pd.DataFrame:
        """The newest `count` candles with open_time <= `until_ms`, oldest first."""
        statement = sound_only(select(*(CANDLES.c[name] for name in COLUMNS)), symbol, interval)
        if until_ms is not None:
            statement = statement.where(CANDLES.c.open_time <= until_ms)
        return self._frame(statement.order_by(CANDLES.c.open_time.desc()).limit(count), newest_first=True)

    def closes(self, symbol: str, interval: Interval, open_times: Sequence[int]) -> dict[int, float]:
        """Closes of the candles that opened at these times, by open time; those that are not there are left out."""
        row, found = CANDLES.c, dict[int, float]()
        times = list(dict.fromkeys(open_times))
        for start in range(0, len(times), CHUNK):
            statement = sound_only(select(row.open_time, row.close), symbol, interval)
            with self.engine.connect() as connection:
                rows = connection.execute(statement.where(row.open_time.in_(times[start : start + CHUNK])))
                found |= {int(time_ms): float(close) for time_ms, close in rows}
        return found

    def newest(self, symbol: str, interval: Interval, until_ms: int | None = None) -> int | None:
        """Open time of the newest candle with open_time <= `until_ms`.

        A clock that was set back finds candles ahead of it here, which must not pass for fresh ones: whoever asks how fresh
        candles are gives the time.
        """
        until = LATEST_MS if until_ms is None else until_ms
        sought = {"symbol": symbol, "interval": interval.value, "step": interval.ms, "until": until}
        kept: Connection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            return self._ask_directly(kept, sought)
        with self.engine.connect() as connection:
            time_ms: int | None = connection.scalar(NEWEST, sought)
        return time_ms

    @contextmanager
    def one_connection(self) -> Iterator[None]:
        """While inside, this thread asks for `newest` on one connection, past the library: many questions are ten times as fast."""
        with self.engine.connect() as connection:
            self._kept.connection = connection
            try:
                yield
            finally:
                del self._kept.connection

    def _ask_directly(self, connection: Connection, sought: dict[str, str | int]) -> int | None:
        values, names = self._values | sought, self._newest.positiontup
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._newest.string, [values[name] for name in names] if names is not None else values)
            ((found,),) = cursor.fetchall()
        except self.engine.dialect.loaded_dbapi.Error as error:
            raise DatabaseError(self._newest.string, None, error) from None
        finally:
            cursor.close()
        return None if found is None else int(found)

    def next_after(self, symbol: str, interval: Interval, time_ms: int) -> int | None:
        """Open time of the oldest candle that is newer than `time_ms`."""
        statement = sound_only(select(func.min(CANDLES.c.open_time)), symbol, interval)
        with self.engine.connect() as connection:
            found: int | None = connection.scalar(statement.where(CANDLES.c.open_time > time_ms))
        return found

    def count(self, symbol: str, interval: Interval, start_ms: int, end_ms: int, sources: Collection[str] | None = None) -> int:
        """How many candles there are with start_ms <= open_time <= end_ms, of these sources only if some are named."""
        statement = of_sources(sound_only(select(func.count()).select_from(CANDLES), symbol, interval), sources)
        with self.engine.connect() as connection:
            return connection.scalar(statement.where(CANDLES.c.open_time.between(start_ms, end_ms))) or 0

    def sources(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> dict[str, int]:
        """How many candles there are of each source with start_ms <= open_time <= end_ms."""
        statement = sound_only(select(CANDLES.c.source, func.count().label("candles")), symbol, interval)
        statement = statement.where(CANDLES.c.open_time.between(start_ms, end_ms)).group_by(CANDLES.c.source)
        with self.engine.connect() as connection:
            return {row.source: row.candles for row in connection.execute(statement)}

    def gaps(
        self, symbol: str, interval: Interval, start_ms: int, end_ms: int, sources: Collection[str] | None = None
    ) -> list[Gap]:
        """Runs of missing candles between `start_ms` and `end_ms`, oldest first. Halts of the exchange are not gaps.

        If `sources` are named, a candle of another one is as good as missing.
        """
        first, last = -(-start_ms // interval.ms) * interval.ms, interval.floor(end_ms)
        if first > last or self.count(symbol, interval, first, last, sources) == (last - first) // interval.ms + 1:
            return []
        there = self._times(symbol, interval, first, last, sources)
        with self.engine.connect() as connection:
            halts = self._halts(connection, symbol, interval, first, last)
        missing = np.arange(first, last + 1, interval.ms, dtype=np.int64)
        missing = missing[~np.isin(missing, there, assume_unique=True)]
        for halt in halts:
            missing = missing[(missing < halt.start_ms) | (missing > halt.end_ms)]
        return list(find_runs(missing, interval))

    def halted(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> int:
        """How many candles between `start_ms` and `end_ms` the exchange is known not to have."""
        with self.engine.connect() as connection:
            halts = self._halts(connection, symbol, interval, start_ms, end_ms)
        spans = ((max(halt.start_ms, start_ms), min(halt.end_ms, end_ms)) for halt in halts)
        return sum((end - start) // interval.ms + 1 - self.count(symbol, interval, start, end) for start, end in spans)

    def remember_halt(self, symbol: str, interval: Interval, gap: Gap) -> None:
        """The exchange itself has nothing in `gap`: never ask for it again, and never count it as missing."""
        row = {"symbol": symbol, "interval": interval.value, "start_ms": gap.start_ms, "end_ms": gap.end_ms}
        with self.engine.begin() as connection:
            connection.execute(upsert_statement(self.engine, HALTS, list(row), []), row)

    def series(self) -> list[tuple[str, Interval]]:
        """What there are candles of: symbols and their intervals."""
        found: list[tuple[str, Interval]] = []
        row, symbol = CANDLES.c, ""
        with self.engine.connect() as connection:
            # From one to the next by the key, a column at a time: DISTINCT, and both columns at once, would read every candle.
            while symbol := connection.scalar(select(func.min(row.symbol)).where(row.symbol > symbol)):
                interval = ""
                intervals = select(func.min(row.interval)).where(row.symbol == symbol)
                while interval := connection.scalar(intervals.where(row.interval > interval)):
                    found.append((symbol, Interval(interval)))
        return found

    def prune(self, symbol: str, interval: Interval, before_ms: int) -> int:
        """Delete candles older than `before_ms`, the oldest first and only a part of them at once (`node.bounded_deletion`); how
        many there were."""
        oldest, newest = self.next_after(symbol, interval, -1), self.newest(symbol, interval)
        if oldest is None or newest is None:
            return 0
        least_ms, most_ms = oldest + MIN_DELETED_ROWS * interval.ms, oldest + MAX_DELETED_ROWS * interval.ms
        before_ms = bound_deletion(before_ms, oldest, newest, least_ms=least_ms, most_ms=most_ms)
        with self.engine.begin() as connection:
            connection.execute(of_series(delete(HALTS), HALTS, symbol, interval).where(HALTS.c.end_ms < before_ms))
        times = of_series(select(CANDLES.c.open_time), CANDLES, symbol, interval).where(CANDLES.c.open_time < before_ms)
        rows = of_series(delete(CANDLES), CANDLES, symbol, interval)
        return delete_in_parts(self.engine, rows, CANDLES.c.open_time, times)

    def _times(
        self, symbol: str, interval: Interval, start_ms: int, end_ms: int, sources: Collection[str] | None
    ) -> npt.NDArray[np.int64]:
        statement = of_sources(sound_only(select(CANDLES.c.open_time), symbol, interval), sources)
        with self.engine.connect() as connection:
            rows = connection.execute(statement.where(CANDLES.c.open_time.between(start_ms, end_ms)).order_by(CANDLES.c.open_time))
            return np.fromiter(rows.scalars(), np.int64)

    def _halts(self, connection: Connection, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> list[Gap]:
        statement = of_series(select(HALTS.c.start_ms, HALTS.c.end_ms), HALTS, symbol, interval)
        statement = statement.where(HALTS.c.start_ms <= end_ms, HALTS.c.end_ms >= start_ms).order_by(HALTS.c.start_ms)
        return join_gaps([Gap(row.start_ms, row.end_ms) for row in connection.execute(statement)])

    def _frame(self, statement: Select[Any], *, newest_first: bool = False) -> pd.DataFrame:
        with self.engine.connect() as connection:
            # The driver's own rows: a window of 90 days of minutes is too long for a Python object per row.
            cursor = connection.execute(statement).cursor
            try:
                rows = cursor.fetchall()
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise DatabaseError(str(statement), None, error) from None
        if not rows:
            return empty_candles()
        numbers = np.array(rows[::-1] if newest_first else rows, dtype=np.float64)
        # Milliseconds are exact in a float64 until the year 287396.
        return pd.DataFrame(
            {"open_time": numbers[:, 0].astype(np.int64)} | {COLUMNS[i]: numbers[:, i] for i in range(1, len(COLUMNS))}
        )
