"""The builder kit's seven checks and their letter as the kit computes them, and the figures of direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.arrays import Floats
from forecasting.evaluation.direction import GRADES, checks_of, direction_of
from forecasting.evaluation.student_t import p_of_correlation, two_sided_p
from node.durations import HOUR_MS
from node.topics import Target
from tests.support.scored_arrays import score

NOISE = np.random.default_rng(0)

ROWS = np.arange(1, 81)
ACTUAL = 0.004 * np.sin(ROWS * ROWS) ** 3
FORECAST = 0.5 * ACTUAL + 0.002 * np.cos(3.0 * ROWS * ROWS)
FORECAST[::9], ACTUAL[40] = 0.0, 0.0

floats = st.floats(-0.1, 0.1).map(lambda value: round(value, 4))


def figures(actual: Floats, forecast: Floats) -> list[float | None]:
    return [check.figure for check in checks_of(actual, forecast).checks]


def returns_and_forecast() -> tuple[Floats, Floats]:
    """Fat-tailed returns, and a forecast that correlates with them by 0.12 and knows it."""
    noise = np.random.default_rng(7)
    actual = 0.002 * noise.standard_t(4, 20_000)
    return actual, 0.12 * (0.12 * actual + math.sqrt(1 - 0.12**2) * actual.std() * noise.normal(size=len(actual)))


def test_every_figure_is_that_of_an_independent_computation() -> None:
    """By scipy 1.16 (pearsonr, norm.sf) and the roots of the score equation; an answer of 0 and a truth of 0 are among them."""
    wanted = [0.5189873417721519, 0.4105091395596984, 0.4109827989663022, 0.6351712447782866, 2.4794471679491254e-10]
    wanted += [0.32819205644725014, 0.27684826259328077]
    assert figures(ACTUAL, FORECAST) == pytest.approx(wanted, rel=1e-9)
    assert [check.passed for check in checks_of(ACTUAL, FORECAST).checks] == [False, False, False, True, True, True, True]


def test_letters_count_the_checks() -> None:
    assert GRADES == ("F", "F", "D", "C", "B", "B+", "A", "A+")
    actual, _ = returns_and_forecast()
    assert checks_of(actual, actual / 2).grade == "A+"
    assert checks_of(actual, -actual).passed == 1, "the wrong side is significant, two-sided"


def test_a_weak_forecast_gets_an_a_and_with_zero_for_half_of_its_answers_a_d() -> None:
    actual, forecast = returns_and_forecast()
    half = np.where(np.arange(len(actual)) % 2, forecast, 0.0)
    assert [checks_of(actual, said).grade for said in (forecast, half, 0 * actual)] == ["A", "D", "F"]
    assert checks_of(actual, 0 * actual).passed == 0


def test_an_answer_of_zero_is_a_miss_and_a_truth_of_zero_is_not_asked() -> None:
    accuracy, *_, capture = figures(np.array([1.0, -2.0, 3.0, 0.0]), np.array([1.0, -1.0, 0.0, 5.0]))
    assert accuracy == pytest.approx(2 / 3)
    assert capture == pytest.approx((1 + 2 - 3) / 6)


def test_hits_that_follow_each_other_count_for_less() -> None:
    hits = np.array(([1.0] * 40 + [-1.0] * 10) * 8)
    alternating = np.array([1.0, 1.0, 1.0, 1.0, -1.0] * 80)
    low = [figures(np.ones(400), said)[1] for said in (hits, alternating)]
    assert low[0] is not None
    assert low[1] is not None
    assert low[0] < low[1] - 0.1
    rho = float(np.corrcoef(hits[:-1] > 0, hits[1:] > 0)[0, 1])
    count, z = 400 * (1 - rho) / (1 + rho), 1.96
    # Wilson's bound is where the accuracy lies 1.96 of the bound's own standard errors above it.
    assert 0.8 - low[0] == pytest.approx(z * math.sqrt(low[0] * (1 - low[0]) / count))


def test_overlapping_forecasts_are_checked_a_horizon_apart() -> None:
    actual, forecast = returns_and_forecast()
    assert checks_of(actual, forecast, None, 30) == checks_of(actual[::30], forecast[::30])


@given(st.lists(st.tuples(floats, floats), max_size=30), st.sampled_from([0.001, 3.0, 1e6]))
def test_any_series_has_a_letter_and_its_unit_does_not_matter(pairs: list[tuple[float, float]], unit: float) -> None:
    actual, forecast = (np.array([pair[place] for pair in pairs], np.float64) for place in (0, 1))
    found = figures(actual, forecast)
    assert checks_of(actual, forecast).grade in GRADES
    assert found == pytest.approx(figures(actual * unit, forecast * unit), rel=1e-6, abs=1e-6)
    for place in range(5):
        figure = found[place]
        assert figure is not None
        assert -1e-12 - (place == 3) <= figure <= 1 + 1e-12


@given(st.floats(0, 1e3))
def test_the_t_distribution_is_that_of_its_closed_forms(t: float) -> None:
    assert two_sided_p(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t), rel=1e-9, abs=1e-12)
    assert two_sided_p(-t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9, abs=1e-12)
    assert two_sided_p(t, 1e6) == pytest.approx(math.erfc(t / math.sqrt(2)), rel=1e-2, abs=1e-5)


def test_ps_are_those_of_a_statistics_library() -> None:
    """By scipy 1.16: 2 * stats.t.sf(t, degrees)."""
    assert two_sided_p(2.0, 5) == pytest.approx(0.10193947882985835, rel=1e-12)
    assert two_sided_p(0.5, 30) == pytest.approx(0.6207230048851272, rel=1e-12)
    assert two_sided_p(3.3, 998) == pytest.approx(0.0010010658710382697, rel=1e-11)
    assert two_sided_p(35.0, 1_000_000) == pytest.approx(3.2749836326749174e-268, rel=1e-8)
    assert (p_of_correlation(1.0, 10), p_of_correlation(-1.0, 2), p_of_correlation(0.0, 10)) == (0.0, 1.0, 1.0)


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
    actual, forecast, baseline = np.log([2.0, 4.0]), np.log([2.0, 3.0]), np.log([1.0, 3.0])
    scores = score(actual, forecast, baseline, 1, "mse", target=Target.VOLATILITY)
    assert scores.rmse == pytest.approx(math.sqrt(1 / 2))
    assert scores.baseline_rmse == pytest.approx(1.0)
    assert scores.loss == pytest.approx(0.5)
    assert scores.mape == pytest.approx(0.125)
    assert scores.log_ratio != pytest.approx(scores.ratio)


def test_the_worst_hour_is_where_most_was_lost() -> None:
    times = np.arange(180, dtype=np.int64) * 60_000
    actual, forecast = np.full(180, 1.0), np.full(180, 0.5)
    forecast[70:75] = -3.0
    scores = score(actual, forecast, np.zeros(180), 1, "mse", times=times)
    assert scores.worst_hour_ms == HOUR_MS
    assert scores.worst_hour_ratio is not None
    assert scores.worst_hour_ratio > 1
