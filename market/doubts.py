"""Rows that no market is known to have had, and when they are believed after all.

A price that falls to a thousandth within a minute is nearly always an error of the source; but real wicks happen, and a gap in
their place silences every model that reads across it. So what was left out as doubtful is remembered, and believed once it has
proved itself: the same source still says the very same an hour of candles later, or another one, as the archive of files, does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import structlog
from sqlalchemy import BigInteger, Column, Double, Engine, String, Table, delete, select

from market.candles import COLUMNS
from node.database import create_tables, metadata, upsert_statement
from node.durations import HOUR_MS, Interval

log = structlog.get_logger(__name__)

REPEATED_MS: Final = HOUR_MS
"""So long a source must go on saying it. Sources correct their errors sooner."""

MAX_DOUBTFUL_ROWS: Final = 200
"""Rows of one answer that are remembered, the newest; where more are doubtful, it is no wick."""

_KEYS: Final = ("symbol", "interval", "open_time", "source")
_SAID: Final = COLUMNS[1:6]
"""What must be the same: prices and volume, which every source has."""

_doubts = Table(
    "doubtful_candles",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("interval", String(4), primary_key=True),
    Column("open_time", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(16), primary_key=True),
    *(Column(name, Double, nullable=False) for name in _SAID),
    # Open time of the newest candle that the source had when it first said so: a clock that is wrong makes no hour pass.
    Column("since_ms", BigInteger, nullable=False),
)


class Doubts:
    """What was said by which source, in the database of the candles."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        create_tables(engine, _doubts)

    def believed(self, symbol: str, interval: Interval, source: str, rows: pd.DataFrame, newest_ms: int) -> pd.DataFrame:
        """Those of the doubtful `rows` that are believed by now; the others are remembered.

        `newest_ms` is the open time of the newest candle that the source has.
        """
        rows = rows.iloc[-MAX_DOUBTFUL_ROWS:]
        if rows.empty:
            return rows
        known = self._known(symbol, interval, rows)
        is_believed = []
        for row in rows.to_dict("records"):
            said = tuple(row[name] for name in _SAID)
            others = {name: entry for name, entry in known.get(row["open_time"], {}).items() if entry[0] == said}
            since_ms = others[source][1] if source in others else newest_ms
            is_believed.append(newest_ms - since_ms >= REPEATED_MS or bool(others.keys() - {source}))
            if not is_believed[-1]:
                self._remember(symbol, interval, source, row, since_ms)
        believed = rows[is_believed].reset_index(drop=True)
        if len(believed):
            self._settle(symbol, interval, believed)
        return believed

    def prune(self, symbol: str, interval: Interval, before_ms: int) -> None:
        """Forget what is older than `before_ms`."""
        of_series = _doubts.c.symbol == symbol, _doubts.c.interval == interval.value
        with self._engine.begin() as connection:
            connection.execute(delete(_doubts).where(*of_series, _doubts.c.open_time < before_ms))

    def _known(self, symbol: str, interval: Interval, rows: pd.DataFrame) -> dict[int, dict[str, tuple[tuple[float, ...], int]]]:
        """What each source said of these open times, and since when."""
        statement = select(_doubts).where(_doubts.c.symbol == symbol, _doubts.c.interval == interval.value)
        statement = statement.where(_doubts.c.open_time.in_([int(time) for time in rows["open_time"]]))
        known: dict[int, dict[str, tuple[tuple[float, ...], int]]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(statement).mappings():
                known.setdefault(row["open_time"], {})[row["source"]] = tuple(row[name] for name in _SAID), row["since_ms"]
        return known

    def _remember(self, symbol: str, interval: Interval, source: str, row: Mapping[Any, Any], since_ms: int) -> None:
        values = {name: float(row[name]) for name in _SAID} | {"since_ms": since_ms}
        keys = {"symbol": symbol, "interval": interval.value, "open_time": int(row["open_time"]), "source": source}
        with self._engine.begin() as connection:
            connection.execute(upsert_statement(self._engine, _doubts, list(_KEYS), list(values)), keys | values)

    def _settle(self, symbol: str, interval: Interval, believed: pd.DataFrame) -> None:
        """They are candles now, and doubtful no more."""
        times = [int(time) for time in believed["open_time"]]
        of_series = _doubts.c.symbol == symbol, _doubts.c.interval == interval.value
        with self._engine.begin() as connection:
            connection.execute(delete(_doubts).where(*of_series, _doubts.c.open_time.in_(times)))
        log.warning("candles no market is known to have had are believed", symbol=symbol, interval=interval.value, at=times[:5])
