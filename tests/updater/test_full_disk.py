"""A disk that takes nothing more, or whose database is damaged: it is said, nothing half-written stays, and nothing else stops."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from structlog.testing import capture_logs

from forecasting.live.ledger import Ledger
from market.candle_store import CandleStore
from market.sources import Sources
from node.clock import ManualClock
from node.config import ConfigFile
from node.database import Heartbeats, open_database
from node.durations import DAY_MS, Interval
from node.environment import Settings
from tests.support.updater_stand_ins import MemoryExchange, candles
from updater.service import Updater

MINUTE = Interval.MINUTE


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/node.db")
    yield engine
    engine.dispose()


def fill_up(engine: Engine) -> None:
    """From now on the database may grow no more: what SQLite then says is what it says of a full disk."""

    @event.listens_for(engine, "checkout")
    def _limit(connection: object, *_: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]


def test_a_full_disk_takes_no_part_of_a_chunk_and_keeps_what_there_is(engine: Engine) -> None:
    store = CandleStore(engine)
    before = candles(MINUTE, 0, 100)
    store.upsert("ETHUSDT", MINUTE, before)
    fill_up(engine)
    with pytest.raises(OperationalError, match="full"):
        store.upsert("ETHUSDT", MINUTE, candles(MINUTE, 100 * MINUTE.ms, 5000))
    assert store.window("ETHUSDT", MINUTE, 0, 2**53)["close"].tolist() == before["close"].tolist()


def run_updater(folder: Path, seconds: float, options: str = "") -> list[str]:
    """What an updater over the database in `folder` says while its clock runs for `seconds`; an error ends the test."""
    (folder / "config.json").write_text(json.dumps({"worker": [{"topicId": 1}], "updater": {"historyDays": 1}}))
    clock, stop = ManualClock(), threading.Event()
    end = clock.now_ms() + seconds * 1000

    def wait(pause: float, stop: threading.Event) -> bool:
        stop.wait(0.005)
        clock.advance(pause if threading.current_thread() is threading.main_thread() else 0)
        if clock.now_ms() >= end:
            stop.set()
        return stop.is_set()

    clock.wait = wait  # type: ignore[method-assign]
    settings = Settings(database_url=f"sqlite:///{options and 'file:'}{folder}/node.db{options}", model_store=folder / "models")
    sources = Sources([MemoryExchange(clock, clock.now_ms() - 10 * DAY_MS)], clock)
    with capture_logs() as logs:
        Updater(settings, ConfigFile(folder / "config.json"), sources, clock).run(stop)
    return [entry["event"] for entry in logs if entry["log_level"] in ("warning", "error")]


def test_an_updater_that_cannot_write_says_so_and_goes_on(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    CandleStore(engine).upsert("ETHUSDT", MINUTE, candles(MINUTE, 0, 100))
    Heartbeats(engine)

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(CandleStore, "upsert", full)
    monkeypatch.setattr(Heartbeats, "beat", full)
    said = run_updater(tmp_path, 60)
    assert said.count("the heartbeat cannot be written") > 10
    assert "loop failed, starting it again" in said


def test_an_updater_whose_disk_can_only_be_read_says_so_and_goes_on(tmp_path: Path, engine: Engine) -> None:
    store = CandleStore(engine)
    store.upsert("ETHUSDT", MINUTE, candles(MINUTE, 0, 100))
    Ledger(engine)
    Heartbeats(engine)
    said = run_updater(tmp_path, 60, "?mode=ro&uri=true")
    assert said.count("the heartbeat cannot be written") > 10
    assert "loop failed, starting it again" in said
    assert store.count("ETHUSDT", MINUTE, 0, 2**53) == 100


def test_a_damaged_page_of_the_database_is_an_error_and_never_a_candle(tmp_path: Path, engine: Engine) -> None:
    store = CandleStore(engine)
    stored = candles(MINUTE, 0, 5000)
    store.upsert("ETHUSDT", MINUTE, stored)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    path = tmp_path / "node.db"
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 21 * 4096] = bytes(255 for _ in range(4096))
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="malformed"):
        store.window("ETHUSDT", MINUTE, 0, 2**53)
