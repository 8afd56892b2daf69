"""Intervals that follow the newest errors hold what they promise when the market changes its ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.dataset.signature import Signature
from forecasting.prediction.adaptive_conformal import AdaptationRate
from forecasting.prediction.conformal import LEVELS, Intervals
from node.durations import Duration, Interval
from node.topics import Target

SIGNATURES = {
    text: Signature("BTC", Target.PRICE, Duration.parse(horizon), Interval(interval), 1, ("scaled_return_1",))
    for text in ("5m/1m", "20m/5m", "4h/1m", "8h/15m", "24h/1h")
    for horizon, interval in (text.split("/"),)
}
any_signature = st.sampled_from(list(SIGNATURES.values()))


def overlapping_errors(steps: int, horizons: int, seed: int) -> np.ndarray:
    """Errors of `steps` bars that overlap, in a market that changes its size fourfold every thirty to eighty horizons."""
    noise = np.random.default_rng(seed)
    moves, wild = [], False
    while len(moves) < steps * horizons:
        length = steps * int(noise.integers(30, 80))
        moves += list(noise.standard_t(4, length) * (4 if wild else 1))
        wild = not wild
    sums = np.cumsum([0.0, *moves[: steps * horizons]])
    return (sums[steps:] - sums[:-steps]) / np.sqrt(steps)


def bounds_of(signature: Signature, intervals: Intervals, error: np.ndarray) -> np.ndarray:
    """Of forecasts of nothing made at every bar."""
    rate, times = AdaptationRate.of(signature), np.arange(len(error)) * signature.interval.ms
    nothing, one, counted = np.zeros_like(error), np.ones_like(error), rate.counts(times)
    conformity_scores = intervals.conformity_scores(error[counted], nothing[counted], one[counted])
    return intervals.bounds(nothing, one, rate.interval_scales(rate.place(times), rate.place(times[counted]), conformity_scores))


def coverages(bounds: np.ndarray, actual: np.ndarray) -> list[float]:
    return [float(np.mean((bounds[:, 2 * place] <= actual) & (actual <= bounds[:, 2 * place + 1]))) for place in range(len(LEVELS))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SIGNATURES)
def test_as_many_truths_lie_inside_as_promised_when_calm_and_wild_weeks_alternate(name: str, seed: int) -> None:
    steps = SIGNATURES[name].steps
    error = overlapping_errors(steps, 250 if steps > 12 else 1_000, seed)
    learned = error[: 20 * steps]
    fixed = Intervals.fit(learned, np.zeros_like(learned), np.ones_like(learned))
    found = coverages(bounds_of(SIGNATURES[name], fixed, error), error)
    np.testing.assert_allclose(found, np.array(LEVELS) / 100, atol=0.045)


def test_fixed_intervals_would_not_hold_what_they_promise_there() -> None:
    error = overlapping_errors(24, 250, 1)
    nothing, one = np.zeros_like(error), np.ones_like(error)
    fixed = Intervals.fit(error[:480], nothing[:480], one[:480])
    assert coverages(fixed.bounds(nothing, one), error)[2] < 0.8


@settings(max_examples=20, deadline=None)
@given(signature=any_signature, data=st.data())
def test_no_interval_knows_an_error_before_its_horizon_has_passed(signature: Signature, data: st.DataObject) -> None:
    error = overlapping_errors(signature.steps, 12, 0)
    intervals = Intervals.fit(error, np.zeros_like(error), np.ones_like(error))
    row = data.draw(st.integers(0, len(error) - 1))
    changed = error.copy()
    changed[max(0, row - signature.steps + 1) :] *= data.draw(st.sampled_from([0.0, 100.0]))
    before, after = (bounds_of(signature, intervals, each)[: row + 1] for each in (error, changed))
    np.testing.assert_array_equal(before, after)


def test_where_a_past_begins_hardly_matters() -> None:
    """The same errors a little earlier or later on the clock begin their pasts elsewhere, and end with nearly the same stretch."""
    signature = SIGNATURES["20m/5m"]
    rate, error = AdaptationRate.of(signature), overlapping_errors(4, 1_000, 3)
    intervals = Intervals.fit(error, np.zeros_like(error), np.ones_like(error))
    conformity_scores = intervals.conformity_scores(error, np.zeros_like(error), np.ones_like(error))
    places = np.arange(len(error))
    interval_scales = [
        rate.interval_scales(places[-1:] + shift, places + shift, conformity_scores)[0] for shift in range(0, 4 * rate.block, 37)
    ]
    np.testing.assert_allclose(interval_scales, [interval_scales[0]] * len(interval_scales), rtol=0.06)


def test_without_errors_nothing_is_stretched() -> None:
    rate = AdaptationRate.of(SIGNATURES["24h/1h"])
    assert (rate.interval_scales(np.array([5_000]), np.empty(0, np.int64), np.empty((0, len(LEVELS)))) == 1).all()


@given(interval_scales=st.lists(st.floats(0.1, 10), min_size=len(LEVELS), max_size=len(LEVELS)))
def test_a_stretched_interval_always_holds_the_narrower_ones(interval_scales: list[float]) -> None:
    intervals = Intervals({50: (-0.5, 0.75), 80: (-1.0, 1.5), 90: (-2.0, 2.5)}, 0.2, 0.1)
    edges = intervals.bounds(np.array([0.1]), np.array([2.0]), np.array([interval_scales]))[0]
    assert edges[4] <= edges[2] <= edges[0] <= edges[1] <= edges[3] <= edges[5]
    once = intervals.scaled(np.array(interval_scales)).bounds(np.array([0.1]), np.array([2.0]))[0]
    np.testing.assert_allclose(edges, once)
