"""The judge, and the noise it must not take for skill."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.evaluation.losses import LOSSES
from forecasting.evaluation.significance import diebold_mariano, variance_of_mean
from forecasting.training.shrinkage import SHARE_AS_SCORED, fit_cautious_shrinkage, fit_scored_shrinkage, fit_shrinkage
from node.errors import ForecastError
from tests.support.scored_arrays import compare, score


def overlapping(noise: np.random.Generator, count: int, steps: int) -> np.ndarray:
    """Returns over `steps` bars, one a bar, of a market without memory; unit deviation."""
    return np.convolve(noise.normal(size=count + steps - 1), np.ones(steps), "valid") / math.sqrt(steps)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(3, 200),
    steps=st.integers(1, 40),
    loss=st.sampled_from(sorted(LOSSES)),
    volatility=st.booleans(),
)
def test_the_baseline_scores_exactly_as_the_baseline(seed: int, count: int, steps: int, loss: str, volatility: bool) -> None:
    noise = np.random.default_rng(seed)
    actual = noise.standard_t(2, count)
    baseline = noise.normal(size=count) - 8 if volatility else np.zeros(count)
    scores = score(actual, baseline.copy(), baseline, steps, loss, scale=np.ones(count))
    assert (scores.ratio, scores.skill, scores.dm, scores.dm_p) == (1.0, 0.0, 0.0, 1.0)
    assert scores.r is None
    assert scores.directional_accuracy is None


def test_figures_of_a_small_case_by_hand() -> None:
    actual, forecast, baseline = np.array([1.0, -1.0, 2.0]), np.array([0.5, 0.5, 1.0]), np.zeros(3)
    scores = score(actual, forecast, baseline, 1, "mse")
    assert scores.rmse == pytest.approx(math.sqrt((0.25 + 2.25 + 1) / 3))
    assert scores.baseline_rmse == pytest.approx(math.sqrt(2))
    assert scores.mae == pytest.approx(1.0)
    assert scores.baseline_mae == pytest.approx(4 / 3)
    assert scores.skill == pytest.approx(1 - 3.5 / 6)
    assert scores.directional_accuracy == pytest.approx(2 / 3)
    assert scores.r == pytest.approx(np.corrcoef(actual, forecast)[0, 1])
    assert (scores.n, scores.n_effective) == (3, 3.0)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_knowing_half_of_every_move_is_skill_beyond_noise(loss: str) -> None:
    actual = overlapping(np.random.default_rng(0), 2_000, 10)
    scores = score(actual, actual / 2, np.zeros_like(actual), 10, loss, scale=np.ones_like(actual))
    assert scores.skill > 0.2
    assert scores.dm > 3
    assert scores.dm_p < 0.01
    assert scores.n_effective == 200


def test_the_better_one_has_the_positive_statistic() -> None:
    noise = np.random.default_rng(0)
    actual = overlapping(noise, 1_000, 5)
    worse = compare(actual, actual + noise.normal(size=1_000), actual + 0.1 * noise.normal(size=1_000), 5, "mse")
    assert worse.dm < -3
    assert worse.first_loss > worse.second_loss
    same = compare(actual, actual / 2, actual / 2, 5, "mae")
    assert (same.dm, same.dm_p) == (0.0, 1.0)


@pytest.mark.parametrize("steps", [1, 10, 60])
def test_a_random_forecast_is_rarely_called_significant_although_outcomes_overlap(steps: int) -> None:
    noise = np.random.default_rng(steps)
    called = 0
    for _ in range(200):
        actual, other = overlapping(noise, 1_500, steps), overlapping(noise, 1_500, steps)
        # Two forecasts that are equally good in truth.
        called += abs(diebold_mariano((actual - 0.1 * other) ** 2, (actual + 0.1 * other) ** 2, steps).statistic) > 1.96
    assert called / 200 < 0.12


def test_the_variance_of_a_mean_knows_how_far_values_overlap() -> None:
    noise = np.random.default_rng(0)
    means = [overlapping(noise, 1_000, 20).mean() for _ in range(400)]
    said = np.mean([variance_of_mean(overlapping(noise, 1_000, 20), 20) for _ in range(50)])
    assert said == pytest.approx(np.var(means), rel=0.35)


def test_what_is_not_finite_or_of_other_length_is_not_scored() -> None:
    with pytest.raises(ForecastError):
        score(np.array([1.0, np.nan]), np.zeros(2), np.zeros(2), 1, "mse")
    with pytest.raises(ForecastError):
        score(np.zeros(3), np.zeros(2), np.zeros(3), 1, "mse")
    with pytest.raises(ForecastError):
        score(np.zeros(0), np.zeros(0), np.zeros(0), 1, "mse")
    with pytest.raises(ForecastError, match="scales"):
        score(np.zeros(3), np.zeros(3), np.zeros(3), 1, "czar")


def test_a_network_without_skill_is_hardly_ever_believed_at_all() -> None:
    noise = np.random.default_rng(0)
    factors = [fit_shrinkage(overlapping(noise, 1_500, 10), 0.1 * overlapping(noise, 1_500, 10), 10) for _ in range(300)]
    assert np.mean(np.array(factors) == 0.0) > 0.93


def test_a_network_is_believed_as_far_as_it_is_right() -> None:
    noise = np.random.default_rng(0)
    signal = overlapping(noise, 20_000, 10)
    actual = signal + overlapping(noise, 20_000, 10)
    assert fit_shrinkage(actual, 2 * signal, 10) == pytest.approx(0.5, abs=0.05)
    assert fit_shrinkage(actual, 0.2 * signal, 10) == 1.0
    assert fit_shrinkage(actual, -signal, 10) == 0.0


def test_a_silent_network_is_the_baseline() -> None:
    assert fit_shrinkage(np.ones(100), np.zeros(100), 5) == 0.0


def cautious(actual: np.ndarray, answer: np.ndarray, scale: np.ndarray | None = None) -> float:
    return fit_cautious_shrinkage(actual, answer, np.ones_like(actual) if scale is None else scale, 10, ("czar", "mse"))


def test_a_return_is_believed_by_the_lower_bound_of_its_evidence() -> None:
    noise = np.random.default_rng(1)
    factors = [cautious(overlapping(noise, 1_500, 10), 0.1 * overlapping(noise, 1_500, 10)) for _ in range(300)]
    assert sum(factor > 0 for factor in factors) / len(factors) < 0.02
    signal = overlapping(noise, 20_000, 10)
    actual = signal + 0.3 * overlapping(noise, 20_000, 10)
    proven, in_full = cautious(actual, 2 * signal), fit_shrinkage(actual, 2 * signal, 10)
    assert 0.3 < proven < in_full < 0.6


def test_skill_on_calm_days_alone_is_no_skill_where_wild_days_are_paid() -> None:
    noise = np.random.default_rng(2)
    signal, other = overlapping(noise, 20_000, 10), overlapping(noise, 20_000, 10)
    wild = np.arange(20_000) % 4_000 < 400
    actual, scale = np.where(wild, other, signal), np.where(wild, 30.0, 1.0)
    assert cautious(actual, signal) > 0.3
    assert cautious(actual, signal, scale) == 0.0


class TestBeliefAsScored:
    def forecasts(self, correlation: float, count: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fat-tailed log returns, what is to be expected of them, and their σ."""
        noise = np.random.default_rng(11)
        signal = noise.normal(size=count)
        moves = correlation * signal + math.sqrt(1 - correlation**2) * noise.standard_t(4, count) / math.sqrt(2)
        return 0.002 * moves, 0.002 * correlation * signal, np.full(count, 0.002)

    def test_a_skill_that_the_chains_loss_bears_out_is_believed_by_its_share(self) -> None:
        actual, answer, sigma = self.forecasts(0.1)
        found = fit_scored_shrinkage(actual, answer, sigma, 1, "czar")
        # The loss as scored calls for more than the conditional mean, of which at most the whole is believed.
        assert 0.5 * SHARE_AS_SCORED < found <= SHARE_AS_SCORED

    def test_without_evidence_or_with_evidence_against_it_nothing_is(self) -> None:
        actual, answer, sigma = self.forecasts(0.1)
        shuffled = np.random.default_rng(12).permutation(answer)
        assert fit_scored_shrinkage(actual, shuffled, sigma, 1, "czar") == 0
        assert fit_scored_shrinkage(actual, -answer, sigma, 1, "czar") == 0
        assert fit_scored_shrinkage(actual, 0 * answer, sigma, 1, "czar") == 0

    def test_where_sigma_is_not_known_nothing_is_believed(self) -> None:
        actual, answer, sigma = self.forecasts(0.1)
        assert fit_scored_shrinkage(actual, answer, np.full_like(sigma, np.nan), 1, "czar") == 0
        assert fit_scored_shrinkage(actual[:10], answer[:10], sigma[:10], 1, "czar") == 0
