"""An answer for an interval that has begun: known minutes are taken as they were, the rest is forecast."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.prediction.composition import Prices, compose
from node.durations import MINUTE_MS, Duration
from node.errors import ForecastError, NotEnoughDataError
from node.topics import Target, Task
from node.truth import TopicInterval
from tests.support.forecasting_candles import START_MS, make_candles

CANDLES = make_candles(200)
NEWEST_MS = START_MS + 200 * MINUTE_MS
"""When the last of them closed."""


def task(target: Target, horizon: str = "15m") -> Task:
    return Task("BTC", target, Duration.parse(horizon))


def close_at(moment_ms: int) -> float:
    return float(CANDLES["close"][(moment_ms - START_MS) // MINUTE_MS - 1])


@pytest.mark.parametrize("target", Target)
def test_at_its_newest_price_an_answer_is_the_models_own_forecast(target: Target) -> None:
    asked = TopicInterval(task(target), NEWEST_MS)
    forecast = math.log(0.001) if target is Target.VOLATILITY else 0.001
    expected = {
        Target.PRICE: close_at(NEWEST_MS) * math.exp(0.001),
        Target.LOG_RETURN: 0.001,
        Target.VOLATILITY: math.exp(forecast) * math.sqrt(15),
    }
    assert compose(asked, forecast, Prices.of(CANDLES)) == expected[target]


@given(minutes=st.integers(0, 14), forecast=st.floats(-0.01, 0.01))
def test_the_known_part_of_a_return_is_what_happened_and_the_rest_is_forecast(minutes: int, forecast: float) -> None:
    asked = TopicInterval(task(Target.LOG_RETURN), NEWEST_MS - minutes * MINUTE_MS)
    known = math.log(close_at(NEWEST_MS) / close_at(asked.base_ms))
    found = compose(asked, forecast, Prices.of(CANDLES))
    assert found == pytest.approx(known + forecast * (15 - minutes) / 15, abs=1e-15)
    price = compose(TopicInterval(task(Target.PRICE), asked.base_ms), forecast, Prices.of(CANDLES))
    assert math.log(price / close_at(asked.base_ms)) == pytest.approx(found, abs=1e-12)


@settings(deadline=None)
@given(minutes=st.integers(1, 14), seed=st.integers(0, 1000))
def test_the_expected_variance_is_that_of_the_known_returns_and_independent_ones_to_come(minutes: int, seed: int) -> None:
    """Against the mean of what many ways on would have given."""
    deviation = 0.001
    asked = TopicInterval(task(Target.VOLATILITY), NEWEST_MS - minutes * MINUTE_MS)
    found = compose(asked, math.log(deviation), Prices.of(CANDLES))
    known = np.diff(np.log(CANDLES["close"].to_numpy()))[-minutes:]
    ways = np.random.default_rng(seed).normal(0, deviation, (20_000, 15 - minutes))
    returns = np.concatenate((np.tile(known, (len(ways), 1)), ways), axis=1)
    assert found**2 == pytest.approx(float(np.mean(returns.var(axis=1, ddof=1))) * 15, rel=0.05)


@pytest.mark.parametrize("target", Target)
def test_the_whole_interval_known_but_its_last_minute_the_answer_is_nearly_the_truth(target: Target) -> None:
    asked = TopicInterval(task(target), NEWEST_MS - 15 * MINUTE_MS)
    actual = asked.truth(close_at).value
    until_then = Prices.of(CANDLES.iloc[:-1])
    nothing_moves = -20.0 if target is Target.VOLATILITY else 0.0
    assert actual is not None
    last_return = abs(math.log(close_at(NEWEST_MS) / close_at(NEWEST_MS - MINUTE_MS)))
    found = compose(asked, nothing_moves, until_then)
    assert abs(found - actual) <= last_return * (2 * actual if target is Target.PRICE else 2)


def test_a_base_whose_candle_has_not_arrived_is_answered_from_the_price_before_it() -> None:
    asked = TopicInterval(task(Target.LOG_RETURN), NEWEST_MS + MINUTE_MS)
    assert compose(asked, 0.001, Prices.of(CANDLES)) == 0.001
    price = compose(TopicInterval(task(Target.PRICE), asked.base_ms), 0.001, Prices.of(CANDLES))
    assert price == pytest.approx(close_at(NEWEST_MS) * math.exp(0.001 * 16 / 15), rel=1e-14)
    quiet = compose(TopicInterval(task(Target.VOLATILITY), asked.base_ms), math.log(0.001), Prices.of(CANDLES))
    assert quiet == math.exp(math.log(0.001)) * math.sqrt(15)


def without(minutes_before_the_newest: int) -> Prices:
    return Prices.of(CANDLES.drop(index=199 - minutes_before_the_newest).reset_index(drop=True))


def test_a_gap_on_what_must_be_known_is_named_instead_of_a_number() -> None:
    base_ms = NEWEST_MS - 5 * MINUTE_MS
    for target, gap in ((Target.LOG_RETURN, 5), (Target.VOLATILITY, 5), (Target.VOLATILITY, 3)):
        with pytest.raises(NotEnoughDataError, match="is not known"):
            compose(TopicInterval(task(target), base_ms), 0.0, without(gap))
    # Only its two ends decide a return, and only the newest price a price.
    assert compose(TopicInterval(task(Target.LOG_RETURN), base_ms), 0.0, without(3)) != 0
    assert compose(TopicInterval(task(Target.PRICE), base_ms), 0.0, without(5)) == close_at(NEWEST_MS)


def test_an_interval_older_than_what_is_known_or_over_has_no_answer() -> None:
    with pytest.raises(NotEnoughDataError):
        compose(TopicInterval(task(Target.LOG_RETURN, "24h"), START_MS - MINUTE_MS), 0.0, Prices.of(CANDLES))
    with pytest.raises(ForecastError, match="has ended"):
        compose(TopicInterval(task(Target.PRICE), NEWEST_MS - 15 * MINUTE_MS), 0.0, Prices.of(CANDLES))


def test_what_is_no_number_is_no_answer() -> None:
    for target in Target:
        with pytest.raises(ForecastError):
            compose(TopicInterval(task(target), NEWEST_MS), math.inf, Prices.of(CANDLES))


def test_prices_have_their_gaps() -> None:
    frame = pd.DataFrame({"open_time": [0, 3 * MINUTE_MS], "close": [1.0, 2.0]})
    prices = Prices.of(frame)
    assert (prices.first_ms, prices.newest_ms, prices.newest) == (MINUTE_MS, 4 * MINUTE_MS, 2.0)
    assert np.isnan(prices.values[1:3]).all()
