"""A model is fitted part by part: regression, network, and the weights by which both are shrunk towards the baseline.

The regression predicts out of fold over all that lies before the test part, and is fitted once more on all of it. The network
learns from the training part what the regression leaves, stops early by the validation part, and is believed as far as the
calibration part bears it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from forecasting.arrays import Floats, Integers
from forecasting.dataset.windows import Dataset, Parts, sigma_at
from forecasting.evaluation.losses import SCALED
from forecasting.models import Model, get_model
from forecasting.models.ensemble import Ensemble, choose_votes
from forecasting.models.ridge import (
    NO_PENALTY,
    PENALTIES,
    OutOfFoldPredictions,
    RidgeRegression,
    fit_ridge,
    fit_validated_ridge,
    predict_out_of_fold,
)
from forecasting.models.trained_model import TrainedModel
from forecasting.prediction.conformal import Intervals
from forecasting.training.checkpoint import TrainingProvenance, warm_start
from forecasting.training.shrinkage import fit_cautious_shrinkage, fit_scored_shrinkage, fit_shrinkage, fit_smearing_correction
from forecasting.training.torch_losses import correction_loss
from forecasting.training.training_loop import FitSettings, Progress, Windows, fit, predict
from node.errors import NotEnoughDataError, TrainingError
from node.topics import Target

WINSORISED: Final = (0.005, 0.995)
"""Quantiles of the training targets at which all targets are cut, so that one crash bar does not decide a squared error."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A trained model, what it has seen, and the intervals that its past errors call for."""

    model: TrainedModel = field(repr=False)
    provenance: TrainingProvenance
    intervals: Intervals
    warm_started: bool


@dataclass(frozen=True, slots=True)
class FitPlan:
    """The choices made for one training."""

    loss: str
    settings: FitSettings
    max_epochs: int
    champion: bytes | None = None
    on_progress: Callable[[Progress], None] | None = None
    kind: Model | None = None
    """In place of the model of the signature's name."""


def fit_model(dataset: Dataset, parts: Parts, plan: FitPlan) -> FittedModel:
    """Fit every part of the model that the dataset's signature names. TrainingError for a target that it does not forecast."""
    return _ModelFit(dataset, parts, plan).run()


class _ModelFit:
    """The steps of one training, in order; `targets` are in standard deviations of the training targets, `target_std`."""

    def __init__(self, dataset: Dataset, parts: Parts, plan: FitPlan) -> None:
        self.dataset, self.parts, self.plan = dataset, parts, plan
        self.signature = dataset.signature
        self.kind: Model = plan.kind or get_model(self.signature.model)
        if self.signature.target not in self.kind.targets:
            forecast = " and ".join(self.kind.targets)
            raise TrainingError(f"{self.signature.model} forecasts {forecast}, not {self.signature.target}")
        features = len(self.signature.features)
        self.model = TrainedModel(self.kind.build(features), features)
        self.before_test = np.concatenate((parts.training, parts.validation, parts.calibration))
        self.penalties = PENALTIES if self.kind.regression == "ridge" else NO_PENALTY

    def run(self) -> FittedModel:
        dataset, model = self.dataset, self.model
        provenance = TrainingProvenance(
            self.signature, self._seen_until(self.parts.training), self._seen_until(self.parts.validation)
        )
        warm = self.plan.champion is not None and warm_start(model.network, self.plan.champion, provenance)
        model.standardise.fit(dataset.features[_rows_read(dataset, self.parts.training)].astype(np.float64))
        self.standardised: Tensor = torch.nan_to_num(model.standardise(torch.from_numpy(dataset.features)))
        self.features = self.standardised.double().numpy()
        targets = (dataset.actual - dataset.baseline) / dataset.scale
        if not self.kind.plain:
            targets = _winsorise(targets, self.parts.training)
        self.target_std = float(targets[self.parts.training].std())
        if not self.target_std > 0:
            raise NotEnoughDataError(
                f"the price of {self.signature.token} never moves in this history", hint="There is nothing to learn yet."
            )
        model.unit.fill_(self.target_std)
        self.targets = targets / self.target_std
        out_of_fold = self._fit_regression()
        if self.kind.has_network:
            self._fit_network(out_of_fold)
        return FittedModel(model, provenance, self._conclude(out_of_fold), warm)

    def _fit_regression(self) -> OutOfFoldPredictions:
        """Fit the regression on all before the test part, and its shrinkage weight on its out-of-fold predictions."""
        if self.kind.regression is None:
            return OutOfFoldPredictions(self.before_test, np.zeros(len(self.before_test)), 0.0)
        out_of_fold = predict_out_of_fold(self.features, self.targets, self.before_test, self.signature.steps, self.penalties)
        (ridge,) = fit_ridge(self.features[self.before_test], self.targets[self.before_test], [out_of_fold.penalty])
        self.model.line_weights.copy_(torch.from_numpy(ridge.weights))
        self.model.line_bias.fill_(ridge.bias)
        rows = out_of_fold.rows
        weight = 1.0 if self.kind.plain else self._fit_shrinkage_weight(rows, self.targets[rows], out_of_fold.predictions)
        self.model.line_trust.fill_(weight)
        return out_of_fold

    def _fit_network(self, out_of_fold: OutOfFoldPredictions) -> None:
        """Teach the network what a regression on the training rows leaves, and believe it as far as the calibration rows allow."""
        parts, network = self.parts, self.model.network
        ridge = RidgeRegression.zero(self.features.shape[1])
        if self.kind.regression is not None:
            ridge = fit_validated_ridge(self.features, self.targets, parts.training, parts.validation, self.penalties)
        predicted = ridge.predict(self.features)
        loss = correction_loss(self.plan.loss, self.target_std)
        members = list(network.members) if isinstance(network, Ensemble) else [network]
        lengths = network.windows if isinstance(network, Ensemble) else (self.signature.window,)
        for member, length in zip(members, lengths, strict=True):
            fit(
                member,
                self._windows(parts.training, predicted, length),
                self._windows(parts.validation, predicted, length),
                self.plan.settings,
                max_epochs=self.plan.max_epochs,
                loss=loss,
                on_progress=self.plan.on_progress,
            )
        residuals = self.targets[parts.calibration] - float(self.model.line_trust) * out_of_fold.at(parts.calibration)
        if isinstance(network, Ensemble):
            corrections = [self._correct(member, predicted, n) for member, n in zip(members, lengths, strict=True)]
            network.votes.copy_(torch.from_numpy(choose_votes(residuals, corrections)))
        correction = self._correct(network, predicted, self.signature.window)
        self.model.network_trust.fill_(self._fit_shrinkage_weight(parts.calibration, residuals, correction))

    def _correct(self, network: nn.Module, predicted: Floats, length: int) -> Floats:
        """The network's corrections of the calibration rows."""
        return predict(network, self._windows(self.parts.calibration, predicted, length)).double().numpy()

    def _windows(self, rows: Integers, predicted: Floats, length: int) -> Windows:
        both = np.stack((self.targets[rows], predicted[rows]), axis=1) * self.target_std
        return Windows(self.standardised, torch.from_numpy(rows), torch.from_numpy(both.astype(np.float32)), length)

    def _fit_shrinkage_weight(self, rows: Integers, actual: Floats, predicted: Floats) -> float:
        """A return must hold by squared error, in scales and as it is paid, by the network's loss and by the topic's own; a log
        return may instead hold by its loss as the chain scores it, and is believed by half then."""
        steps, std, scale = self.signature.steps, self.target_std, self.dataset.scale[rows]
        if self.signature.target is Target.VOLATILITY:
            return fit_shrinkage(actual * std, predicted * std, steps)
        cautious = fit_cautious_shrinkage(actual * std, predicted * std, scale, steps, ("czar", self.plan.loss))
        if self.signature.target is not Target.LOG_RETURN or self.plan.loss not in SCALED:
            return cautious
        in_returns, sigma = std * scale, sigma_at(self.dataset, rows)
        return max(cautious, fit_scored_shrinkage(actual * in_returns, predicted * in_returns, sigma, steps, self.plan.loss))

    def _conclude(self, out_of_fold: OutOfFoldPredictions) -> Intervals:
        """Correct the level of volatilities, and measure how far off the out-of-fold forecasts were."""
        dataset, rows = self.dataset, out_of_fold.rows
        moves = float(self.model.line_trust) * self.target_std * dataset.scale[rows] * out_of_fold.predictions
        forecast = dataset.baseline[rows] + moves
        if self._corrects_levels():
            self.model.offset.fill_(fit_smearing_correction(dataset.actual[rows], forecast, self.signature.steps))
        return Intervals.fit(dataset.actual[rows], forecast + float(self.model.offset), dataset.scale[rows])

    def _corrects_levels(self) -> bool:
        """Only squared errors of levels call for it, and the baseline is left as it is."""
        squares = self.signature.target is Target.VOLATILITY and self.plan.loss == "mse"
        return squares and not self.kind.plain and self.model.shrinkage > 0

    def _seen_until(self, rows: Integers) -> int:
        """Open time of the last candle that these rows' targets reach."""
        return int(self.dataset.times[rows[-1]]) + self.signature.horizon.ms


def _winsorise(targets: Floats, training: Integers) -> Floats:
    """Cut targets at quantiles that the training part alone decides."""
    low, high = np.quantile(targets[training], WINSORISED)
    return np.clip(targets, low, high)


def _rows_read(dataset: Dataset, training: Integers) -> npt.NDArray[np.bool_]:
    """Rows that lie in any training window, once each."""
    read = np.zeros(len(dataset.times), bool)
    for back in range(dataset.signature.window):
        read[training - back] = True
    return read
