"""One database for candles, ledger and heartbeats: a SQLite file by default, or PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, Text, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable

from node.database_file import BUSY_SECONDS, DatabaseFile
from node.database_url import DEFAULT, check_driver, database_url
from node.errors import ConfigError
from node.secrets import hide

UPDATER: Final = "updater"
"""The process whose heartbeat tells what is fetched and trained, for each topic."""

metadata = MetaData()

_files: WeakKeyDictionary[Engine, DatabaseFile] = WeakKeyDictionary()

_heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", String(32), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)


def open_database(url: str) -> Engine:
    """Engine for `url`. SQLite is opened so that many processes read while one writes; ConfigError if it cannot be."""
    try:
        url = database_url(url)
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(f"DATABASE_URL {hide(url)!r} is not a database URL", hint=f"The default is {DEFAULT}") from None
    except ValueError as error:
        raise ConfigError(f"DATABASE_URL: {error}", hint=f"The default is {DEFAULT}") from None
    check_driver(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"the folder of {parsed.database} cannot be made: {error.strerror}", hint="Check its rights."
            ) from None
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    if parsed.database and parsed.database != ":memory:":
        file = DatabaseFile(Path(parsed.database))
        file.follow(engine)
        _files[engine] = file
    return engine


def journal_bytes(engine: Engine) -> int:
    """Size of the journal beside a SQLite file, 0 where there is none."""
    file = _files.get(engine)
    try:
        return file.journal.stat().st_size if file is not None else 0
    except OSError:
        return 0


def create_tables(engine: Engine, *tables: Table) -> None:
    """Create what is missing, now and in any file that takes the place of this one; two processes may do so at the same moment."""
    statements: list[CreateTable | CreateIndex] = []
    for table in tables:
        statements.append(CreateTable(table, if_not_exists=True))
        statements.extend(CreateIndex(index, if_not_exists=True) for index in table.indexes)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    if engine in _files:
        _files[engine].statements.extend(str(statement.compile(dialect=engine.dialect)) for statement in statements)


def upsert_statement(engine: Engine, table: Table, keys: list[str], columns: list[str]) -> Any:
    """INSERT that replaces `columns` of the row with the same `keys`; ConfigError for a database without one."""
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise ConfigError(f"{engine.dialect.name} databases are not supported", hint="Use SQLite or PostgreSQL.")
    statement = import_module(f"sqlalchemy.dialects.{engine.dialect.name}").insert(table)
    if not columns:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_={name: statement.excluded[name] for name in columns})


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a process last said of itself."""

    process: str
    at_ms: int
    body: dict[str, Any]


class Heartbeats:
    """One row per process, replaced at every beat."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        create_tables(engine, _heartbeats)

    def beat(self, process: str, at_ms: int, body: dict[str, Any]) -> None:
        """Say that `process` is alive and what it is doing."""
        statement = upsert_statement(self._engine, _heartbeats, ["process"], ["at_ms", "body"])
        with self._engine.begin() as connection:
            connection.execute(statement, {"process": process, "at_ms": at_ms, "body": json.dumps(body)})

    def last(self, process: str) -> Heartbeat | None:
        """The newest beat of `process`, or None if it has never run or the database cannot be read."""
        try:
            with self._engine.connect() as connection:
                row = connection.execute(select(_heartbeats).where(_heartbeats.c.process == process)).first()
        except OperationalError:
            return None
        return Heartbeat(row.process, row.at_ms, json.loads(row.body)) if row else None
