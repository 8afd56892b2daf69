"""What a topic's truth is, against worked examples and against the arrays that training and backtests compute."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.dataset.bars import split_into_runs
from forecasting.dataset.signature import Signature
from forecasting.dataset.targets import compute_targets, from_model_space
from node.durations import DAY_MS, MINUTE_MS, Duration, Interval
from node.topics import Target, Task
from node.truth import TopicInterval, base_time, priced_by, unit
from tests.support.forecasting_candles import START_MS, make_candles

NONCE_MS = 1_762_603_733_900
"""2025-11-08 12:08:53.9 UTC, the time of day of the network's own example."""


def test_the_networks_own_example() -> None:
    """Nonce 12:08:53.9: base 12:08:00, priced by the candle of 12:07, and for eight hours the end is 20:08:00."""
    asked = TopicInterval.of_nonce(Task("BTC", Target.LOG_RETURN, Duration.parse("8h")), NONCE_MS)
    day = NONCE_MS - NONCE_MS % DAY_MS
    assert asked.base_ms - day == (12 * 60 + 8) * MINUTE_MS
    assert priced_by(asked.base_ms) - day == (12 * 60 + 7) * MINUTE_MS
    assert asked.end_ms - day == (20 * 60 + 8) * MINUTE_MS
    prices = {asked.base_ms: 100.0, asked.end_ms: 110.0}
    assert asked.truth(prices.get).value == math.log(1.1)
    price = TopicInterval.of_nonce(Task("BTC", Target.PRICE, Duration.parse("8h")), NONCE_MS)
    assert price.truth(prices.get).value == 110.0


def test_a_volatility_is_the_sample_deviation_times_the_root_of_the_minutes() -> None:
    asked = TopicInterval(Task("BTC", Target.VOLATILITY, Duration.parse("4h")), START_MS)
    prices = {moment: 100 + math.sin(number) for number, moment in enumerate(asked.moments)}
    assert len(prices) == 241
    logs = [math.log(price) for price in prices.values()]
    returns = [after - before for before, after in itertools.pairwise(logs)]
    assert asked.truth(prices.get).value == pytest.approx(statistics.stdev(returns) * math.sqrt(240), rel=1e-12)
    assert unit(Target.VOLATILITY, 240) == math.sqrt(240)
    assert unit(Target.PRICE, 240) == unit(Target.LOG_RETURN, 240) == 1


@given(nonce_ms=st.integers(0, 2**42))
def test_a_base_is_the_whole_minute_that_had_begun(nonce_ms: int) -> None:
    base = base_time(nonce_ms)
    assert base % MINUTE_MS == 0
    assert 0 <= nonce_ms - base < MINUTE_MS
    assert base_time(base) == base


@given(target=st.sampled_from(Target), known=st.integers(0, 20), offset=st.integers(0, MINUTE_MS - 1))
def test_what_is_known_grows_minute_by_minute_and_at_the_end_it_is_all(target: Target, known: int, offset: int) -> None:
    asked = TopicInterval(Task("BTC", target, Duration.parse("15m")), START_MS)
    moments = asked.known_moments(START_MS + known * MINUTE_MS + offset)
    assert all(moment <= START_MS + known * MINUTE_MS + offset for moment in moments)
    assert list(moments) == [moment for moment in asked.moments if moment <= START_MS + known * MINUTE_MS + offset]
    assert known < 15 or list(moments) == list(asked.moments)


@given(target=st.sampled_from(Target), gaps=st.sets(st.integers(0, 15), max_size=4))
def test_what_is_missing_is_named_and_there_is_no_value_then(target: Target, gaps: set[int]) -> None:
    asked = TopicInterval(Task("BTC", target, Duration.parse("15m")), START_MS)
    missing = {START_MS + gap * MINUTE_MS for gap in gaps}
    truth = asked.truth(lambda moment: None if moment in missing else 100.0 + moment % 7)
    assert set(truth.missing) == missing & set(asked.moments)
    assert (truth.value is None) == bool(truth.missing)


CANDLES = make_candles(900)
GAPPED = CANDLES.drop(index=[300, 301, 500]).reset_index(drop=True)
CLOSES = {int(time) + MINUTE_MS: float(close) for time, close in zip(GAPPED["open_time"], GAPPED["close"], strict=True)}


@settings(max_examples=200)
@given(
    target=st.sampled_from(Target),
    horizon=st.sampled_from(["5m", "15m", "20m", "1h", "4h"]),
    nonce_ms=st.integers(START_MS, START_MS + 920 * MINUTE_MS),
)
def test_training_and_backtests_learn_the_same_truth_for_any_nonce_across_gaps(target: Target, horizon: str, nonce_ms: int) -> None:
    asked = TopicInterval.of_nonce(Task("BTC", target, Duration.parse(horizon)), nonce_ms)
    signature = Signature("BTC", target, asked.task.horizon, Interval.MINUTE, window=1, features=())
    at_candle = {}
    for run in split_into_runs(GAPPED, Interval.MINUTE):
        at_candle |= dict(zip(run.bars.open_time.tolist(), compute_targets(run.bars, signature).actual.tolist(), strict=True))
    learned = at_candle.get(priced_by(asked.base_ms), math.nan)
    truth = asked.truth(CLOSES.get)
    if math.isnan(learned):
        # An array reaches across no gap; the truth itself needs only the prices that it names.
        unbroken = all(moment in CLOSES for moment in range(asked.base_ms, asked.end_ms + 1, MINUTE_MS))
        assert truth.value is None or not unbroken
        return
    last_price = CLOSES[asked.base_ms]
    # Arrays subtract the squared mean from the mean of squares, which loses digits where a span moves in one direction.
    assert truth.value == pytest.approx(from_model_space(target, signature.steps, learned, last_price), rel=1e-9, abs=1e-15)


def test_the_unit_is_not_the_one_of_a_single_minute() -> None:
    """The trap: fifteen minutes of the deviation 0.001 are 0.00387, not 0.001."""
    random = np.random.default_rng(0)
    prices = 100 * np.exp(random.normal(0, 0.001, 100_000).cumsum())
    asked = TopicInterval(Task("BTC", Target.VOLATILITY, Duration.parse("24h")), 0)
    found = asked.truth(lambda moment: float(prices[moment // MINUTE_MS])).value
    assert found == pytest.approx(0.001 * math.sqrt(1440), rel=0.1)
