"""Ridge regression in closed form, and its predictions out of fold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from forecasting.models.ridge import FOLDS, PENALTIES, RidgeRegression, fit_ridge, fit_validated_ridge, predict_out_of_fold


def correlated(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, 6] that lean on each other and lie around 3, and targets [n] that follow from two of them."""
    noise = np.random.default_rng(seed)
    features = noise.normal(size=(rows, 6)) @ noise.normal(size=(6, 6)) + 3
    return features, features @ [1.0, -0.5, 0.0, 0.0, 0.0, 0.0] + noise.normal(size=rows) + 7


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_fit_is_that_of_scikit_learn(penalty: float) -> None:
    features, targets = correlated(500)
    (ridge,) = fit_ridge(features, targets, [penalty])
    oracle = Ridge(alpha=penalty * len(targets)).fit(features, targets)
    np.testing.assert_allclose(ridge.weights, oracle.coef_, rtol=1e-8, atol=1e-10)
    assert ridge.bias == pytest.approx(oracle.intercept_)
    np.testing.assert_allclose(ridge.predict(features), oracle.predict(features), rtol=1e-8)


def test_every_fold_is_predicted_by_what_scikit_learn_fits_on_the_rows_before_its_embargo() -> None:
    features, targets = correlated(803)
    rows, steps = np.arange(3, 803), 10
    found = predict_out_of_fold(features, targets, rows, steps, [0.1])
    edges = [200, 300, 400, 500, 600, 700, 800]
    expected = []
    for start, stop in pairwise(edges):
        seen, fold = rows[: start - steps], rows[start:stop]
        expected.append(Ridge(alpha=0.1 * len(seen)).fit(features[seen], targets[seen]).predict(features[fold]))
    assert len(expected) == FOLDS
    np.testing.assert_array_equal(found.rows, rows[200:])
    np.testing.assert_allclose(found.predictions, np.concatenate(expected), rtol=1e-8)
    np.testing.assert_array_equal(found.at(rows[[250, 799]]), found.predictions[[50, 599]])


def test_the_penalty_is_the_one_that_errs_least_out_of_fold() -> None:
    noise = np.random.default_rng(1)
    features, targets = noise.normal(size=(240, 40)), noise.normal(size=240)
    targets += 0.3 * features[:, 0]
    rows = np.arange(240)
    chosen = predict_out_of_fold(features, targets, rows, 1, [1e-9, 1.0])
    assert chosen.penalty == 1.0
    np.testing.assert_array_equal(chosen.predictions, predict_out_of_fold(features, targets, rows, 1, [1.0]).predictions)


def test_a_validated_fit_is_shrunk_as_far_as_the_validation_rows_call_for() -> None:
    features, targets = correlated(1_000)
    targets -= targets.mean()
    training, validation = np.arange(600), np.arange(600, 1_000)
    # What comes later is half of what was learned.
    later = targets.copy()
    later[validation] = 0.5 * (features @ fit_ridge(features[training], targets[training], [0.01])[0].weights)[validation]
    whole = fit_validated_ridge(features, targets, training, validation, [0.01])
    half = fit_validated_ridge(features, later, training, validation, [0.01])
    ratio = half.weights / fit_ridge(features[training], targets[training], [0.01])[0].weights
    np.testing.assert_allclose(ratio, ratio[0])
    assert 0 < ratio[0] < 0.9
    assert np.abs(whole.weights).sum() > np.abs(half.weights).sum()


def test_skill_that_turns_into_its_opposite_is_shrunk_to_nothing() -> None:
    features, targets = correlated(1_000)
    targets -= targets.mean()
    features -= features.mean(axis=0)
    targets[600:] *= -1
    found = fit_validated_ridge(features, targets, np.arange(600), np.arange(600, 1_000), PENALTIES)
    assert np.all(found.weights == 0)
    assert found.bias == 0


def test_the_zero_regression_predicts_zero() -> None:
    np.testing.assert_array_equal(RidgeRegression.zero(6).predict(correlated(9)[0]), np.zeros(9))
