"""Features of the volatility to come, each worked out by hand at one candle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecasting.dataset.bars import Bars, split_into_runs
from forecasting.dataset.calendar_features import WAVES, phase
from forecasting.dataset.volatility_features import (
    GAPS,
    MIN_RETURN_DEVIATION,
    log_mean_size,
    log_range,
    log_standard_deviation,
    volatility_features,
)
from node.durations import DAY_MS, HOUR_MS, Interval
from tests.support.forecasting_candles import make_candles

ROWS, NOW = 1_600, 1_550
CANDLES = make_candles(ROWS)
RETURNS = np.diff(np.log(CANDLES["close"].to_numpy()), prepend=np.nan)
FEATURES = {name: (compute, warm_up) for name, compute, warm_up in volatility_features()}


@pytest.fixture(scope="module")
def bars() -> Bars:
    (run,) = split_into_runs(CANDLES, Interval.MINUTE)
    return run.bars


def deviation(span: int) -> float:
    """Log of the sample standard deviation of the newest returns."""
    return math.log(RETURNS[NOW - span + 1 : NOW + 1].std(ddof=1))


def test_the_standard_deviation_is_the_samples_own(bars: Bars) -> None:
    assert log_standard_deviation(bars, 60)[NOW] == pytest.approx(deviation(60))


def test_the_mean_size_of_normal_returns_is_their_deviation(bars: Bars) -> None:
    sizes = np.abs(RETURNS[NOW - 14 : NOW + 1])
    assert log_mean_size(bars, 15)[NOW] == pytest.approx(math.log(sizes.mean() * math.sqrt(math.pi / 2)))


def test_the_range_is_parkinsons(bars: Bars) -> None:
    ranges = np.log(CANDLES["high"] / CANDLES["low"]).to_numpy()[NOW - 4 : NOW + 1]
    assert log_range(bars, 5)[NOW] == pytest.approx(math.log(math.sqrt(np.mean(ranges**2) / (4 * math.log(2)))))


def test_a_market_that_stands_still_is_measured_by_the_smallest_deviation() -> None:
    still = CANDLES.assign(high=5.0, low=5.0, close=5.0)
    (run,) = split_into_runs(still, Interval.MINUTE)
    for measure in (log_standard_deviation, log_mean_size, log_range):
        assert measure(run.bars, 15)[NOW] == math.log(MIN_RETURN_DEVIATION)


def test_a_gap_is_what_the_short_scale_is_ahead_of_the_long_one(bars: Bars) -> None:
    by_hand = {
        "short": deviation(15) - deviation(240),
        "long": deviation(240) - deviation(1440),
        "wide": deviation(15) - deviation(1440),
    }
    for name, gap in by_hand.items():
        assert GAPS[name].compute(bars)[NOW] == pytest.approx(gap)


def test_an_upward_gap_is_zero_where_the_short_scale_is_behind(bars: Bars) -> None:
    gap, upwards = GAPS["short"].compute(bars), FEATURES["short_gap_upwards"][0](bars)
    known = np.isfinite(gap)
    assert (gap[known] < 0).any()
    np.testing.assert_array_equal(upwards[known], np.where(gap[known] > 0, gap[known], 0.0))


def test_products_multiply_what_they_are_named_after(bars: Bars) -> None:
    gaps = {name: gap.compute(bars)[NOW] for name, gap in GAPS.items()}
    assert FEATURES["short_gap_times_short_gap"][0](bars)[NOW] == gaps["short"] ** 2
    assert FEATURES["short_gap_times_range_gap"][0](bars)[NOW] == gaps["short"] * gaps["range"]
    angle = 2 * math.pi * (CANDLES["open_time"][NOW] % (DAY_MS // 2)) / (DAY_MS // 2)
    assert FEATURES["wide_gap_times_day_cosine_2"][0](bars)[NOW] == pytest.approx(gaps["wide"] * math.cos(angle))


def test_a_phase_goes_once_around_in_its_period(bars: Bars) -> None:
    sine, cosine = (phase(bars, HOUR_MS, wave) for wave in WAVES.values())
    np.testing.assert_allclose(sine[60:], sine[:-60], atol=1e-12)
    minutes = CANDLES["open_time"].to_numpy() // 60_000 % 60
    assert sine[minutes == 15] == pytest.approx(1)
    assert cosine[minutes == 30] == pytest.approx(-1)


@pytest.mark.parametrize("name", FEATURES)
def test_the_declared_warm_up_is_exactly_what_is_missing(name: str, bars: Bars) -> None:
    compute, warm_up = FEATURES[name]
    values = compute(bars)
    assert np.isnan(values[:warm_up]).all()
    assert np.isfinite(values[warm_up:]).all()
