"""The builder kit's seven checks, and the figures of direction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecasting.checks import checks_of, direction_of
from forecasting.evaluation import score
from node.durations import HOUR_MS
from node.topics import Target

NOISE = np.random.default_rng(0)


def test_an_oracle_gets_an_a_and_the_baseline_an_f() -> None:
    move = NOISE.standard_t(4, 2_000)
    one = np.ones_like(move)
    assert (checks_of(move, move / 2, one, 1).passed, checks_of(move, move / 2, one, 1).grade) == (7, "A")
    assert checks_of(move, 0 * move, one, 1).grade == "F"
    assert checks_of(move, -move, one, 1).grade == "F"


def test_a_coin_seldom_gets_further_than_chance_allows() -> None:
    passed = [checks_of(NOISE.normal(size=1_000), 0.1 * NOISE.normal(size=1_000), None, 1).passed for _ in range(200)]
    assert np.mean(np.array(passed) >= 4) < 0.12


def test_outcomes_that_overlap_widen_the_interval_of_the_accuracy() -> None:
    drift = np.convolve(NOISE.normal(size=5_000), np.ones(30), "valid")
    said = np.convolve(NOISE.normal(size=5_000), np.ones(30), "valid")
    honest, naive = direction_of(drift, said, 30), direction_of(drift, said, 1)
    assert honest.high is not None
    assert naive.high is not None
    assert honest.high - honest.low > naive.high - naive.low
    assert honest.low < 0.5 < honest.high


def test_volatility_is_scored_in_levels() -> None:
    truth, forecast, baseline = np.log([2.0, 4.0]), np.log([2.0, 3.0]), np.log([1.0, 3.0])
    scores = score(truth, forecast, baseline, 1, "mse", target=Target.VOLATILITY)
    assert scores.rmse == pytest.approx(math.sqrt(1 / 2))
    assert scores.baseline_rmse == pytest.approx(1.0)
    assert scores.loss == pytest.approx(0.5)
    assert scores.mape == pytest.approx(0.125)
    assert scores.log_ratio != pytest.approx(scores.ratio)


def test_the_worst_hour_is_where_most_was_lost() -> None:
    times = np.arange(180, dtype=np.int64) * 60_000
    truth, forecast = np.full(180, 1.0), np.full(180, 0.5)
    forecast[70:75] = -3.0
    scores = score(truth, forecast, np.zeros(180), 1, "mse", times=times)
    assert scores.worst_hour_ms == HOUR_MS
    assert scores.worst_hour_ratio is not None
    assert scores.worst_hour_ratio > 1
