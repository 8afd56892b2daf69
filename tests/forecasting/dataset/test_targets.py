"""What is forecast, in model space and back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecasting.dataset.bars import rolling_sum, split_into_runs
from forecasting.dataset.targets import compute_targets, from_model_space
from node.durations import Duration, Interval
from node.topics import Target, Task
from tests.support.forecasting_candles import make_candles, signature_for

CANDLES = make_candles(600)
(RUN,) = split_into_runs(CANDLES, Interval.MINUTE)
LOGS = np.log(CANDLES["close"].to_numpy())


@pytest.mark.parametrize("span", [1, 2, 3, 7, 8, 60, 599, 600, 601])
def test_a_trailing_sum_is_the_sum_of_the_newest_values(span: int) -> None:
    values = np.random.default_rng(0).normal(size=600)
    expected = np.convolve(values, np.ones(span))[:600]
    expected[: span - 1] = np.nan
    np.testing.assert_allclose(rolling_sum(values, span), expected, atol=1e-12)


def test_the_truth_of_a_return_is_the_log_return_over_the_horizon() -> None:
    actual = compute_targets(RUN.bars, signature_for(Task("BTC", Target.LOG_RETURN, Duration.parse("10m")))).actual
    np.testing.assert_allclose(actual[:-10], LOGS[10:] - LOGS[:-10])
    assert np.isnan(actual[-10:]).all()


def test_the_truth_of_a_volatility_is_the_log_of_the_standard_deviation_of_the_returns_that_follow() -> None:
    targets = compute_targets(RUN.bars, signature_for(Task("BTC", Target.VOLATILITY, Duration.parse("15m"))))
    returns = np.diff(LOGS)
    now = 300
    assert targets.actual[now] == pytest.approx(math.log(returns[now : now + 15].std(ddof=1)))
    assert targets.baseline[now] == pytest.approx(math.log(returns[now - 15 : now].std(ddof=1)))
    assert targets.scale[now] == 1


def test_the_scale_of_a_return_is_its_ordinary_size() -> None:
    signature = signature_for(Task("BTC", Target.PRICE, Duration.parse("10m")))
    scale = compute_targets(RUN.bars, signature).scale
    returns = np.diff(LOGS)
    assert scale[500] == pytest.approx(math.sqrt(10 * np.mean(returns[500 - signature.scale_span : 500] ** 2)))


def test_a_volatility_over_a_single_minute_is_the_size_of_its_return() -> None:
    actual = compute_targets(RUN.bars, signature_for(Task("BTC", Target.VOLATILITY, Duration.parse("1m")))).actual
    np.testing.assert_allclose(np.exp(actual[1:-1]), np.maximum(np.abs(np.diff(LOGS))[1:], 1e-5))


def test_model_space_leads_back_to_the_networks_units() -> None:
    assert from_model_space(Target.PRICE, 5, 0.0, 123.45) == 123.45
    assert from_model_space(Target.PRICE, 5, math.log(2), 50) == pytest.approx(100)
    assert from_model_space(Target.LOG_RETURN, 5, -0.01, 50) == -0.01
    assert from_model_space(Target.VOLATILITY, 15, math.log(0.002), 50) == pytest.approx(0.002 * math.sqrt(15))


def test_no_truth_reaches_across_a_gap() -> None:
    signature = signature_for(Task("BTC", Target.PRICE, Duration.parse("10m")))
    first, second = split_into_runs(CANDLES.drop(index=400), Interval.MINUTE)
    assert np.isnan(compute_targets(first.bars, signature).actual[-10:]).all()
    assert np.isnan(compute_targets(second.bars, signature).scale[: signature.scale_span]).all()
