"""How far off forecasts have been, and will be."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.evaluation.walk_forward import walk_forward
from forecasting.prediction.conformal import LEVELS, Intervals
from forecasting.prediction.forecast import forecast
from forecasting.prediction.onnx_session import open_session
from forecasting.prediction.path import compute_path
from forecasting.training.train import Candidate
from node.errors import ForecastError


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(0)


def errors(noise: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truths with fat tails in a market whose size changes, forecasts of nothing, and their scales."""
    scale = np.exp(noise.normal(size=count) - 7)
    return scale * noise.standard_t(3, count), np.zeros(count), scale


def coverage(intervals: Intervals, level: int, actual: np.ndarray, forecasts: np.ndarray, scale: np.ndarray) -> float:
    place = 2 * LEVELS.index(level)
    low, high = intervals.bounds(forecasts, scale)[:, place : place + 2].T
    return float(np.mean((low <= actual) & (actual <= high)))


@pytest.mark.parametrize("level", LEVELS)
def test_as_many_truths_lie_inside_as_promised_whatever_the_distribution(level: int, noise: np.random.Generator) -> None:
    assert coverage(Intervals.fit(*errors(noise, 5_000)), level, *errors(noise, 20_000)) == pytest.approx(level / 100, abs=0.02)


def test_errors_that_shrink_as_the_market_grows_narrow_the_interval_there(noise: np.random.Generator) -> None:
    actual, forecasts, scale = errors(noise, 20_000)
    actual = actual * np.clip(-np.log(scale) / 7, 0.3, 2) ** 2
    intervals = Intervals.fit(actual, forecasts, scale)
    assert intervals.slope < 0
    calm = scale < np.median(scale)
    for rows in (calm, ~calm):
        assert coverage(intervals, 90, actual[rows], forecasts[rows], scale[rows]) == pytest.approx(0.9, abs=0.02)


def test_a_market_that_keeps_changing_gets_wider_intervals(noise: np.random.Generator) -> None:
    actual, forecasts, scale = errors(noise, 12_000)
    drifting = actual * np.linspace(1, 3, len(actual))
    last = slice(-2_000, None)
    assert (
        coverage(
            Intervals.fit(drifting[:-2_000], forecasts[:-2_000], scale[:-2_000]), 90, drifting[last], forecasts[last], scale[last]
        )
        > 0.87
    )


def test_intervals_survive_the_way_through_a_manifest(noise: np.random.Generator) -> None:
    intervals = Intervals.fit(*errors(noise, 500))
    assert Intervals.from_dict(intervals.to_dict()) == intervals
    for damaged in (
        {},
        {"50": [0, 1]},
        intervals.to_dict() | {"90": [1.0, float("nan")]},
        intervals.to_dict() | {"80": [1.0, 0.0]},
    ):
        with pytest.raises(ForecastError):
            Intervals.from_dict(damaged)


def test_a_candidate_knows_how_far_off_it_will_be(volatility_model: Candidate, price_model: Candidate) -> None:
    for model in (volatility_model, price_model):
        assert model.scores.coverage_90 == pytest.approx(0.9, abs=0.1)
        assert model.scores.coverage_50 is not None
        assert model.scores.coverage_50 < model.scores.coverage_80 < model.scores.coverage_90


def test_a_walk_without_intervals_has_no_coverage(volatility_model: Candidate, candles) -> None:
    session, signature = open_session(volatility_model.graph), volatility_model.signature
    walk = walk_forward(session, signature, candles, volatility_model.test_start_ms, volatility_model.test_end_ms)
    assert walk.score("mse").coverage_90 is None


def test_a_path_ends_with_the_forecast_and_its_intervals(volatility_model: Candidate, price_model, candles, price_candles) -> None:
    for model, frame in ((volatility_model, candles), (price_model, price_candles)):
        session = open_session(model.graph)
        made = forecast(session, model.signature, frame)
        steps = compute_path(model.signature, model.intervals, made, 5)
        assert steps[-1].value == pytest.approx(made.value)
        assert steps[-1].time_ms == made.made_from + model.signature.interval.ms + model.signature.horizon.ms
        assert [step.time_ms for step in steps] == sorted(step.time_ms for step in steps)
        for step in steps:
            assert step.low90 <= step.low80 <= step.low50 <= step.high50 <= step.high80 <= step.high90
        widths = [step.high90 - step.low90 for step in steps]
        assert widths == sorted(widths) or model is volatility_model
