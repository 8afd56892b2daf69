"""A model put together from its parts: line, network, and how far each is to be trusted.

The line is walked forward over all that lies before the test part, and fitted once more on all of it. The network learns from the
training part what the line leaves, stops early by the validation part, and is believed as far as the calibration part bears it out.
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
from forecasting.models.ensemble import Ensemble
from forecasting.models.ridge import NO_PENALTY, PENALTIES, Line, OutOfFoldPredictions, fit_line, fit_lines, walk_line
from forecasting.models.trained_model import TrainedModel
from forecasting.prediction.conformal import Intervals
from forecasting.training.checkpoint import TrainingProvenance, warm_start
from forecasting.training.shrinkage import fit_cautious_shrinkage, fit_level_offset, fit_scored_shrinkage, fit_shrinkage
from forecasting.training.torch_losses import correcting
from forecasting.training.training_loop import FitSettings, Progress, Windows, answers_of, fit
from node.errors import NotEnoughDataError, TrainingError
from node.topics import Target

WINSORISED: Final = (0.005, 0.995)
"""Quantiles of the training targets at which all targets are cut, so that one crash bar does not decide a squared error."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A trained model, what it has seen, and the intervals that its past errors call for."""

    model: TrainedModel = field(repr=False)
    provenance: TrainingProvenance
    intervals: Intervals
    warm_started: bool


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What is chosen for one training."""

    loss: str
    settings: FitSettings
    max_epochs: int
    champion: bytes | None = None
    on_progress: Callable[[Progress], None] | None = None
    kind: Model | None = None
    """In place of the model of the signature's name."""


def assemble(dataset: Dataset, parts: Parts, plan: FitPlan) -> Assembled:
    """Fit every part of the model that the dataset's signature names. TrainingError for a target that it does not forecast."""
    return _Assembly(dataset, parts, plan).run()


class _Assembly:
    """The steps of one training, in order; targets are in units, that is in deviations of the training targets."""

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

    def run(self) -> Assembled:
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
            targets = _winsorised(targets, self.parts.training)
        self.unit = float(targets[self.parts.training].std())
        if not self.unit > 0:
            raise NotEnoughDataError(
                f"the price of {self.signature.token} never moves in this history", hint="There is nothing to learn yet."
            )
        model.unit.fill_(self.unit)
        self.targets = targets / self.unit
        out_of_fold = self._walk_line()
        if self.kind.has_network:
            self._fit_network(out_of_fold)
        return Assembled(model, provenance, self._conclude(out_of_fold), warm)

    def _walk_line(self) -> OutOfFoldPredictions:
        """Fit the line on all before the test part, and the trust in it on its answers walked forward."""
        if self.kind.regression is None:
            return OutOfFoldPredictions(self.before_test, np.zeros(len(self.before_test)), 0.0)
        out_of_fold = walk_line(self.features, self.targets, self.before_test, self.signature.steps, self.penalties)
        (line,) = fit_lines(self.features[self.before_test], self.targets[self.before_test], [out_of_fold.penalty])
        self.model.line_weights.copy_(torch.from_numpy(line.weights))
        self.model.line_bias.fill_(line.bias)
        trust = 1.0 if self.kind.plain else self._trust(out_of_fold.rows, self.targets[out_of_fold.rows], out_of_fold.answers)
        self.model.line_trust.fill_(trust)
        return out_of_fold

    def _fit_network(self, out_of_fold: OutOfFoldPredictions) -> None:
        """Teach the network what a line of the training rows leaves, and trust it as far as the calibration rows allow."""
        parts, network = self.parts, self.model.network
        line = Line.flat(self.features.shape[1])
        if self.kind.regression is not None:
            line, _ = fit_line(self.features, self.targets, parts.training, parts.validation, self.penalties)
        said = line(self.features)
        loss = correcting(self.plan.loss, self.unit)
        members = list(network.members) if isinstance(network, Ensemble) else [network]
        lengths = network.windows if isinstance(network, Ensemble) else (self.signature.window,)
        for member, length in zip(members, lengths, strict=True):
            fit(
                member,
                self._windows(parts.training, said, length),
                self._windows(parts.validation, said, length),
                self.plan.settings,
                max_epochs=self.plan.max_epochs,
                loss=loss,
                on_progress=self.plan.on_progress,
            )
        left = self.targets[parts.calibration] - float(self.model.line_trust) * _at(out_of_fold, parts.calibration)
        if isinstance(network, Ensemble):
            _vote(network, left, [self._answers(member, said, n) for member, n in zip(members, lengths, strict=True)])
        corrections = self._answers(network, said, self.signature.window)
        self.model.network_trust.fill_(self._trust(parts.calibration, left, corrections))

    def _answers(self, network: nn.Module, said: Floats, length: int) -> Floats:
        windows = self._windows(self.parts.calibration, said, length)
        return answers_of(network, windows).double().numpy()

    def _windows(self, rows: Integers, said: Floats, length: int) -> Windows:
        both = np.stack((self.targets[rows], said[rows]), axis=1) * self.unit
        return Windows(self.standardised, torch.from_numpy(rows), torch.from_numpy(both.astype(np.float32)), length)

    def _trust(self, rows: Integers, actual: Floats, answers: Floats) -> float:
        """A return must hold by squared error, in scales and as it is paid, by the network's loss and by the topic's own; a log
        return may instead hold by its loss as the chain scores it, and is believed by half then."""
        steps, unit, scale = self.signature.steps, self.unit, self.dataset.scale[rows]
        if self.signature.target is Target.VOLATILITY:
            return fit_shrinkage(actual * unit, answers * unit, steps)
        cautious = fit_cautious_shrinkage(actual * unit, answers * unit, scale, steps, ("czar", self.plan.loss))
        if self.signature.target is not Target.LOG_RETURN or self.plan.loss not in SCALED:
            return cautious
        in_units, sigma = unit * scale, sigma_at(self.dataset, rows)
        return max(cautious, fit_scored_shrinkage(actual * in_units, answers * in_units, sigma, steps, self.plan.loss))

    def _conclude(self, out_of_fold: OutOfFoldPredictions) -> Intervals:
        """Correct the level of volatilities, and measure how far off the walked forecasts were."""
        dataset, rows = self.dataset, out_of_fold.rows
        answers = float(self.model.line_trust) * self.unit * dataset.scale[rows] * out_of_fold.answers
        forecast = dataset.baseline[rows] + answers
        if self._corrects_levels():
            self.model.offset.fill_(fit_level_offset(dataset.actual[rows], forecast, self.signature.steps))
        return Intervals.fit(dataset.actual[rows], forecast + float(self.model.offset), dataset.scale[rows])

    def _corrects_levels(self) -> bool:
        """Only squared errors of levels call for it, and the baseline is left as it is."""
        squares = self.signature.target is Target.VOLATILITY and self.plan.loss == "mse"
        return squares and not self.kind.plain and self.model.shrinkage > 0

    def _seen_until(self, rows: Integers) -> int:
        """Open time of the last candle that these rows' truths reach."""
        return int(self.dataset.times[rows[-1]]) + self.signature.horizon.ms


def _vote(network: Ensemble, left: Floats, answers: list[Floats]) -> None:
    """Listen to the member that leaves least of what the line left, or to their average if that leaves less."""
    count = len(answers)
    options = [np.eye(count)[number] for number in range(count)] + [np.full(count, 1 / count)]
    together = np.stack(answers, axis=1)
    best = min(options, key=lambda votes: float(np.mean((left - together @ votes) ** 2)))
    network.votes.copy_(torch.from_numpy(best))


def _at(out_of_fold: OutOfFoldPredictions, rows: Integers) -> Floats:
    """The walked answers at these rows, which are among the walked ones."""
    return out_of_fold.answers[np.searchsorted(out_of_fold.rows, rows)]


def _winsorised(targets: Floats, training: Integers) -> Floats:
    """Targets cut at quantiles that the training part alone decides."""
    low, high = np.quantile(targets[training], WINSORISED)
    return np.clip(targets, low, high)


def _rows_read(dataset: Dataset, training: Integers) -> npt.NDArray[np.bool_]:
    """Rows that lie in any training window, once each."""
    read = np.zeros(len(dataset.times), bool)
    for back in range(dataset.signature.window):
        read[training - back] = True
    return read
