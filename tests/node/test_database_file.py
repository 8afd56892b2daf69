"""A database whose file is moved, deleted or restored while it is open is followed, by readers and by the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from node import database_file
from node.database import Heartbeats, journal_bytes, open_database
from node.database_file import MAX_JOURNAL_BYTES, switch_to_wal


class Clock:
    """What stands for monotonic time."""

    now = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(database_file.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], tuple[Engine, Heartbeats]]]:
    """Opens the same database as another process would."""
    engines: list[Engine] = []

    def open_it() -> tuple[Engine, Heartbeats]:
        engine = open_database(f"sqlite:///{tmp_path}/node.db")
        engines.append(engine)
        return engine, Heartbeats(engine)

    yield open_it
    for engine in engines:
        engine.dispose()


def at_ms(beats: Heartbeats) -> int | None:
    beat = beats.last("updater")
    return beat.at_ms if beat else None


def backup(tmp_path: Path, at: int) -> Path:
    """A whole database with one heartbeat, as a backup is."""
    engine = open_database(f"sqlite:///{tmp_path}/backup.db")
    Heartbeats(engine).beat("updater", at, {})
    engine.dispose()
    return tmp_path / "backup.db"


def test_a_restored_database_is_read_and_written_by_whoever_had_the_old_one_open(
    tmp_path: Path, opened: Callable[[], tuple[Engine, Heartbeats]]
) -> None:
    (_, writer), (_, reader) = opened(), opened()
    for number in range(200):
        writer.beat("updater", number, {"filler": "x" * 2000})
    assert at_ms(reader) == 199
    backup(tmp_path, 7).replace(tmp_path / "node.db")
    assert at_ms(reader) == 7
    writer.beat("updater", 1000, {})
    assert at_ms(reader) == 1000
    writer.beat("updater", 1001, {})
    assert at_ms(reader) == 1001
    whole = sqlite3.connect(tmp_path / "node.db").execute("PRAGMA integrity_check").fetchone()
    assert whole == ("ok",)


def test_a_database_that_is_moved_away_keeps_what_was_written_and_is_waited_for(
    tmp_path: Path, opened: Callable[[], tuple[Engine, Heartbeats]], clock: Clock
) -> None:
    (_, writer), (_, reader) = opened(), opened()
    writer.beat("updater", 5, {})
    (tmp_path / "node.db").rename(tmp_path / "moved.db")
    for beats in (reader, writer):
        assert at_ms(beats) is None, "it cannot be read"
        with pytest.raises(OperationalError, match="has gone"):
            beats.beat("updater", 6, {})
    assert not (tmp_path / "node.db").exists(), "nobody makes an empty one in the place of what is about to come back"
    (tmp_path / "moved.db").rename(tmp_path / "node.db")
    assert at_ms(reader) == 5
    writer.beat("updater", 7, {})
    assert at_ms(reader) == 7


def test_a_database_that_is_deleted_is_made_anew_after_a_moment(
    tmp_path: Path, opened: Callable[[], tuple[Engine, Heartbeats]], clock: Clock
) -> None:
    (_, writer), (_, reader) = opened(), opened()
    writer.beat("updater", 5, {})
    (tmp_path / "node.db").unlink()
    with pytest.raises(OperationalError, match="has gone"):
        writer.beat("updater", 6, {})
    clock.now += database_file.MISSING_SECONDS
    with capture_logs() as logs:
        writer.beat("updater", 7, {})
        assert at_ms(reader) == 7
    assert {entry["event"] for entry in logs} == {"the database is another file than before"}


def test_without_trouble_connections_are_kept(tmp_path: Path, opened: Callable[[], tuple[Engine, Heartbeats]]) -> None:
    (engine, writer), (_, reader) = opened(), opened()
    writer.beat("updater", 1, {})
    with engine.connect() as connection:
        before = connection.connection.dbapi_connection
    for number in range(20):
        writer.beat("updater", number, {})
        assert at_ms(reader) == number
    with engine.connect() as connection:
        assert connection.connection.dbapi_connection is before


def test_a_disk_that_takes_no_journal_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says nothing by itself where shared memory is missing: it goes on without the journal."""
    without = sqlite3.connect(f"file:{tmp_path}/other.db?vfs=unix-dotfile", uri=True)
    assert switch_to_wal(without) == "delete"
    without.close()
    monkeypatch.setattr(database_file, "switch_to_wal", lambda _: "delete")
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    with capture_logs() as logs, engine.connect(), engine.connect():
        """Two connections."""
    engine.dispose()
    assert [entry["event"] for entry in logs] == ["the database's disk takes no journal beside the database"]


def test_the_journal_shrinks_once_nobody_needs_what_is_in_it(
    tmp_path: Path, opened: Callable[[], tuple[Engine, Heartbeats]]
) -> None:
    engine, writer = opened()
    writer.beat("updater", 0, {})
    reader = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM heartbeats").fetchall()
    for number in range(40):
        writer.beat("updater", number, {"filler": f"{number:04}" * 500_000})
    assert journal_bytes(engine) > MAX_JOURNAL_BYTES
    reader.execute("COMMIT")
    for number in range(3):
        writer.beat("updater", number, {})
    assert journal_bytes(engine) <= MAX_JOURNAL_BYTES
    reader.close()
