"""The tables of candles and halts, and the conditions under which a row counts."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Double,
    Engine,
    Select,
    String,
    Table,
    bindparam,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

from market.candles import COLUMNS
from node.database import metadata
from node.durations import Interval

FIRST_SOURCE: Final = "binance"
"""Where every candle came from before sources were kept."""

CANDLES = Table(
    "candles",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("interval", String(4), primary_key=True),
    Column("open_time", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Double, nullable=name in COLUMNS[6:]) for name in COLUMNS[1:]),
    Column("source", String(16), nullable=False, server_default=FIRST_SOURCE),
    # The rows lie in the order of the key, so that a window is one sequential read.
    sqlite_with_rowid=False,
)

HALTS = Table(
    "halts",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("interval", String(4), primary_key=True),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, primary_key=True, autoincrement=False),
)

_Statement = TypeVar("_Statement", Select[Any], Delete)


def of_series(statement: _Statement, table: Table, symbol: str, interval: Interval) -> _Statement:
    """The rows of one series."""
    return statement.where(table.c.symbol == symbol, table.c.interval == interval.value)


def sound_only(statement: Select[Any], symbol: str, interval: Interval) -> Select[Any]:
    """Of these candles those that still keep the invariants they were stored with.

    One that a damaged disk has changed is as good as missing: it is not read, and as a gap it is fetched again.
    """
    return of_series(statement, CANDLES, symbol, interval).where(*invariants(interval.ms))


def invariants(step_ms: int | BindParameter[int]) -> tuple[ColumnElement[bool], ...]:
    """What holds for every candle that was stored."""
    row = CANDLES.c
    return (
        row.low > 0,
        row.low <= row.open,
        row.low <= row.close,
        row.open <= row.high,
        row.close <= row.high,
        row.high <= sys.float_info.max,
        row.volume.between(0, sys.float_info.max),
        row.open_time % step_ms == 0,
    )


NEWEST: Final = select(func.max(CANDLES.c.open_time)).where(
    CANDLES.c.symbol == bindparam("symbol"),
    CANDLES.c.interval == bindparam("interval"),
    CANDLES.c.open_time <= bindparam("until"),
    *invariants(bindparam("step", type_=BigInteger)),
)
"""Written once, for it is asked many times a second."""


def of_sources(statement: Select[Any], sources: Collection[str] | None) -> Select[Any]:
    """The rows of these sources; of all of them where none is named."""
    return statement if sources is None else statement.where(CANDLES.c.source.in_(list(sources)))


def add_source_column(engine: Engine) -> None:
    """Give databases from before sources were kept their column; another process may do so at the same moment."""

    def lacks_it() -> bool:
        return all(column["name"] != "source" for column in inspect(engine).get_columns(CANDLES.name))

    if lacks_it():
        try:
            with engine.begin() as connection:
                column = CreateColumn(CANDLES.c.source).compile(dialect=engine.dialect)
                connection.execute(text(f"ALTER TABLE {CANDLES.name} ADD COLUMN {column}"))
        except DBAPIError:
            if lacks_it():
                raise
