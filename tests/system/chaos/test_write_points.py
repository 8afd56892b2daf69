"""A writer killed just before or after any statement or commit leaves the database whole; the next writer ends what it began.

How the model store's writer is killed around every rename, flush and deletion stands in tests/model_store/test_crashes.py.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from node.database import open_database
from tests.support.ledger_writer import TOPICS
from tests.support.paths import ROOT
from tests.system.chaos.killed_database_writer import CHUNK, NEW, OLD, ROWS, WRITERS, write_before


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    engine = open_database(f"sqlite:///{folder}/before.db")
    write_before(engine)
    engine.dispose()
    return folder


def killed_everywhere(folder: Path, writer: str) -> Iterator[tuple[Path, bool]]:
    """Every database that a killed writer left, and at last the one of the writer that lived."""
    command = [sys.executable, "-m", "tests.system.chaos.killed_database_writer", str(folder), writer]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) > 4
    for outcome in outcomes:
        path = Path(outcome["place"])
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        yield path, outcome["survived"]


def finish(path: Path, writer: str) -> None:
    """What the process does that is started in the killed one's place."""
    engine = open_database(f"sqlite:///{path}")
    WRITERS[writer](engine)
    engine.dispose()


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def closes(path: Path) -> list[float]:
    return [close for (close,) in rows(path, "SELECT close FROM candles ORDER BY open_time")]


def test_candles_are_written_by_whole_chunks(before: Path) -> None:
    seen = []
    for path, _ in killed_everywhere(before, "candles"):
        found = closes(path)
        new = found.count(NEW)
        assert found == [NEW] * new + [OLD] * (ROWS - new)
        assert new in {0, CHUNK, 2 * CHUNK, ROWS}
        seen.append(new)
        finish(path, "candles")
        assert closes(path) == [NEW] * ROWS
    assert seen == sorted(seen)
    assert set(seen) == {0, CHUNK, 2 * CHUNK, ROWS}


def bars(path: Path) -> list[list[int]]:
    """Of each topic, the bars whose answers are kept."""
    kept = rows(path, "SELECT topic_id, made_from / 60000 FROM answers ORDER BY made_from")
    return [[bar for its_topic, bar in kept if its_topic == topic] for topic in TOPICS]


def test_the_answers_of_one_moment_are_kept_all_or_none(before: Path) -> None:
    seen = []
    for path, _ in killed_everywhere(before, "answers"):
        kept = bars(path)
        assert kept in ([[0]] * len(TOPICS), [[0, 1]] * len(TOPICS))
        seen.append(len(kept[0]))
        finish(path, "answers")
        assert bars(path) == [[0, 1]] * len(TOPICS)
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}


def test_the_heartbeat_is_the_old_one_or_the_new_one(before: Path) -> None:
    seen = []
    for path, _ in killed_everywhere(before, "heartbeat"):
        [(at_ms, body)] = rows(path, "SELECT at_ms, body FROM heartbeats")
        assert json.loads(body) == {"state": "x" * 5000, "number": at_ms}
        seen.append(at_ms)
        finish(path, "heartbeat")
        assert rows(path, "SELECT at_ms FROM heartbeats") == [(2,)]
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
