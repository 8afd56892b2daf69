"""The σ of reputers, against a loop over the returns that it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.dataset.long_deviation import MAX_RETURNS, MIN_RETURNS, LongDeviation, reach_ms, returns_counted
from node.durations import DAY_MS, MINUTE_MS, Duration, Interval
from tests.support.forecasting_candles import START_MS, make_candles

CANDLES = make_candles(800)
TIMES, CLOSES = CANDLES["open_time"].to_numpy(np.int64), CANDLES["close"].to_numpy(np.float64)
HORIZON = Duration.parse("5m")


def by_hand(price: dict[int, float], end_ms: int, horizon: Duration) -> float:
    """NaN where fewer than the least returns are known."""
    returns = []
    for number in range(min(100, 365 * DAY_MS // horizon.ms)):
        after, before = price.get(end_ms - number * horizon.ms), price.get(end_ms - (number + 1) * horizon.ms)
        if after is not None and before is not None:
            returns.append(math.log(after / before))
    return float(np.std(returns)) if len(returns) >= MIN_RETURNS else math.nan


@settings(max_examples=60, deadline=None)
@given(gaps=st.sets(st.integers(0, 799), max_size=120), ends=st.lists(st.integers(-5, 805), min_size=1, max_size=20))
def test_it_is_the_population_deviation_of_the_returns_before_the_end_whatever_is_missing(gaps: set[int], ends: list[int]) -> None:
    kept = np.array([place for place in range(800) if place not in gaps])
    price = {int(TIMES[place]) + MINUTE_MS: float(CLOSES[place]) for place in kept}
    found = LongDeviation.of(TIMES[kept], CLOSES[kept], Interval.MINUTE, HORIZON)
    moments = np.array([START_MS + end * MINUTE_MS for end in ends])
    for end_ms, value in zip(moments.tolist(), found.at(moments).tolist(), strict=True):
        if end_ms > max(price) or end_ms <= min(price) - MINUTE_MS:
            assert math.isnan(value)
            continue
        assert value == pytest.approx(by_hand(price, end_ms, HORIZON), rel=1e-9, nan_ok=True)


def test_an_end_within_a_bar_is_that_of_the_newest_closed_one() -> None:
    found = LongDeviation.of(TIMES, CLOSES, Interval.MINUTE, HORIZON)
    end = np.array([START_MS + 700 * MINUTE_MS])
    assert found.at(end + 59_999)[0] == found.at(end)[0] != found.at(end + 60_000)[0]


def test_longer_history_changes_no_bit_of_it() -> None:
    whole = LongDeviation.of(TIMES, CLOSES, Interval.MINUTE, HORIZON)
    needed = 1 + (reach_ms(HORIZON) + HORIZON.ms) // MINUTE_MS
    part = LongDeviation.of(TIMES[-needed:], CLOSES[-needed:], Interval.MINUTE, HORIZON)
    end = TIMES[-1:] + MINUTE_MS
    assert part.at(end)[0] == whole.at(end)[0]


def test_at_most_a_year_and_at_most_a_hundred_returns_are_looked_at() -> None:
    assert returns_counted(Duration.parse("8h")) == MAX_RETURNS
    assert returns_counted(Duration.parse("7d")) == 52
    assert reach_ms(Duration.parse("7d")) <= 365 * DAY_MS


def test_a_market_that_never_moves_has_no_deviation_to_divide_by() -> None:
    still = LongDeviation.of(TIMES, np.full(800, 100.0), Interval.MINUTE, HORIZON)
    assert np.isnan(still.at(TIMES + MINUTE_MS)).all()
    assert np.isnan(LongDeviation.of(TIMES[:0], CLOSES[:0], Interval.MINUTE, HORIZON).at(TIMES)).all()
