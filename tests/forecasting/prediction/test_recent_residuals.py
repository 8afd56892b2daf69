"""What is served and what is backtested are the same intervals, and no later candle changes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.forecast_series import ForecastSeries
from forecasting.evaluation.walk_forward import walk_forward
from forecasting.prediction.adaptive_conformal import AdaptationRate
from forecasting.prediction.conformal import LEVELS
from forecasting.prediction.forecast import forecast
from forecasting.prediction.onnx_session import open_session
from forecasting.prediction.recent_residuals import RecentResiduals, bars_to_follow
from forecasting.training.train import Candidate


def walk(model: Candidate, candles: pd.DataFrame, start: int = 2_500) -> ForecastSeries:
    times = candles["open_time"]
    session = open_session(model.graph)
    return walk_forward(session, model.signature, candles, int(times.iloc[start]), int(times.iloc[-1]), model.intervals)


def served(recent: RecentResiduals, model: Candidate, candles: pd.DataFrame) -> np.ndarray:
    """The bounds at the newest candle, from no more candles than are asked for."""
    wanted = candles.iloc[-recent.bars_wanted(int(candles["open_time"].iloc[-1])) :].reset_index(drop=True)
    made = forecast(open_session(model.graph), model.signature, wanted)
    intervals = recent.intervals_at(wanted)
    return intervals.bounds(np.array([made.log_return_or_log_vol]), np.array([made.scale]))[0]


def recent_errors(model: Candidate) -> RecentResiduals:
    return RecentResiduals(open_session(model.graph), model.signature, model.intervals)


@pytest.fixture(params=["volatility", "price"])
def model_and_candles(request, volatility_model, candles, price_model, price_candles) -> tuple[Candidate, pd.DataFrame]:
    return (volatility_model, candles) if request.param == "volatility" else (price_model, price_candles)


def test_what_is_served_is_what_a_backtest_measures(model_and_candles: tuple[Candidate, pd.DataFrame]) -> None:
    model, candles = model_and_candles
    out_of_fold = walk(model, candles)
    lasting = recent_errors(model)
    for row in range(2_500, 2_620):
        place = int(np.flatnonzero(out_of_fold.times == candles["open_time"].iloc[row])[0])
        seen = candles.iloc[: row + 1]
        np.testing.assert_allclose(served(lasting, model, seen), out_of_fold.bounds[place], rtol=1e-4, atol=1e-7)
        if row % 40 == 0:
            np.testing.assert_allclose(served(recent_errors(model), model, seen), out_of_fold.bounds[place], rtol=1e-4, atol=1e-7)


def test_most_candles_cost_little_and_a_restart_finds_the_same_errors(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    newest = int(candles["open_time"].iloc[-1])
    recent, signature = recent_errors(volatility_model), volatility_model.signature
    assert signature.bars_needed < recent.bars_wanted(newest) <= bars_to_follow(signature)
    before = served(recent, volatility_model, candles)
    assert recent.bars_wanted(newest) <= signature.bars_needed + 2 * signature.steps
    np.testing.assert_array_equal(served(recent, volatility_model, candles), before)


def test_a_gap_in_the_past_leaves_an_interval(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    broken = candles.drop(index=range(1_500, 1_530)).reset_index(drop=True)
    out_of_fold = walk(volatility_model, broken)
    bounds = served(recent_errors(volatility_model), volatility_model, broken.iloc[:2_600])
    place = int(np.flatnonzero(out_of_fold.times == broken["open_time"].iloc[2_599])[0])
    np.testing.assert_allclose(bounds, out_of_fold.bounds[place], rtol=1e-4, atol=1e-7)


def test_candles_found_later_are_looked_at_when_the_past_begins_anew(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    signature = volatility_model.signature
    rate, conformity_scores = AdaptationRate.of(signature), signature.bars_needed
    row = next(row for row in range(2_000, 3_000) if rate.place(candles["open_time"].to_numpy()[row]) % rate.block == 0)
    recent = recent_errors(volatility_model)
    served(recent, volatility_model, candles.iloc[row - conformity_scores - 100 : row])
    missing, whole = (candles.iloc[start : row + 1] for start in (row - conformity_scores - 100, 0))
    fresh = served(recent_errors(volatility_model), volatility_model, whole)
    assert not np.allclose(served(recent_errors(volatility_model), volatility_model, missing), fresh, rtol=1e-4)
    np.testing.assert_allclose(served(recent, volatility_model, whole), fresh, rtol=1e-4)


@pytest.mark.parametrize("row", [2_520, 2_700, 2_900])
def test_no_interval_changes_when_a_later_candle_does(model_and_candles: tuple[Candidate, pd.DataFrame], row: int) -> None:
    model, candles = model_and_candles
    changed = candles.copy()
    changed.loc[changed.index[row + 1 :], ["open", "high", "low", "close"]] *= 3.0
    before, after = walk(model, candles), walk(model, changed)
    until = before.times <= candles["open_time"].iloc[row]
    assert until.sum() == row - 2_499
    np.testing.assert_allclose(before.bounds[until], after.bounds[: until.sum()], rtol=1e-5, atol=1e-8)
    assert before.bounds.shape[1] == 2 * len(LEVELS)
