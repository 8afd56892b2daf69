"""A backtest knows nothing of the future, leaves no task unmentioned, and says what it found in exactly these words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.backtesting.backtest import attempt, bars_of_history, walk_on
from forecasting.backtesting.run import run
from forecasting.backtesting.tasks import FIELDS, BacktestTask, Plan, Result
from forecasting.evaluation.direction import GRADES
from market.recorded_candles import CandleFiles
from node.durations import DAY_MS, MINUTE_MS, Duration, Interval
from node.errors import NotEnoughDataError
from node.topics import Target
from tests.support.forecasting_candles import START_MS, make_candles
from tests.support.recorded import write_candles

COUNT = 4_000
DATE_MS = START_MS + 3_000 * MINUTE_MS
VOLATILITY = BacktestTask("BTC", Target.VOLATILITY, Duration.parse("5m"), Interval.MINUTE, "birnn", "mse")
PRICE = replace(VOLATILITY, target=Target.PRICE)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes of BTC with a gap after the date, and too few of SOL."""
    folder = tmp_path_factory.mktemp("record")
    candles = make_candles(COUNT)
    write_candles(folder, "BTCUSDT", "1m", candles.iloc[:3_400], "a")
    write_candles(folder, "BTCUSDT", "1m", candles.iloc[3_500:], "b")
    write_candles(folder, "SOLUSDT", "1m", make_candles(300))
    return folder


@pytest.fixture(scope="module")
def plan(record: Path) -> Plan:
    return Plan(folders=(record,), train_until_ms=DATE_MS, max_epochs=2, with_curves=True)


@pytest.fixture(scope="module")
def result(plan: Plan) -> Result:
    return attempt(plan, VOLATILITY)


def test_a_task_is_said_in_exactly_the_agreed_fields(result: Result) -> None:
    assert result.problem == ""
    row = json.loads(json.dumps(result.to_row(), allow_nan=False))
    assert list(row) == list(FIELDS)
    assert (row["token"], row["target"], row["horizon"], row["interval"]) == ("BTC", "volatility", "5m", "1m")
    assert (row["model"], row["loss"]) == ("birnn", "mse")
    assert row["n"] > 0
    assert row["n_effective"] == row["n"] / 5
    assert row["ratio"] == row["rmse"] / row["baseline_rmse"]
    assert 0.5 < row["coverage_90"] < 1
    assert row["grade"] in GRADES
    assert row["seconds"] > 0


def test_a_better_model_has_a_ratio_below_one_and_a_statistic_above_zero(result: Result) -> None:
    row = result.to_row()
    assert row["ratio"] < 1
    assert row["dm"] > 0


def test_history_reaches_as_many_days_back_as_asked(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    candidate, _ = next(iter(walk_on(replace(plan, history_days=1), replace(VOLATILITY, model="linear"), candles, DATE_MS)))
    assert candidate.data_start_ms == DATE_MS - DAY_MS
    assert bars_of_history(Interval.FIVE_MINUTES, 1) == bars_of_history(Interval.MINUTE, 1) == 1440


def test_the_future_changes_not_a_bit_of_the_model(tmp_path: Path, plan: Plan) -> None:
    candles = make_candles(COUNT)
    closed = candles["open_time"] + MINUTE_MS <= DATE_MS
    other = candles.copy()
    other.loc[~closed, ["open", "high", "low", "close", "volume"]] *= np.linspace(1.1, 1.9, int((~closed).sum()))[:, np.newaxis]
    made = []
    for name, frame in (("one", candles), ("other", other)):
        write_candles(tmp_path / name, "BTCUSDT", "1m", frame)
        read = CandleFiles([tmp_path / name]).candles("BTC", Interval.MINUTE)
        candidate, walk = next(iter(walk_on(plan, PRICE, read, DATE_MS)))
        made.append((candidate.weights, candidate.graph, candidate.shrinkage))
        assert candidate.data_end_ms + MINUTE_MS <= DATE_MS
        assert walk.times[0] == DATE_MS
    assert made[0] == made[1]


def test_the_test_ends_with_what_had_closed_by_its_date(plan: Plan, record: Path) -> None:
    end = DATE_MS + 200 * MINUTE_MS
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    shorter = attempt(replace(plan, test_until_ms=end), PRICE)
    whole = next(iter(walk_on(plan, PRICE, candles, DATE_MS)))[1]
    # The last forecast is made from a candle whose horizon is over at the date, and its own minute counts too.
    assert shorter.to_row()["n"] == int((whole.times <= end - 6 * MINUTE_MS).sum()) == 195


def test_no_forecast_is_made_across_a_gap(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    candidate, walk = next(iter(walk_on(plan, PRICE, candles, DATE_MS)))
    gap = START_MS + 3_400 * MINUTE_MS, START_MS + 3_500 * MINUTE_MS
    inside = (walk.times >= gap[0] - 5 * MINUTE_MS) & (walk.times < gap[1] + (candidate.signature.bars_needed - 1) * MINUTE_MS)
    assert not inside.any()
    assert (walk.times > gap[1]).any()


def test_refitting_trains_anew_from_what_had_closed_by_then(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    refitting = replace(plan, refit=Duration.parse("5h"), max_epochs=1)
    interval_scales = list(walk_on(refitting, VOLATILITY, candles, DATE_MS))
    assert len(interval_scales) == 4
    for number, (candidate, walk) in enumerate(interval_scales):
        begin = DATE_MS + number * 300 * MINUTE_MS
        assert candidate.data_end_ms < begin
        assert begin <= walk.times[0] <= walk.times[-1] < begin + 300 * MINUTE_MS
    assert len({candidate.data_end_ms for candidate, _ in interval_scales}) == 4


def test_without_a_date_the_newest_fifth_is_the_test(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    row = attempt(replace(plan, train_until_ms=None, max_epochs=1), VOLATILITY).to_row()
    assert 0 < row["n"] < 0.2 * len(candles)


def test_tasks_without_data_are_reported_and_the_others_run(plan: Plan) -> None:
    tasks = [
        PRICE,
        replace(PRICE, token="DOGE"),
        replace(PRICE, token="SOL"),
        replace(PRICE, horizon=Duration.parse("8h"), interval=Interval.HOUR),
        replace(PRICE, horizon=Duration.parse("20m"), interval=Interval.HOUR),
    ]
    found = {result.task: result for result in run(replace(plan, max_epochs=1), tasks, jobs=1)}
    assert found.keys() == set(tasks)
    problems = [found[task].problem for task in tasks]
    assert problems[0] == ""
    assert problems[1] == "there are no 1m candles of DOGE"
    assert "no candles after the date" in problems[2]
    assert problems[3] == "there are no 1h candles of BTC"
    assert "not a whole number of 1h candles" in problems[4]
    missing = found[tasks[1]].to_row()
    assert list(missing) == list(FIELDS)
    assert missing["n"] == 0
    assert missing["ratio"] is None


def test_a_date_before_all_candles_leaves_nothing_to_learn_from(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    with pytest.raises(NotEnoughDataError, match="before the date"):
        next(iter(walk_on(plan, PRICE, candles, START_MS)))


def test_history_is_as_long_as_the_node_keeps_it() -> None:
    assert bars_of_history(Interval.MINUTE) == 90 * 24 * 60
    assert bars_of_history(Interval.HOUR) == 4 * 365 * 24


def test_a_percentage_error_is_that_of_the_price_itself(plan: Plan, record: Path) -> None:
    candles = CandleFiles([record]).candles("BTC", Interval.MINUTE)
    row = attempt(replace(plan, max_epochs=1), PRICE).to_row()
    closes = pd.Series(candles["close"].to_numpy(), index=candles["open_time"])
    _, walk = next(iter(walk_on(replace(plan, max_epochs=1), PRICE, candles, DATE_MS)))
    said = closes[walk.times].to_numpy() * np.exp(walk.forecast)
    true = closes[walk.times + 5 * MINUTE_MS].to_numpy()
    assert row["mape"] == pytest.approx(np.mean(np.abs(said - true) / true))
    assert row["czar"] is not None
