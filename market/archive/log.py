"""Which of the archive's files the store has taken in, by checksum: a file that was issued again is known by its new one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Engine, String, Table, select

from node.database import create_tables, metadata, upsert_statement
from node.durations import Interval

_files = Table(
    "archive_files",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("interval", String(4), primary_key=True),
    Column("period", String(10), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class TakenFile:
    """The edition that is in the store, and when the archive was last asked whether it is still the present one."""

    sha256: str
    asked_ms: int


class TakenFiles:
    """One row a file. A file is noted only after all its candles have been written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        create_tables(engine, _files)

    def note(self, symbol: str, interval: Interval, period: str, file: TakenFile) -> None:
        """The file is in the store in this edition."""
        row = {"symbol": symbol, "interval": interval.value, "period": period}
        statement = upsert_statement(self._engine, _files, list(row), ["sha256", "asked_ms"])
        with self._engine.begin() as connection:
            connection.execute(statement, row | {"sha256": file.sha256, "asked_ms": file.asked_ms})

    def of(self, symbol: str, interval: Interval) -> dict[str, TakenFile]:
        """What was taken of one pair and interval, by period."""
        statement = select(_files.c.period, _files.c.sha256, _files.c.asked_ms)
        statement = statement.where(_files.c.symbol == symbol, _files.c.interval == interval.value)
        with self._engine.connect() as connection:
            return {row.period: TakenFile(row.sha256, row.asked_ms) for row in connection.execute(statement)}
