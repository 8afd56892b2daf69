"""Every answer is kept once per topic and candle, and its truth is read from the candles when it is asked for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine

from forecasting.live.ledger import COLUMNS, EDGES, Ledger, ServedAnswer
from forecasting.live.live_scores import MAX_ROLLING_POINTS, live_scores
from market.candle_store import CandleStore
from node.database import open_database
from node.durations import Duration, Interval
from node.topics import Target, Task, Topic
from tests.support.forecasting_candles import START_MS, make_candles

PRICE = Task("BTC", Target.PRICE, Duration.parse("5m"))
RETURN = Task("BTC", Target.LOG_RETURN, Duration.parse("5m"))
VOLATILITY = Task("BTC", Target.VOLATILITY, Duration.parse("15m"))
MINUTE = Interval.MINUTE.ms


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(f"sqlite:///{tmp_path}/node.db")


def topic_of(task: Task, number: int = 1) -> Topic:
    return Topic(number, task, "birnn", "mse", None, "")


def answer(bar: int, task: Task = PRICE, *, topic_id: int = 1, forecast: float = 0.001, version: str = "a") -> ServedAnswer:
    edges = tuple(forecast + width for width in (-0.01, 0.01, -0.02, 0.02, -0.03, 0.03))
    made_from = START_MS + bar * MINUTE
    return ServedAnswer(topic_id, task, made_from, version, 100 * math.exp(forecast), 100.0, forecast, 0.0, 0.002, edges)


def keep_candles(engine: Engine, candles: pd.DataFrame) -> pd.DataFrame:
    CandleStore(engine).upsert("BTCUSDT", Interval.MINUTE, candles)
    return candles


def test_an_answer_is_shown_in_the_targets_own_units_with_what_came_of_it(engine: Engine) -> None:
    candles = keep_candles(engine, make_candles(30))
    ledger = Ledger(engine)
    ledger.record([answer(3)])
    shown = ledger.answers(1, since_ms=START_MS)
    assert tuple(shown.columns) == COLUMNS
    row = shown.iloc[0]
    assert (row["made_from"], row["for_when"]) == (START_MS + 3 * MINUTE, START_MS + 9 * MINUTE)
    assert (row["value"], row["baseline"], row["last_price"], row["version"]) == (100 * math.exp(0.001), 100.0, 100.0, "a")
    assert row["truth"] == candles["close"][8]
    assert row["low_90"] == pytest.approx(100 * math.exp(-0.029))
    assert row["high_50"] == pytest.approx(100 * math.exp(0.011))


def test_a_return_stays_a_return_and_a_volatility_a_volatility(engine: Engine) -> None:
    candles = keep_candles(engine, make_candles(60))
    ledger = Ledger(engine)
    ledger.record([answer(3, RETURN), answer(20, VOLATILITY, topic_id=2, forecast=math.log(0.002))])
    logs = np.log(candles["close"].to_numpy())
    of_return = ledger.answers(1, since_ms=0).iloc[0]
    assert (of_return["truth"], of_return["baseline"], of_return["low_50"]) == (logs[8] - logs[3], 0.0, 0.001 - 0.01)
    of_volatility = ledger.answers(2, since_ms=0).iloc[0]
    assert of_volatility["truth"] == pytest.approx(np.diff(logs)[20:35].std(ddof=1) * math.sqrt(15))
    assert of_volatility["baseline"] == math.sqrt(15)
    assert of_volatility["value"] == math.exp(math.log(0.002)) * math.sqrt(15)


def test_a_candle_is_answered_once_whoever_answers_it_again(engine: Engine) -> None:
    first, second = Ledger(engine), Ledger(engine)
    first.record([answer(3), answer(4)])
    second.record([answer(3, forecast=0.5, version="b"), answer(5)])
    first.record([answer(3), answer(4), answer(5)])
    kept = first.answers(1, since_ms=0)
    assert kept["made_from"].tolist() == [START_MS + bar * MINUTE for bar in (3, 4, 5)]
    assert kept["version"].tolist() == ["a", "a", "a"]


def test_a_truth_is_unknown_until_its_candle_is_there_and_while_a_gap_lies_before_it(engine: Engine) -> None:
    candles = make_candles(30)
    ledger = Ledger(engine)
    ledger.record([answer(bar) for bar in range(28)])
    assert ledger.answers(1, since_ms=0)["truth"].isna().all()
    keep_candles(engine, candles.drop(index=15).reset_index(drop=True))
    unknown = set(np.flatnonzero(ledger.answers(1, since_ms=0)["truth"].isna()))
    assert unknown == set(range(10, 16)) | {25, 26, 27}
    keep_candles(engine, candles)
    assert set(np.flatnonzero(ledger.answers(1, since_ms=0)["truth"].isna())) == {25, 26, 27}


def test_answers_can_be_asked_for_by_span_and_forgotten_by_age(engine: Engine) -> None:
    ledger = Ledger(engine)
    ledger.record([answer(bar) for bar in range(10)])
    span = ledger.answers(1, since_ms=START_MS + 2 * MINUTE, until_ms=START_MS + 4 * MINUTE)
    assert span["made_from"].tolist() == [START_MS + bar * MINUTE for bar in (2, 3, 4)]
    assert ledger.prune(START_MS + 7 * MINUTE) == 7
    assert len(ledger.answers(1, since_ms=0)) == 3
    assert ledger.prune(START_MS + 7 * MINUTE) == 0


def test_an_empty_ledger_has_answers_of_the_right_kind_and_no_scores(engine: Engine) -> None:
    ledger = Ledger(engine)
    assert tuple(ledger.answers(1, since_ms=0).columns) == COLUMNS
    assert live_scores(ledger, topic_of(PRICE), since_ms=0) == []


def test_scores_are_told_together_and_by_version_newest_first(engine: Engine) -> None:
    keep_candles(engine, make_candles(1_000))
    ledger = Ledger(engine)
    noise = np.random.default_rng(0).normal(0, 1e-3, 900)
    ledger.record([answer(bar, forecast=float(noise[bar]), version="a" if bar < 600 else "b") for bar in range(900)])
    scores = live_scores(ledger, topic_of(PRICE), since_ms=0)
    assert [(score.version, score.scores.n) for score in scores] == [(None, 900), ("b", 300), ("a", 600)]
    assert scores[0].first_ms == START_MS
    assert scores[0].last_ms == START_MS + 899 * MINUTE
    assert scores[0].scores.coverage_90 is not None
    assert 1 < len(scores[0].rolling) <= MAX_ROLLING_POINTS
    assert scores[0].rolling[-1].time_ms == scores[0].last_ms
    assert scores[0].rolling[-1].skill == pytest.approx(scores[0].scores.skill)


def test_answers_without_intervals_are_scored_without_coverage(engine: Engine) -> None:
    keep_candles(engine, make_candles(100))
    ledger = Ledger(engine)
    ledger.record([replace(answer(bar), edges=None if bar == 5 else answer(bar).edges) for bar in range(50)])
    assert live_scores(ledger, topic_of(PRICE), since_ms=0)[0].scores.coverage_90 is None
    assert live_scores(ledger, topic_of(PRICE), since_ms=START_MS + 6 * MINUTE)[0].scores.coverage_90 is not None
    assert ledger.answers(1, since_ms=0)[list(EDGES)].iloc[5].isna().all()


def test_answers_for_what_a_topic_used_to_be_are_no_part_of_its_scores(engine: Engine) -> None:
    keep_candles(engine, make_candles(100))
    ledger = Ledger(engine)
    ledger.record([answer(bar, RETURN if bar < 20 else PRICE) for bar in range(50)])
    assert live_scores(ledger, topic_of(PRICE), since_ms=0)[0].scores.n == 30
    assert len(ledger.answers(1, since_ms=0)) == 50
