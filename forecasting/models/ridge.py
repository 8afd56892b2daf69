"""The part of every model that needs no network: ridge regression on the newest bar's standardised features.

It has a closed form, so it can be fitted again and again on a growing past and asked about what came next. These out-of-fold
predictions are the evidence: how far the regression is believed, how far levels lie above what logs say, how wide an interval must
be. They cover most of the history, where a part kept aside would cover a tenth.

Reference: A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from forecasting.arrays import Floats, Integers

PENALTIES: Final = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""Ridge penalties tried, per row and standardised feature."""

NO_PENALTY: Final = (1e-9,)
"""Least squares."""

FOLDS: Final = 6
FIRST_FOLD: Final = 0.25
"""Part of the rows that is learned from before the first fold is asked about."""


@dataclass(frozen=True, slots=True)
class RidgeRegression:
    """A fitted regression: `weights` [F] · features + `bias`."""

    weights: Floats
    bias: float

    def predict(self, features: Floats) -> Floats:
        """Return predictions [n] for standardised features [n, F]."""
        return _product(features, self.weights) + self.bias

    @classmethod
    def zero(cls, features: int) -> RidgeRegression:
        """Return the regression that always predicts 0."""
        return cls(np.zeros(features), 0.0)


@dataclass(frozen=True, slots=True)
class OutOfFoldPredictions:
    """Predictions [n] at `rows`, each by a regression fitted on what was known before; and the penalty that did best there."""

    rows: Integers
    predictions: Floats
    penalty: float

    def at(self, rows: Integers) -> Floats:
        """Return the predictions at these rows, which must be among `rows`."""
        return self.predictions[np.searchsorted(self.rows, rows)]


def fit_ridge(features: Floats, targets: Floats, penalties: Sequence[float]) -> list[RidgeRegression]:
    """Fit one regression a penalty to features [n, F] and targets [n]. The intercept is free of the penalty.

    A penalty λ is scikit-learn's `Ridge(alpha=λ·n)`, n being the number of rows.
    """
    centre, middle = features.mean(axis=0), float(targets.mean())
    centred = features - centre
    products = _product(centred.T, centred) / len(targets)
    towards = _product(centred.T, targets - middle) / len(targets)
    fitted = []
    for penalty in penalties:
        weights: Floats = np.linalg.solve(products + penalty * np.eye(len(centre)), towards).astype(np.float64)
        fitted.append(RidgeRegression(weights, middle - float(centre @ weights)))
    return fitted


def predict_out_of_fold(
    features: Floats, targets: Floats, rows: Integers, steps: int, penalties: Sequence[float]
) -> OutOfFoldPredictions:
    """Walk a regression forward over `rows` [n] (ascending) of features [m, F] and targets [m], fold by fold.

    Each fold is predicted by regressions fitted on all rows before it, less an embargo of `steps` rows, so that no target they
    learned from reaches into the fold. scikit-learn's `TimeSeriesSplit(gap=steps)` cuts folds of equal size from the end: unless
    the rows divide by eight these lie elsewhere, and every penalty and weight would change a little.
    """
    edges = np.linspace(FIRST_FOLD, 1.0, FOLDS + 1) * len(rows)
    pieces: list[list[Floats]] = [[] for _ in penalties]
    for start, stop in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
        seen, fold = rows[: max(start - steps, 2)], rows[start:stop]
        for piece, ridge in zip(pieces, fit_ridge(features[seen], targets[seen], penalties), strict=True):
            piece.append(ridge.predict(features[fold]))
    asked = rows[int(edges[0]) :]
    predictions = [np.concatenate(piece) for piece in pieces]
    best = min(range(len(predictions)), key=lambda number: _error(targets[asked], predictions[number]))
    return OutOfFoldPredictions(asked, predictions[best], penalties[best])


def fit_validated_ridge(
    features: Floats, targets: Floats, training: Integers, validation: Integers, penalties: Sequence[float]
) -> RidgeRegression:
    """Fit on the training rows with the penalty that does best on the validation rows, shrunk as far as these call for."""
    actual = targets[validation]
    fitted = fit_ridge(features[training], targets[training], penalties)
    best = min(fitted, key=lambda ridge: _error(actual, ridge.predict(features[validation])))
    weight = _shrinkage_weight(actual, best.predict(features[validation]))
    return RidgeRegression(best.weights * weight, best.bias * weight)


def _error(actual: Floats, predictions: Floats) -> float:
    """Mean squared error after the shrinkage that suits the predictions best."""
    return float(np.mean((actual - _shrinkage_weight(actual, predictions) * predictions) ** 2))


def _shrinkage_weight(actual: Floats, predictions: Floats) -> float:
    """Least-squares weight of the predictions, cut to [0, 1]."""
    size = float(np.mean(predictions**2))
    return float(np.clip(np.mean(predictions * actual) / size, 0.0, 1.0)) if size > 0 else 0.0


def _product(first: Floats, second: Floats) -> Floats:
    """Matrix product on torch's threads, of which a training has one: the same bytes every time."""
    product: Floats = (torch.from_numpy(np.ascontiguousarray(first)) @ torch.from_numpy(np.ascontiguousarray(second))).numpy()
    return product
