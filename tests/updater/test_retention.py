"""Candles and answers are forgotten by age, but never while anything is learned or scored from them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from forecasting.live.ledger import Ledger, ServedAnswer
from market.candle_store import CandleStore
from node.bounded_deletion import MAX_DELETED_ROWS
from node.clock import ManualClock
from node.config import Updater as UpdaterSection
from node.database import open_database
from node.durations import DAY_MS, HOUR_MS, MINUTE_MS, Duration, Interval
from node.topics import Target, Task, Topic
from tests.support.updater_stand_ins import candles
from updater.retention import TIDY_MS, Tidier

NOW_MS = 1_750_032_000_000
SHORT = Topic(1, Task("BTC", Target.PRICE, Duration.parse("5m")), "birnn", "mse", None, "")
LONG = Topic(2, Task("BTC", Target.PRICE, Duration.parse("24h")), "birnn", "mse", None, "")


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(open_database(f"sqlite:///{tmp_path}/node.db"))


@pytest.fixture
def ledger(store: CandleStore) -> Ledger:
    """With one answer a day, a hundred days back."""
    ledger = Ledger(store.engine)
    task = SHORT.task
    days = [ServedAnswer(1, task, NOW_MS - day * DAY_MS, "a", 1.0, 1.0, 0.0, 0.0, 1.0) for day in range(1, 101)]
    ledger.record(days)
    store.upsert("BTCUSDT", Interval.MINUTE, candles(Interval.MINUTE, NOW_MS - MINUTE_MS, 1))
    return ledger


def oldest_day(ledger: Ledger) -> int:
    return int((NOW_MS - ledger.answers(1, since_ms=0)["made_from"].min()) // DAY_MS)


@pytest.mark.parametrize(
    ("history_days", "topics", "kept_days"), [(90, [SHORT], 90), (2, [SHORT], 7), (2, [SHORT, LONG], 31), (730, [SHORT], 100)]
)
def test_as_much_is_kept_as_models_learn_from_or_scores_look_back_on(
    ledger: Ledger, store: CandleStore, history_days: int, topics: list[Topic], kept_days: int
) -> None:
    tidier = Tidier(ledger, store, ManualClock(NOW_MS))
    tidier.configure(UpdaterSection(history_days=history_days), tuple(topics))
    tidier.tidy_safely()
    assert oldest_day(ledger) == kept_days


@pytest.mark.parametrize(
    ("interval", "history_days", "keep_days", "topics", "kept_days"),
    [
        (Interval.DAY, 1, 365, [SHORT], 1440),  # as many bars as minutes of historyDays …
        (Interval.DAY, 9, 365, [SHORT], 1460),  # … but at most four years of them
        (Interval.HOUR, 1, 100, [SHORT], 100),
        (Interval.HOUR, 3, 100, [SHORT], 180),
        (Interval.HOUR, 1, 7, [SHORT, LONG], 60),
        (Interval.MINUTE, 9, 7, [SHORT], 9),
        (Interval.MINUTE, 1, 7, [SHORT, LONG], 31),
    ],
)
def test_candles_are_kept_for_keep_days_and_for_what_is_made_from_them(
    ledger: Ledger, store: CandleStore, interval: Interval, history_days: int, keep_days: int, topics: list[Topic], kept_days: int
) -> None:
    """Those of tokens that no topic reads any more age like the others."""
    span = min(kept_days + 30, 2000) * DAY_MS
    step = max(interval.ms, span // 3000 // interval.ms * interval.ms)
    for symbol in ("BTCUSDT", "GONEUSDT"):
        old = candles(interval, 0, span // step)
        old["open_time"] = interval.floor(NOW_MS) - step * (len(old) - old.index)
        store.upsert(symbol, interval, old)
    clock = ManualClock(NOW_MS)
    tidier = Tidier(ledger, store, clock)
    tidier.configure(UpdaterSection(history_days=history_days, keep_days=keep_days), tuple(topics))
    for _ in range(30):
        tidier.tidy_safely()
        clock.advance(TIDY_MS / 1000)
        clock.set_ahead(-TIDY_MS / 1000)
    for symbol in ("BTCUSDT", "GONEUSDT"):
        oldest = store.next_after(symbol, interval, 0)
        assert oldest is not None
        assert kept_days * DAY_MS - 2 * step <= NOW_MS - oldest <= kept_days * DAY_MS + HOUR_MS


def test_it_is_done_once_an_hour(ledger: Ledger, store: CandleStore) -> None:
    clock = ManualClock(NOW_MS)
    tidier = Tidier(ledger, store, clock)
    tidier.configure(UpdaterSection(history_days=90), (SHORT,))
    tidier.tidy_safely()
    tidier.configure(UpdaterSection(history_days=50), (SHORT,))
    tidier.tidy_safely()
    assert oldest_day(ledger) == 90
    clock.advance(TIDY_MS / 1_000)
    store.upsert("BTCUSDT", Interval.MINUTE, candles(Interval.MINUTE, clock.now_ms() - MINUTE_MS, 1))
    tidier.tidy_safely()
    assert oldest_day(ledger) == 49


def test_a_locked_database_is_left_for_later(ledger: Ledger, tmp_path: Path) -> None:
    impatient = open_database(f"sqlite:///{tmp_path}/node.db")
    event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=1"))
    tidier = Tidier(Ledger(impatient), CandleStore(impatient), ManualClock(NOW_MS))
    tidier.configure(UpdaterSection(history_days=90), (SHORT,))
    locked = sqlite3.connect(tmp_path / "node.db")
    locked.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        tidier.tidy_safely()
    assert [entry["event"] for entry in logs] == ["the database could not be tidied"]
    locked.close()
    assert oldest_day(ledger) == 100
    impatient.dispose()


@pytest.mark.parametrize("days", [91, 731, 36_500])
def test_a_clock_that_is_far_ahead_makes_nothing_old(ledger: Ledger, store: CandleStore, days: int) -> None:
    store.upsert("BTCUSDT", Interval.MINUTE, candles(Interval.MINUTE, NOW_MS - 500 * MINUTE_MS, 500))
    clock = ManualClock(NOW_MS)
    tidier = Tidier(ledger, store, clock)
    tidier.configure(UpdaterSection(history_days=100, keep_days=100), (SHORT,))
    clock.set_ahead(days * 86_400)
    tidier.tidy_safely()
    assert oldest_day(ledger) == 100
    assert store.count("BTCUSDT", Interval.MINUTE, 0, NOW_MS) == 500
    clock.set_ahead(-days * 86_400)
    clock.advance(TIDY_MS / 1_000)
    tidier.tidy_safely()
    assert oldest_day(ledger) == 100


def test_without_any_candle_nothing_is_old(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/other.db")
    ledger = Ledger(engine)
    ledger.record([ServedAnswer(1, SHORT.task, NOW_MS - 900 * DAY_MS, "a", 1.0, 1.0, 0.0, 0.0, 1.0)])
    tidier = Tidier(ledger, CandleStore(engine), ManualClock(NOW_MS))
    tidier.configure(UpdaterSection(), (SHORT,))
    tidier.tidy_safely()
    assert oldest_day(ledger) == 900
    engine.dispose()


def test_whoever_is_wrong_about_what_is_old_loses_a_part_and_not_all(ledger: Ledger, store: CandleStore) -> None:
    """Even candles from far ahead, should any ever be stored, forget no more than a tenth at once."""
    store.upsert("BTCUSDT", Interval.HOUR, candles(Interval.HOUR, NOW_MS - 2_000 * HOUR_MS, 2_000))
    ledger.record([ServedAnswer(2, SHORT.task, NOW_MS - hour * HOUR_MS, "a", 1.0, 1.0, 0.0, 0.0, 1.0) for hour in range(1, 2_001)])
    assert 190 <= store.prune("BTCUSDT", Interval.HOUR, 2**60) <= 200
    assert ledger.prune(2**60) <= 100 + 200
    many = candles(Interval.MINUTE, NOW_MS - 150_000 * MINUTE_MS, 150_000)
    store.upsert("ETHUSDT", Interval.MINUTE, many)
    assert store.prune("ETHUSDT", Interval.MINUTE, 2**60) == MAX_DELETED_ROWS
