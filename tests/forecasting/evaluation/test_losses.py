"""The losses that score topics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecasting.evaluation.losses import LEAST_LOSS, LOSSES, as_scored, czar_scored, loss_of
from node.errors import ForecastError
from node.model_names import LOSS_NAMES as CONFIGURABLE


def czar_by_the_book(actual: float, forecast: float, alpha: float = 1.0, epsilon: float = 1.0, tau: float = 0.05) -> float:
    """The published definition, term by term, for one pair of z-values."""
    delta = alpha / math.sqrt(3)
    k = 1 + delta**2

    def bare(z_true: float, z_pred: float) -> float:
        s = 1.0 if z_true >= 0 else -1.0
        moved_true = z_true + s * delta
        moved_pred = z_pred + math.copysign(delta, z_pred)
        slope = [2 * abs(x) / (1 + x**2) ** 2 for x in (delta, moved_true)]
        h1, h3 = k * slope[0], k * slope[1]
        if s * z_pred <= 0:
            return h1 * z_pred**2 / 2 - s * z_pred + s * k * (math.atan(moved_true) - math.atan(s * delta))
        if s * z_pred <= abs(z_true):
            return s * k * (math.atan(moved_true) - math.atan(moved_pred))
        miss = z_pred - z_true
        return min(h1, h3) * miss**2 / 2 + s * k / (1 + moved_true**2) * miss

    level = k * (math.atan(epsilon + delta) - math.atan(delta))
    beta = delta / k
    shifted = (math.sqrt(1 + 4 * beta * level) - 1) / (2 * beta)

    def m(z: float) -> float:
        return 1 - k * (math.atan(abs(z) + delta) - math.atan(delta)) / (shifted + beta * shifted**2)

    width = tau * abs(m(math.inf))
    weight = np.logaddexp(0, m(actual) / width) / np.logaddexp(0, 1 / width)
    return bare(actual, forecast) + float(weight) * bare(0.0, shifted)


def test_czar_is_the_published_definition() -> None:
    noise = np.random.default_rng(0)
    actual = np.concatenate(([0.0, 0.0, 0.0, 2.0], noise.standard_t(3, 500)))
    forecast = np.concatenate(([0.0, 0.3, -0.3, 0.0], noise.standard_t(3, 500)))
    expected = [czar_by_the_book(t, f) for t, f in zip(actual, forecast, strict=True)]
    np.testing.assert_allclose(LOSSES["czar"](actual, forecast, np.ones_like(actual)), expected, atol=1e-12)


REFERENCE = [
    (0.0, 0.0, 0.6428941446819456, 0.7825292423428918),
    (0.0, 0.5, 1.251147320155, 1.283972569904947),
    (1.0, 0.0, 0.6690039334402336, 0.8096502135488228),
    (1.0, 0.3, 0.4069228660440814, 0.5186688198430758),
    (1.0, 1.0, 0.02610978875828804, 0.02712097120593101),
    (1.0, 2.0, 0.5812334459264952, 0.5300324340228432),
    (1.0, -0.5, 1.277257108913288, 1.311093541110878),
    (-2.0, 0.4, 1.372096840324815, 1.503498768715236),
    (0.2, 0.1, 0.5472093394223239, 0.6829177091577016),
]
"""Truth, forecast, CZAR at α = 1 and at α = 0.01, with σ = 1: values of an implementation that is not this one."""


@pytest.mark.parametrize(("actual", "forecast", "for_fitting", "scored"), REFERENCE)
def test_czar_meets_its_reference_values_in_both_forms(actual: float, forecast: float, for_fitting: float, scored: float) -> None:
    pair = np.array([actual]), np.array([forecast]), np.ones(1)
    assert LOSSES["czar"](*pair)[0] == pytest.approx(for_fitting, abs=1e-12)
    assert czar_scored(*pair)[0] == pytest.approx(scored, abs=1e-12)
    assert as_scored("czar")(*pair)[0] == pytest.approx(math.log10(scored), abs=1e-12)


def test_czar_as_scored_is_the_published_definition_with_its_own_alpha() -> None:
    noise = np.random.default_rng(5)
    actual, forecast = noise.standard_t(3, 500), noise.standard_t(3, 500)
    expected = [czar_by_the_book(t, f, alpha=0.01) for t, f in zip(actual, forecast, strict=True)]
    np.testing.assert_allclose(czar_scored(actual, forecast, np.ones(500)), expected, atol=1e-11)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_as_scored_is_the_logarithm_of_a_loss_and_never_that_of_nothing(name: str) -> None:
    noise = np.random.default_rng(6)
    actual, forecast, scale = noise.normal(size=50), noise.normal(size=50), np.full(50, 0.7)
    logs = as_scored(name)(actual, forecast, scale)
    if name != "czar":
        np.testing.assert_allclose(10.0**logs, LOSSES[name](actual, forecast, scale))
        exact = as_scored(name)(actual, actual, scale)
        np.testing.assert_allclose(exact, math.log10(LEAST_LOSS))
    assert np.isfinite(logs).all()
    with pytest.raises(ForecastError, match="known are"):
        as_scored("luck")


def test_what_shrinking_is_best_depends_on_what_is_averaged() -> None:
    """Outcomes of four degrees of freedom, forecasts that correlate 0.1 with them: half of the conditional mean in the mean of the
    loss for fitting, and two or more times as much in the mean logarithm of the one that is scored."""
    noise = np.random.default_rng(7)
    count = 400_000
    signal = noise.normal(size=count)
    actual = 0.1 * signal + math.sqrt(1 - 0.01) * noise.standard_t(4, count) / math.sqrt(2)
    one, multiples = np.ones(count), np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0])

    def best(loss: str, *, scored: bool) -> float:
        measure = as_scored(loss) if scored else LOSSES[loss]
        return float(multiples[np.argmin([measure(actual, 0.1 * each * signal, one).mean() for each in multiples])])

    assert best("mse", scored=False) == 1.0
    assert 0 < best("czar", scored=False) <= 0.5
    assert best("czar", scored=True) >= 2.0


def test_czar_ranks_oracle_zero_and_random_as_the_network_published() -> None:
    noise = np.random.default_rng(0)
    actual = noise.standard_t(4, 200_000) / math.sqrt(2)
    one = np.ones_like(actual)
    assert LOSSES["czar"](actual, actual, one).mean() == pytest.approx(0.25, abs=0.01)
    assert LOSSES["czar"](actual, 0 * actual, one).mean() == pytest.approx(0.68, abs=0.01)
    assert LOSSES["czar"](actual, noise.permutation(actual), one).mean() == pytest.approx(1.32, abs=0.02)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "zptae", "ztae"])
def test_a_right_forecast_loses_nothing_and_a_wrong_one_something(name: str) -> None:
    actual = np.array([-2.0, 0.0, 0.5])
    scale = np.array([1.0, 2.0, 0.5])
    np.testing.assert_array_equal(LOSSES[name](actual, actual, scale), 0)
    assert (LOSSES[name](actual, actual + 0.1, scale) > 0).all()


@pytest.mark.parametrize("name", ["huber", "zptae", "ztae", "czar"])
def test_losses_measured_in_scales_know_no_units(name: str) -> None:
    noise = np.random.default_rng(1)
    actual, forecast, scale = noise.normal(size=100), noise.normal(size=100), np.full(100, 0.7)
    np.testing.assert_allclose(LOSSES[name](1e-3 * actual, 1e-3 * forecast, 1e-3 * scale), LOSSES[name](actual, forecast, scale))


def test_huber_is_squared_near_and_absolute_far() -> None:
    losses = LOSSES["huber"](np.zeros(2), np.array([0.5, 3.0]), np.ones(2))
    np.testing.assert_allclose(losses, [0.125, 2.5])


def test_ztae_is_the_distance_of_two_tanhs_and_never_above_two() -> None:
    losses = LOSSES["ztae"](np.array([1.0, -50.0]), np.array([0.5, 50.0]), np.ones(2))
    np.testing.assert_allclose(losses, [math.tanh(1) - math.tanh(0.5), 2.0])


@pytest.mark.parametrize("miss", [1e-3, 1e-6, 1e-9])
def test_a_forecast_that_is_nearly_right_keeps_the_digits_of_its_loss(miss: float) -> None:
    """Far out a small miss costs its size times the curve's slope, which is far less than a difference of arctangents resolves."""
    actual = np.array([2_000.0])
    delta = 0.01 / math.sqrt(3)
    slope = (1 + delta**2) / (1 + (2_000 + delta) ** 2)
    beyond_exact = czar_scored(actual, actual - miss, np.ones(1))[0] - czar_scored(actual, actual, np.ones(1))[0]
    assert beyond_exact == pytest.approx(slope * miss, rel=1e-3, abs=1e-20)


def test_zptae_lets_an_outlier_grow_slowly_and_punishes_the_absurd() -> None:
    far = LOSSES["zptae"](np.zeros(3), np.array([10.0, 20.0, 2000.0]), np.ones(3))
    assert far[0] < far[1] < 2 * far[0]
    assert far[2] > 1e4


def test_every_loss_of_the_config_can_be_scored() -> None:
    assert set(CONFIGURABLE) == set(LOSSES)
    with pytest.raises(ForecastError, match="known are"):
        loss_of("luck")
