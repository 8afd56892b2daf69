"""From the newest candles to one number."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.walk_forward import walk_forward
from forecasting.prediction.forecast import bars_needed, forecast, model_input
from forecasting.prediction.onnx_session import open_session
from forecasting.training.train import Candidate, shrink_to_baseline
from node.errors import ForecastError, NotEnoughDataError
from tests.support.paths import ROOT


def test_the_bars_it_asks_for_are_all_it_needs(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    session, signature = open_session(volatility_model.graph), volatility_model.signature
    whole = forecast(session, signature, candles)
    assert forecast(session, signature, candles.iloc[-bars_needed(signature) :]) == whole
    assert whole.made_from == candles["open_time"].iloc[-1]
    assert whole.value != whole.baseline
    assert whole.value == math.exp(whole.log_return_or_log_vol) * math.sqrt(signature.steps)


def test_one_bar_too_few_is_not_enough(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    signature = volatility_model.signature
    with pytest.raises(NotEnoughDataError, match=f"there are {bars_needed(signature) - 1}"):
        model_input(signature, candles.iloc[-bars_needed(signature) + 1 :])
    with pytest.raises(NotEnoughDataError):
        model_input(signature, candles.iloc[:0])


def test_a_gap_among_the_bars_it_needs_is_no_forecast(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    with pytest.raises(NotEnoughDataError, match="a gap lies"):
        model_input(volatility_model.signature, candles.drop(index=len(candles) - 20))


def test_an_older_gap_does_not_matter(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    given = model_input(volatility_model.signature, candles.drop(index=100))
    np.testing.assert_array_equal(given.window, model_input(volatility_model.signature, candles).window)


def test_the_judge_asks_what_the_node_would_have_answered(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    session, signature = open_session(volatility_model.graph), volatility_model.signature
    start, end = volatility_model.test_start_ms, volatility_model.test_end_ms
    walk = walk_forward(session, signature, candles, start, end, volatility_model.intervals)
    assert walk.score("mse") == volatility_model.scores
    for number in (0, 57, len(walk.times) - 1):
        newest = int(np.flatnonzero(candles["open_time"] == walk.times[number])[0])
        answer = forecast(session, signature, candles.iloc[: newest + 1])
        assert answer.log_return_or_log_vol == pytest.approx(walk.forecast[number], abs=1e-5)
        assert answer.baseline == pytest.approx(math.exp(walk.baseline[number]) * math.sqrt(signature.steps))


def test_a_walk_needs_only_the_candles_around_its_span(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    session, signature = open_session(volatility_model.graph), volatility_model.signature
    start, end = volatility_model.test_start_ms, volatility_model.test_end_ms
    first = int(np.flatnonzero(candles["open_time"] == start)[0])
    whole = walk_forward(session, signature, candles, start, end)
    part = walk_forward(session, signature, candles.iloc[first - signature.bars_needed + 1 :].reset_index(drop=True), start, end)
    np.testing.assert_array_equal(part.times, whole.times)
    np.testing.assert_array_equal(part.forecast, whole.forecast)
    assert part.compare(whole, "mae").dm == 0
    with pytest.raises(NotEnoughDataError):
        walk_forward(session, signature, candles, end + 1, end + 2)


def test_a_price_is_forecast_from_the_last_price(price_model: Candidate, price_candles: pd.DataFrame) -> None:
    session, signature = open_session(price_model.graph), price_model.signature
    answer = forecast(session, signature, price_candles, 200.0)
    assert answer.value == 200.0 * math.exp(answer.log_return_or_log_vol)
    assert answer.baseline == 200.0
    close = forecast(session, signature, price_candles)
    assert close.baseline == price_candles["close"].iloc[-1]


def test_without_skill_the_answer_is_the_baseline_to_the_last_bit(
    volatility_model: Candidate, price_model: Candidate, candles: pd.DataFrame, price_candles: pd.DataFrame
) -> None:
    for model, frame in ((volatility_model, candles), (price_model, price_candles)):
        plain = shrink_to_baseline(model)
        answer = forecast(open_session(plain.graph), plain.signature, frame)
        assert answer.value == answer.baseline
        assert (plain.shrinkage, plain.scores.ratio, plain.scores.skill) == (0.0, 1.0, 0.0)
        assert all(sample["forecast"] == sample["baseline"] for sample in plain.samples)
        assert (plain.signature, plain.test_start_ms, plain.scores.n) == (model.signature, model.test_start_ms, model.scores.n)


def test_an_answer_that_is_no_number_is_an_error(volatility_model: Candidate, candles: pd.DataFrame) -> None:
    broken = candles.copy()
    broken.loc[broken.index[-1], "close"] = np.nan
    with pytest.raises(ForecastError):
        forecast(open_session(volatility_model.graph), volatility_model.signature, broken)


def test_serving_needs_no_torch() -> None:
    served = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for room in ("dataset", "prediction", "evaluation", "live")
        for file in sorted((ROOT / "forecasting" / room).glob("*.py"))
    ]
    assert len(served) > 20
    code = f"import sys, {', '.join(served)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
