"""Answers are forgotten by age, but never while scores are made from them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from forecasting.ledger import Ledger, ServedAnswer
from node.clock import ManualClock
from node.config import Updater as UpdaterSection
from node.database import open_database
from node.durations import DAY_MS, Duration
from node.topics import Cell, Target, Topic
from updater.tidying import TIDY_MS, Tidier

NOW_MS = 1_750_032_000_000
SHORT = Topic(1, Cell("BTC", Target.PRICE, Duration.parse("5m")), "birnn", "mse", None, "")
LONG = Topic(2, Cell("BTC", Target.PRICE, Duration.parse("24h")), "birnn", "mse", None, "")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """With one answer a day, a hundred days back."""
    ledger = Ledger(open_database(f"sqlite:///{tmp_path}/node.db"))
    cell = SHORT.cell
    days = [ServedAnswer(1, cell, NOW_MS - day * DAY_MS, "a", 1.0, 1.0, 0.0, 0.0, 1.0) for day in range(1, 101)]
    ledger.record(days)
    return ledger


def oldest_day(ledger: Ledger) -> int:
    return int((NOW_MS - ledger.answers(1, since_ms=0)["made_from"].min()) // DAY_MS)


@pytest.mark.parametrize(
    ("history_days", "topics", "kept_days"), [(90, [SHORT], 90), (2, [SHORT], 7), (2, [SHORT, LONG], 31), (730, [SHORT], 100)]
)
def test_as_much_is_kept_as_models_learn_from_or_scores_look_back_on(
    ledger: Ledger, history_days: int, topics: list[Topic], kept_days: int
) -> None:
    tidier = Tidier(ledger, ManualClock(NOW_MS))
    tidier.configure(UpdaterSection(history_days=history_days), tuple(topics))
    tidier.tidy_safely()
    assert oldest_day(ledger) == kept_days


def test_it_is_done_once_an_hour(ledger: Ledger) -> None:
    clock = ManualClock(NOW_MS)
    tidier = Tidier(ledger, clock)
    tidier.configure(UpdaterSection(history_days=90), (SHORT,))
    tidier.tidy_safely()
    tidier.configure(UpdaterSection(history_days=50), (SHORT,))
    tidier.tidy_safely()
    assert oldest_day(ledger) == 90
    clock.advance(TIDY_MS / 1_000)
    tidier.tidy_safely()
    assert oldest_day(ledger) == 49


def test_a_locked_database_is_left_for_later(ledger: Ledger, tmp_path: Path) -> None:
    impatient = open_database(f"sqlite:///{tmp_path}/node.db")
    event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=1"))
    tidier = Tidier(Ledger(impatient), ManualClock(NOW_MS))
    tidier.configure(UpdaterSection(history_days=90), (SHORT,))
    locked = sqlite3.connect(tmp_path / "node.db")
    locked.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        tidier.tidy_safely()
    assert [entry["event"] for entry in logs] == ["the ledger could not be tidied"]
    locked.close()
    assert oldest_day(ledger) == 100
    impatient.dispose()
