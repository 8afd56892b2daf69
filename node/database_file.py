"""The file of a SQLite database, which may be moved, restored or deleted under the feet of whoever has it open.

A process that has a file open keeps it, whatever its name stands for by then: it would read for ever what nobody writes any more.
So before each use it is asked whether the name still stands for the same file, with the same journal beside it.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, OperationalError

log = structlog.get_logger(__name__)

WAL_ATTEMPTS: Final = 100
BUSY_SECONDS: Final = 15
MISSING_SECONDS: Final = 10.0
"""A file that has gone is made anew only after this: time enough to put another one in its place."""
MAX_JOURNAL_BYTES: Final = 64 * 1024**2
"""What the journal shrinks to, once nobody needs what is beyond."""

Identity = tuple[int, int]
"""Device and number: another file of the same name has another one."""


class DatabaseFile:
    """What is known of an engine's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path.with_name(f"{path.name}-wal")
        self.statements: list[str] = []
        """What makes the tables that are used through this engine, also in a file that takes the place of the first."""
        self._had: Identity | None = None
        self._missing_since: float | None = None
        self._complained = False

    def follow(self, engine: Engine) -> None:
        """Have every connection of `engine` stand for the file that now has the name."""
        event.listen(engine, "do_connect", self._before_opening)
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkout", self._before_use)

    def _before_opening(self, *_: object) -> None:
        """Wait for a file that was there before: SQLite would make an empty one at once."""
        if self._had is None or _identity(self.path) is not None:
            self._missing_since = None
            return
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < MISSING_SECONDS:
            gone = FileNotFoundError(f"{self.path} has gone; it is made anew unless another file takes its place in a moment")
            raise OperationalError("open", {}, gone)

    def _opened(self, connection: Any, record: Any) -> None:
        # WAL: readers never wait for the writer. NORMAL survives a killed process; only a power cut can lose
        # the last commits, and candles are fetched again.
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        if switch_to_wal(connection) != "wal" and not self._complained:
            self._complained = True
            hint = "Put the data on a disk of this machine: readers and the writer wait for each other where it is."
            log.warning("the database's disk takes no journal beside the database", file=str(self.path), hint=hint)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={MAX_JOURNAL_BYTES}")
        identity = _identity(self.path)
        if self._had is not None and identity != self._had:
            log.warning("the database is another file than before", file=str(self.path))
            for statement in self.statements:
                connection.execute(statement)
            connection.commit()
        self._had = identity
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the journal is there from the first reading on
        record.info["file"], record.info["journal"] = identity, _identity(self.journal)

    def _before_use(self, _: Any, record: Any, __: Any) -> None:
        found, journal = _identity(self.path), _identity(self.journal)
        if (found, journal) == (record.info.get("file"), record.info.get("journal")):
            return
        replaced = found is not None and found != record.info.get("file")
        if replaced and journal is not None and journal == record.info.get("journal"):
            # The journal of the file that was here before: whoever opened the new file with it would read a mixture of both. While
            # there is no file, its journal stays, for it may come back. Neither is touched by SQLite itself when a file was moved.
            for left in (self.journal, self.path.with_name(f"{self.path.name}-shm")):
                left.unlink(missing_ok=True)
        raise DisconnectionError(f"{self.path} is another file than before")


def switch_to_wal(connection: Any) -> str:
    """Switch the journal's mode; the mode that is in force then.

    The switch, made once in a file's life, is the one statement that does not wait for others who try the same.
    """
    for _ in range(WAL_ATTEMPTS):
        with suppress(sqlite3.OperationalError):
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        time.sleep(0.05)
    return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
