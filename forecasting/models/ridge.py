"""The part of every model that needs no network: a straight line through the newest bar's standardised features.

Ridge regression has a closed form, so it can be fitted again and again on a growing past and asked about what came next. Those
walk-forward answers are the evidence: how much the line is to be trusted, how far levels lie above what logs say, how wide an
interval must be. They cover most of the history, where a part kept aside would cover a tenth.

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
class Line:
    """Answer: `weights` [F] · features + `bias`."""

    weights: Floats
    bias: float

    def __call__(self, features: Floats) -> Floats:
        """Answers [n] for standardised features [n, F]."""
        return _product(features, self.weights) + self.bias

    @classmethod
    def flat(cls, features: int) -> Line:
        """Always 0."""
        return cls(np.zeros(features), 0.0)


@dataclass(frozen=True, slots=True)
class OutOfFoldPredictions:
    """Answers [n] that a line gave at `rows`, each fitted on what was known before; and the penalty that did best there."""

    rows: Integers
    answers: Floats
    penalty: float


def fit_lines(features: Floats, targets: Floats, penalties: Sequence[float]) -> list[Line]:
    """One line a penalty, fitted to features [n, F] and targets [n]. The intercept is free of it."""
    centre, middle = features.mean(axis=0), float(targets.mean())
    centred = features - centre
    products = _product(centred.T, centred) / len(targets)
    towards = _product(centred.T, targets - middle) / len(targets)
    lines = []
    for penalty in penalties:
        weights: Floats = np.linalg.solve(products + penalty * np.eye(len(centre)), towards).astype(np.float64)
        lines.append(Line(weights, middle - float(centre @ weights)))
    return lines


def walk_line(features: Floats, targets: Floats, rows: Integers, steps: int, penalties: Sequence[float]) -> OutOfFoldPredictions:
    """Walk a line forward over `rows` [n] (ascending) of features [m, F] and targets [m], fold by fold.

    Each fold is answered by lines fitted on all rows before it, less an embargo of `steps` rows, so that no truth they learned from
    reaches into the fold.
    """
    edges = np.linspace(FIRST_FOLD, 1.0, FOLDS + 1) * len(rows)
    pieces: list[list[Floats]] = [[] for _ in penalties]
    for start, stop in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
        seen, fold = rows[: max(start - steps, 2)], rows[start:stop]
        for piece, line in zip(pieces, fit_lines(features[seen], targets[seen], penalties), strict=True):
            piece.append(line(features[fold]))
    asked = rows[int(edges[0]) :]
    answers = [np.concatenate(piece) for piece in pieces]
    best = min(range(len(answers)), key=lambda number: _error(targets[asked], answers[number]))
    return OutOfFoldPredictions(asked, answers[best], penalties[best])


def fit_line(
    features: Floats, targets: Floats, training: Integers, validation: Integers, penalties: Sequence[float]
) -> tuple[Line, float]:
    """The line of the training rows whose penalty did best on the validation rows, already as small as it should be there."""
    actual = targets[validation]
    lines = fit_lines(features[training], targets[training], penalties)
    best = min(lines, key=lambda line: _error(actual, line(features[validation])))
    trust = _trust(actual, best(features[validation]))
    return Line(best.weights * trust, best.bias * trust), trust


def _error(actual: Floats, answers: Floats) -> float:
    """Mean squared error after the shrinking that suits the answers best."""
    return float(np.mean((actual - _trust(actual, answers) * answers) ** 2))


def _trust(actual: Floats, answers: Floats) -> float:
    size = float(np.mean(answers**2))
    return float(np.clip(np.mean(answers * actual) / size, 0.0, 1.0)) if size > 0 else 0.0


def _product(first: Floats, second: Floats) -> Floats:
    """Matrix product on torch's threads, of which a training has one: the same bytes every time."""
    product: Floats = (torch.from_numpy(np.ascontiguousarray(first)) @ torch.from_numpy(np.ascontiguousarray(second))).numpy()
    return product
