"""What is servable is kept once; the ledger's troubles are its own, and no request ever waits for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from forecasting.live.ledger import Ledger
from inference.answers import ledger_writer
from inference.answers.ledger_writer import LedgerWriter
from inference.answers.snapshot import Answer
from node.database import open_database
from node.durations import MINUTE_MS
from tests.inference.conftest import BTC_10M, BTC_24H, SOL_15M, START_MS, Node


def kept(node: Node, topic: int = 3) -> list[int]:
    return [int(time) for time in Ledger(node.engine).answers(topic, since_ms=0)["made_from"]]


def next_minute(node: Node, last_close: float = 65_000.0) -> None:
    node.clock.advance(60)
    node.store_candles(BTC_10M, last_close=last_close)
    node.watcher.poll()


def count(node: Node, name: str) -> float | None:
    return node.metrics.registry.get_sample_value(f"allora_inference_ledger_{name}")


def test_an_answer_is_kept_as_it_was_served(node: Node) -> None:
    node.fill(BTC_10M, answer=0.25)
    node.ledger_writer.update_safely()
    state = node.current.snapshot.states[0]
    assert isinstance(state.outcome, Answer)
    row = Ledger(node.engine).answers(3, since_ms=0).iloc[0]
    assert row["value"] == state.outcome.value
    assert row["baseline"] == row["last_price"] == 64_000.5
    assert (row["made_from"], row["for_when"]) == (START_MS - MINUTE_MS, START_MS + 10 * MINUTE_MS)
    assert row["version"] == state.outcome.version


def test_intervals_are_kept_with_the_answer(node: Node) -> None:
    intervals = {"50": (-0.5, 0.5), "80": (-1.0, 1.0), "90": (-2.0, 2.0)}
    node.fill(BTC_10M, intervals=intervals)
    node.ledger_writer.update_safely()
    row = Ledger(node.engine).answers(3, since_ms=0).iloc[0]
    last = node.client.get("/forecast/BTC?topic=3&steps=1").get_json()["steps"][-1]
    for level in ("50", "80", "90"):
        assert [row[f"low_{level}"], row[f"high_{level}"]] == pytest.approx(last["intervals"][level])


def test_each_candle_is_kept_once_however_often_it_is_looked_at(node: Node) -> None:
    node.fill(BTC_10M)
    for _ in range(3):
        node.ledger_writer.update_safely()
        node.watcher.poll()
    next_minute(node)
    node.ledger_writer.update_safely()
    assert kept(node) == [START_MS - MINUTE_MS, START_MS]
    assert count(node, "written_total") == 2


def test_answers_between_two_writings_are_written_together(node: Node) -> None:
    node.fill(BTC_10M)
    for _ in range(5):
        next_minute(node)
    assert kept(node) == []
    assert count(node, "waiting") == 6
    node.ledger_writer.update_safely()
    assert len(kept(node)) == 6
    assert count(node, "waiting") == 0


def test_a_long_bar_is_kept_once_though_each_minute_has_a_price_of_its_own(node: Node) -> None:
    node.fill(BTC_24H)
    first = node.get("/inference/BTC?topic=69")
    node.clock.advance(60)
    node.store_candles(BTC_24H, last_close=66_000.0)
    node.watcher.poll()
    assert node.get("/inference/BTC?topic=69") != first
    node.ledger_writer.update_safely()
    assert Ledger(node.engine).answers(69, since_ms=0)["last_price"].tolist() == [64_000.5]


def test_what_may_not_be_served_is_not_kept(node: Node) -> None:
    node.store_candles(BTC_10M)
    node.promote(BTC_10M, 0.0)
    node.clock.advance(3_600)
    node.watcher.poll()
    node.ledger_writer.update_safely()
    assert node.get("/inference/BTC")[0] == 503
    assert kept(node) == []


def test_a_restart_and_a_second_watcher_keep_nothing_twice(node: Node) -> None:
    node.fill(BTC_10M)
    node.ledger_writer.update_safely()
    other = node.another_ledger_writer()
    other.queue_answers(node.current.snapshot.states)
    node.promote(BTC_10M, 0.5)
    node.watcher.poll()
    restarted = node.another_ledger_writer()
    restarted.queue_answers(node.current.snapshot.states)
    other.update_safely()
    restarted.update_safely()
    rows = Ledger(node.engine).answers(3, since_ms=0)
    assert len(rows) == 1
    assert rows["version"][0] != node.models.champion_version(BTC_10M)


def test_what_a_killed_process_had_not_written_is_written_by_the_next(node: Node) -> None:
    node.fill(BTC_10M)
    node.ledger_writer = node.another_ledger_writer()
    node.watcher.poll()
    node.ledger_writer.update_safely()
    assert kept(node) == [START_MS - MINUTE_MS]


def test_a_locked_database_stops_no_answer_and_loses_none(node: Node, tmp_path: Path) -> None:
    node.fill(BTC_10M)
    node.ledger_writer.update_safely()
    impatient = open_database(node.database_url)
    with impatient.connect() as connection:
        connection.connection.execute("PRAGMA busy_timeout=1")
    node.ledger_writer = LedgerWriter(
        open_ledger=lambda: Ledger(impatient), current=node.current, scores=node.scores, clock=node.clock, metrics=node.metrics
    )
    next_minute(node)
    locked = sqlite3.connect(tmp_path / "node.db")
    locked.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        for _ in range(3):
            node.ledger_writer.update_safely()
    assert [entry["event"] for entry in logs] == ["the ledger cannot be kept; answers are served all the same"]
    assert count(node, "failures_total") == 3
    assert node.get("/inference/BTC") == (200, "65000.0")
    locked.rollback()
    locked.close()
    with capture_logs() as logs:
        node.ledger_writer.update_safely()
    assert [entry["event"] for entry in logs] == ["the ledger is kept again"]
    assert kept(node) == [START_MS - MINUTE_MS, START_MS]
    impatient.dispose()


def test_a_database_that_can_only_be_read_stops_no_answer(node: Node, tmp_path: Path) -> None:
    node.fill(BTC_10M)
    read_only = create_engine(f"sqlite:///file:{tmp_path}/node.db?mode=ro&uri=true")
    node.ledger_writer = LedgerWriter(
        open_ledger=lambda: Ledger(read_only), current=node.current, scores=node.scores, clock=node.clock, metrics=node.metrics
    )
    next_minute(node)
    node.ledger_writer.update_safely()
    assert count(node, "failures_total") == 1
    assert node.get("/inference/BTC") == (200, "65000.0")
    read_only.dispose()


def test_waiting_answers_are_bounded_and_the_oldest_go_first(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer, "MAX_QUEUED", 3)
    node.fill(BTC_10M)
    for _ in range(4):
        next_minute(node)
    assert count(node, "lost_total") == 2
    node.ledger_writer.update_safely()
    assert kept(node) == [START_MS + minute * MINUTE_MS for minute in (1, 2, 3)]


def test_the_thread_writes_what_waits_when_it_ends(node: Node) -> None:
    node.fill(BTC_10M, SOL_15M)
    node.ledger_writer.start()
    node.ledger_writer.stop()
    assert len(kept(node)) == 1
    assert len(kept(node, 82)) == 1


def test_every_topic_gets_its_turn_and_those_no_longer_asked_for_are_forgotten(node: Node) -> None:
    node.watcher.poll()
    for number in range(1, 5):
        node.ledger_writer.update_safely()
        assert len(node.scores.current) == number
    first = dict(node.scores.current)
    node.ledger_writer.update_safely()
    assert node.scores.current == first
    node.write_config([69])
    node.watcher.poll()
    node.ledger_writer.update_safely()
    assert list(node.scores.current) == [69]
