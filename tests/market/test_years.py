"""Years of candles and answers: questions about them touch little, and what is forgotten goes in parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from forecasting.live import bounded_deletion as topics_deletion
from forecasting.live.ledger import Ledger, ServedAnswer
from market import candle_store
from market.candle_store import CandleStore
from node import bounded_deletion
from node.durations import Duration, Interval
from node.topics import Target, Task
from tests.support.market_candles import MINUTE, NOW_MS, make_candles

COUNT = 1050
START = NOW_MS - 10_000 * MINUTE.ms
PART = 100
TASK = Task("BTC", Target.PRICE, Duration.parse("5m"))


def answer(topic: int, minute: int) -> ServedAnswer:
    return ServedAnswer(topic, TASK, START + minute * MINUTE.ms, "a", 1.0, 1.0, 0.0, 0.0, 1.0)


def forget_candles(store: CandleStore, before_ms: int) -> int:
    return store.prune("BTCUSDT", MINUTE, before_ms)


def forget_answers(store: CandleStore, before_ms: int) -> int:
    return Ledger(store.engine).prune(before_ms)


@pytest.mark.parametrize("forget", [forget_candles, forget_answers])
def test_what_is_forgotten_goes_in_parts_between_which_others_write(
    store: CandleStore, monkeypatch: pytest.MonkeyPatch, forget: Callable[[CandleStore, int], int]
) -> None:
    store.upsert("BTCUSDT", MINUTE, make_candles(START, COUNT))
    store.upsert("ETHUSDT", MINUTE, make_candles(START, 10))
    Ledger(store.engine).record([answer(7, minute) for minute in range(COUNT)])
    monkeypatch.setattr(bounded_deletion, "PART", PART)
    for module in (candle_store, topics_deletion):
        monkeypatch.setattr(module, "MIN_DELETED_ROWS", COUNT)  # a call forgets all that is old
    deleted: list[int] = []

    @event.listens_for(store.engine, "after_cursor_execute")
    def note(_: object, cursor: Any, statement: str, *__: object) -> None:
        if statement.startswith(("DELETE FROM candles", "DELETE FROM answers")):
            deleted.append(cursor.rowcount)

    impatient = sqlite3.connect(str(store.engine.url.database), timeout=0, isolation_level=None)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        impatient.execute("BEGIN IMMEDIATE")
        impatient.execute("COMMIT")
        rests.append(seconds)

    monkeypatch.setattr(bounded_deletion.time, "sleep", rest)
    assert forget(store, START + 1005 * MINUTE.ms) == 1005
    impatient.close()
    assert max(deleted) == PART
    assert len(rests) == 10
    assert min(rests) >= bounded_deletion.MIN_REST_SECONDS
    assert store.series() == [("BTCUSDT", MINUTE), ("ETHUSDT", MINUTE)]


def test_of_every_topic_the_answers_before_a_moment_are_forgotten_and_no_other(store: CandleStore) -> None:
    ledger = Ledger(store.engine)
    ledger.record([answer(topic, minute) for topic in (2, 5, 11) for minute in range(4)])
    assert ledger.prune(START + 2 * MINUTE.ms) == 6
    assert [len(ledger.answers(topic, since_ms=0)) for topic in (2, 5, 11)] == [2, 2, 2]
    assert ledger.prune(START + 2 * MINUTE.ms) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.series(),
        lambda store: store.newest("BTCUSDT", MINUTE, NOW_MS),
        lambda store: store.prune("BTCUSDT", MINUTE, 0),
        lambda store: Ledger(store.engine).prune(0),
    ],
    ids=["series", "newest", "prune", "ledger-prune"],
)
def test_a_question_about_years_looks_at_few_rows(store: CandleStore, ask: Callable[[CandleStore], object]) -> None:
    """Counted in steps of SQLite's own machine, which do not depend on how fast this one is."""
    steps = [0]

    def taken(rows: int) -> int:
        store.upsert("BTCUSDT", MINUTE, make_candles(START, rows))
        Ledger(store.engine).record([answer(7, minute) for minute in range(rows)])
        ask(store)  # whatever is done once only
        with store.engine.connect() as connection:
            handle: Any = connection.connection.dbapi_connection
        steps[0] = 0
        handle.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 10)
        ask(store)
        handle.set_progress_handler(None, 0)
        return steps[0]

    few = taken(50)
    assert taken(5000) <= 2 * few + 10


def test_the_newest_candles_are_the_same_whether_they_are_asked_for_alone_or_together(store: CandleStore) -> None:
    frame = make_candles(START, 10)
    store.upsert("BTCUSDT", MINUTE, frame)
    last = START + 9 * MINUTE.ms
    questions = [
        ("BTCUSDT", MINUTE, None),
        ("BTCUSDT", MINUTE, last - 1),
        ("ETHUSDT", MINUTE, last),
        ("BTCUSDT", Interval.HOUR, None),
    ]
    alone = [store.newest(*question) for question in questions]
    with store.one_connection():
        together = [store.newest(*question) for question in questions]
    assert alone == together == [last, last - MINUTE.ms, None, None]


def test_a_database_that_is_damaged_is_the_same_error_asked_directly(store: CandleStore) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE candles")
    with store.one_connection(), pytest.raises(DatabaseError):
        store.newest("BTCUSDT", MINUTE)
